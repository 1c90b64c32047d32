"""Reads a file of flows written by the user: YAML, checked against a JSON Schema and the contract. Errors name file
and line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from swapmock.client_checks.conformance.pointer import NAME
from swapmock.client_checks.conformance.profile import Profile
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.contracts import Contract, read_yaml

SCHEMA_FILE = "flows.schema.json"


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a file of flows."""
    found: Mapping[str, Any] = json.loads((files(__package__) / SCHEMA_FILE).read_text("utf-8"))
    return found


def read_flows(path: Path, contract: Contract, profile: Profile, media: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the flows of the file at `path`.

    `media` are additional names that the flows may use. Raises CannotRun with file and line of the first mistake:
    invalid YAML, a wrong member, an unknown call, an unknown kind of task or an unknown `$name`."""
    try:
        text = path.read_text("utf-8")
        rows, tree = read_yaml(path), yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise CannotRun(f"--flows: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CannotRun(f"--flows: {path} is not UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise CannotRun(f"--flows: {path}{line} is not YAML") from None
    except ValueError as error:
        raise CannotRun(f"--flows: {path} is not YAML: {error}") from None
    for place, why in [*_grammar(rows), *_meaning(rows, contract, profile, media)]:
        raise CannotRun(f"--flows: {path}:{_line(tree, place)}: {why}")
    return [{"about": "", **row} for row in rows]


def flow_findings(rows: Any, contract: Contract, profile: Profile) -> Iterator[str]:
    """Yield `PLACE: what is wrong` for the mistakes in parsed `rows` of flows: the first wrong member, and every
    unknown call, kind of task and `$name`."""
    for place, why in [*_grammar(rows), *_meaning(rows, contract, profile, {})]:
        yield f"{'/'.join(map(str, place))}: {why}"


def _grammar(rows: Any) -> Iterator[tuple[list[str | int], str]]:
    for error in sorted(Draft202012Validator(schema()).iter_errors(rows), key=lambda one: list(map(str, one.path))):
        deepest = min(error.context or [error], key=lambda one: (-len(one.path), str(one.message)))
        yield list(deepest.absolute_path), " ".join(deepest.message.split())[:200]
        return


def _meaning(
    rows: Any, contract: Contract, profile: Profile, media: Mapping[str, Any]
) -> Iterator[tuple[list[str | int], str]]:
    if not isinstance(rows, list):
        return
    names = [row.get("name") for row in rows if isinstance(row, Mapping)]
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or not isinstance(row.get("steps"), list):
            continue
        if names.index(row.get("name")) < number:
            yield [number, "name"], f"a flow named {row.get('name')!r} stands above already"
        known = {*profile.values["live"], *profile.values["emulator"], *media, "unique", "callback_url"}
        for index, step in enumerate(row["steps"]):
            if isinstance(step, Mapping):
                yield from (
                    ([number, "steps", index, *place], why) for place, why in _step(step, contract, profile, known)
                )
                known |= set(step.get("save", {}))


def _step(
    step: Mapping[str, Any], contract: Contract, profile: Profile, known: set[str]
) -> Iterator[tuple[list[str | int], str]]:
    tables: list[tuple[str, str, Mapping[str, Any]]] = [
        ("call", "operation", contract.operations),
        ("poll", "kind of task", profile.kinds),
        ("callback", "kind of task", profile.kinds),
        ("refused", "refusal", contract.behaviour.refusals),
        ("within", "lifetime", contract.behaviour.lifetimes),
        ("expired", "lifetime", contract.behaviour.lifetimes),
    ]
    for member, what, table in tables:
        value = step.get(member)
        for one in value if isinstance(value, list) else [value]:
            if one is not None and one not in table:
                yield [member], f"no {what} is named {one!r}; there are {', '.join(map(str, table))}"
    for member in ("path", "query", "body", "id", "put", "download"):
        for name in NAME.findall(json.dumps(step.get(member), default=str)):
            if name not in known:
                yield [member], f"${name} is unknown here; known are {', '.join(sorted(known))}"


def _line(tree: Any, place: list[str | int]) -> int:
    """Return the line of the value at `place`, or of its nearest parent that has a line."""
    node, line = tree, 1
    for step in [*place, None]:
        if node is None:
            break
        line = node.start_mark.line + 1
        if step is None:
            break
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        else:
            node = None
    return line
