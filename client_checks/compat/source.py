"""Reads a version of a contract: a folder, or a folder at a git revision."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from swapmock.contracts import COMMON, read_yaml
from swapmock.contracts.common import merge
from swapmock.contracts.derive import complete


class Unreadable(Exception):
    """There is no such version. The text is one line for the user."""


@dataclass(frozen=True)
class Version:
    """The parsed files of a contract's folder, without types: an old version may lack members that the current one
    has."""

    name: str
    document: Mapping[str, Any]
    behaviour: Mapping[str, Any]
    tables: Mapping[str, Any]
    texts: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, node: Any) -> Any:
        """Return `node`, or the node that its `$ref` points at after all references are followed."""
        while isinstance(node, Mapping) and "$ref" in node:
            found: Any = self.document
            for step in str(node["$ref"]).removeprefix("#/").split("/"):
                found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
            node = found
        return node


def read(version: str, contract: str | None, repository: Path | None = None) -> Version:
    """Return the contract at `version`: a folder, `REVISION:FOLDER`, or a revision of `contracts/CONTRACT`.

    Revisions are those of the git repository in `repository`, by default the current folder. Raises Unreadable."""
    if Path(version).is_dir():
        top = Path(version)
        files = {str(path.relative_to(top).as_posix()): path.read_text("utf-8") for path in sorted(top.rglob("*.yaml"))}
        for path in top.resolve().parent.glob(COMMON.name):
            files.setdefault(COMMON.name, path.read_text("utf-8"))
    else:
        files = _at_revision(version, contract, repository or Path())
    return _parsed(version, files)


def _at_revision(version: str, contract: str | None, repository: Path) -> dict[str, str]:
    revision, colon, folder = version.partition(":")
    if not colon:
        if contract is None:
            raise Unreadable(f"{version}: no such folder; for a git revision say REVISION:FOLDER, or name --contract")
        folder = f"contracts/{contract}"
    commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise Unreadable(f"{version}: neither a folder nor a git revision")
    folder = folder.rstrip("/")
    listed = _git(repository, "ls-tree", "-r", "--name-only", "--full-tree", commit.strip(), f"{folder}/") or ""
    names = [name for name in listed.splitlines() if name.endswith(".yaml")]
    found = {
        name.removeprefix(f"{folder}/"): _git(repository, "show", f"{commit.strip()}:{name}") or "" for name in names
    }
    beside = f"{folder.rpartition('/')[0]}/{COMMON.name}".removeprefix("/")
    shared = _git(repository, "show", f"{commit.strip()}:{beside}")
    if found and shared is not None:
        found[COMMON.name] = shared
    if not found:
        raise Unreadable(f"{version}: no contract in {folder} at that revision")
    return found


def _git(repository: Path, *arguments: str) -> str | None:
    """Return the output of git; None if git fails."""
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise Unreadable("a git revision needs git, which is not installed") from None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def line_of(text: str, place: str) -> int:
    """Return the number of a line of `text` to show for a place: the first line that contains its last word; 1 if
    none does."""
    words = [word for word in place.replace("/", " ").split() if word not in ("*", "request", "answer")]
    for word in reversed(words):
        for number, line in enumerate(text.splitlines(), 1):
            if word in line:
                return number
    return 1


def _parsed(name: str, files: Mapping[str, str]) -> Version:
    tables = {}
    for file, text in files.items():
        try:
            tables[file.removesuffix(".yaml")] = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark is not None else ""
            raise Unreadable(f"{name}: {file} is not YAML{where}") from None
    common = tables.pop(COMMON.stem, None)
    document = tables.pop("openapi", None)
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise Unreadable(f"{name}: no openapi.yaml with paths")
    own = tables.pop("behaviour", {}) or {}
    if common is None and "envelope" in own:
        common = read_yaml(COMMON)  # a copy of one folder, without the shared rows beside it
    behaviour = own if common is None else merge(common, own)
    return Version(name, complete(document, own.get("catalogue"), tables), behaviour, tables, dict(files))
