"""The declaration of a client: read from `conform.toml` and flags, never guessed."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from swapmock.client_checks.behaviour.validation import violations

FILE = "conform.toml"


class BadDeclaration(ValueError):
    """The declaration is not valid; the text names each wrong value."""


@dataclass(frozen=True)
class Declaration:
    """What the user says about the client. None means that a field is not declared. `declaration.schema.json`
    explains each field."""

    command: tuple[str, ...] = ()
    provider: str | None = None
    resume: str | tuple[str, ...] | None = None
    jobs: int | None = None
    verdict: str | Mapping[str, str] | None = None
    exit_unknown: tuple[int, ...] = ()
    deadline: float | None = None
    smallest_timeout: float | None = None
    downloads: bool | None = None
    callbacks: bool | None = None
    uploads: bool | None = None
    effects: bool | None = None
    faces: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    time: str = "auto"
    cwd: str = "copy"
    links: tuple[str, ...] = ()
    case_timeout: float | None = None

    @property
    def resume_command(self) -> tuple[str, ...] | None:
        """Return the command of a second run; None if the declaration names none."""
        if self.resume is None:
            return None
        return self.command if isinstance(self.resume, str) else self.resume

    def with_flags(self, **flags: Any) -> Declaration:
        """Return the declaration with `flags` in place of the file's values; None and () keep a value."""
        return replace(self, **{name: value for name, value in flags.items() if value not in (None, (), {})})


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a declaration."""
    text = files("swapmock.client_checks.behaviour").joinpath("declaration.schema.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def declare(values: Mapping[str, Any]) -> Declaration:
    """Return the declaration in `values`. Raises BadDeclaration with a line for each wrong value."""
    wrong = violations(schema(), dict(values))
    if wrong:
        raise BadDeclaration("; ".join(wrong))
    for pattern in values["verdict"].values() if isinstance(values.get("verdict"), Mapping) else ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise BadDeclaration(f"verdict: {pattern!r} is no regular expression: {error}") from None
    fitting: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Declaration(**fitting)


def from_file(path: Path) -> Declaration:
    """Return the declaration of a file. Raises BadDeclaration."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadDeclaration(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDeclaration(f"{path}: {error}") from None
    try:
        return declare(values)
    except BadDeclaration as wrong:
        raise BadDeclaration(f"{path}: {wrong}") from None


def written(declaration: Declaration, comments: Mapping[str, str] | None = None) -> str:
    """Return the text of a `conform.toml` that reads as `declaration`, with a comment above each value."""
    told = comments or {}
    lines = []
    for one in fields(Declaration):
        value = getattr(declaration, one.name)
        about = told.get(one.name) or schema()["properties"][one.name]["description"]
        if value in (None, (), {}) or value == one.default:
            if one.name in told:
                lines += [f"# {told[one.name]}", ""]
            continue
        lines += [f"# {about}", f"{one.name} = {_toml(value)}", ""]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(name))} = {_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
