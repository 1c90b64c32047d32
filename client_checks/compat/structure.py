"""Finds the changes that no rule of the other modules covers: compares every value of every file, and reports each
by name.

Changes of wording, of sources and of the emulator's own tables are classed here. The others are reported as
unclassed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.compat.change import UNCLASSED, Change, Party
from swapmock.client_checks.compat.source import Version

#: Represents a value that one side does not have.
NOTHING = "nothing"

#: Keys whose values are texts for human readers.
WORDING = {
    "description", "summary", "title", "example", "examples", "tags", "externalDocs", "info", "x-evidence", "x-guessed", "about",
    "source", "evidence", "meaning", "comment", "$comment", "x-source",
}  # fmt: skip

#: Keys of OpenAPI that the comparison of operations and schemas covers, with everything below them.
COMPARED = {
    "type", "enum", "required", "properties", "items", "oneOf", "anyOf", "allOf", "pattern", "format", "const", "maxLength",
    "maxItems", "maximum", "exclusiveMaximum", "maxProperties", "minLength", "minItems", "minimum", "exclusiveMinimum",
    "minProperties", "$ref", "parameters", "in", "name", "schema", "requestBody", "content", "responses", "headers",
    "callbacks", "security", "securitySchemes", "servers", "url", "deprecated", "default", "additionalProperties",
    "operationId", "discriminator", "mapping", "propertyName", "if", "then", "else", "not", "style", "explode",
    "allowReserved", "allowEmptyValue", "multipleOf", "uniqueItems", "paths", "schemas", "components", "scheme", "bearerFormat",
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
}  # fmt: skip

#: Tables of behaviour.yaml that other rules compare, with the fields that they compare; None means all fields.
TABLES: Mapping[str, set[str] | None] = {
    "body_codes": {"code", "http", "retryable", "charged"},
    "refusals": {"problem", "code", "message", "http", "errors", "data"},
    "status_words": None,
    "callbacks": None,
    "limits": {"name", "value"},
    "lifetimes": {"name", "seconds"},
    "timelines": {"name", "queued", "running"},
    "variants": {"name", "choices", "default", "takes_map", "waives"},
    "credential_form": None,
    "money": {"per_credit"},
    "prefix": None,
    "order": None,
    "pictures": None,
    "descriptions": None,
    "detection_price": None,
}

#: Tables that only the emulator uses: a vendor's clients cannot notice them.
OF_THE_EMULATOR = {
    "scenarios",
    "series",
    "magic",
    "credentials",
    "kind_words",
    "status_evidence",
    "model_list",
    "defaults",
}

#: Fields of the tables of models and tools, and the party that a change of each concerns.
ROWS: Mapping[str, Party | None] = {
    "fields": Party.WRITER, "required": Party.WRITER, "operations": Party.READER, "provider": Party.READER,
    "version": Party.READER, "type": Party.READER, "modality": Party.READER, "reference": Party.READER, "media": Party.READER,
    "listed": Party.READER, "shown": Party.READER, "numbers": Party.READER, "mode": Party.READER, "makes": Party.READER,
    "family": Party.READER, "id_name": Party.READER, "caller_id": Party.WRITER, "tool_task": Party.READER,
    "faces": Party.WRITER, "callback": Party.WRITER, "folder": Party.READER, "timeline": Party.READER, "code": Party.READER,
    "kind": Party.READER, "pictures": Party.READER,
}  # fmt: skip

#: Fields of rows that the comparison of prices covers.
PRICED = {"price", "prices", "name", "operation"}

#: The fields that can identify the rows of a list; the first one that all rows have is used.
KEYS = ("name", "code", "problem", "value", "operation", "operationId", "key", "url", "id", "model")


def other_changes(old: Version, new: Version) -> Iterator[Change]:
    """Yield every change that no other rule reports."""
    for place in _leaves((), old.document, new.document):
        yield from _of_document(*place)
    for place in _leaves((), old.behaviour, new.behaviour):
        yield from _of_behaviour(*place)
    for file in sorted({*old.tables, *new.tables}):
        for path, was, now in _leaves((), old.tables.get(file, NOTHING), new.tables.get(file, NOTHING)):
            yield from _of_table(file, path, was, now)


def _of_document(path: tuple[str, ...], was: Any, now: Any) -> Iterator[Change]:
    if _is_wording(path):
        yield Change("wording", _pointer(_above_wording(path)), "its wording changed")
        return
    if "security" in path or "securitySchemes" in path:
        return  # compared in `operations`, by what is sent over the wire
    names = [
        step
        for step, above in zip(path, ("", *path), strict=False)
        if above not in ("properties", "schemas", "headers", "mapping")
    ]
    word = next((step for step in reversed(names) if not step.isdigit()), "")
    if word in COMPARED or (len(path) > 1 and path[-2] in COMPARED) or word.startswith("/"):
        return
    yield _unclassed("openapi", path, was, now)


def _of_behaviour(path: tuple[str, ...], was: Any, now: Any) -> Iterator[Change]:
    table = path[0] if path else ""
    if table in OF_THE_EMULATOR:
        yield Change("emulator", f"behaviour {'/'.join(path[:2])}", "changed: only the emulator has it")
    elif _is_wording(path):
        yield Change("wording", f"behaviour {'/'.join(path[:2])}", "its wording or source changed")
    elif table in TABLES:
        fields = TABLES[table]
        # A new or removed row, and a field that a rule covers, are reported by that rule.
        if fields is not None and len(path) > 2 and path[2] not in fields:
            yield _unclassed("behaviour", path, was, now)
    else:
        yield _unclassed("behaviour", path, was, now)


def _of_table(file: str, path: tuple[str, ...], was: Any, now: Any) -> Iterator[Change]:
    if file.startswith("examples/") or _is_wording(path):
        yield Change("wording", f"{file} {'/'.join(path[:2])}".strip(), "its wording, source or example changed")
    elif path[:1] == ("defaults",):
        yield Change("emulator", f"{file} defaults", "changed: what rows leave out")
    elif file in ("models", "tools") and len(path) == 2:
        return  # a new or removed row is reported by the comparison of prices
    elif file in ("models", "tools") and len(path) > 2 and path[2] in PRICED:
        return
    elif file in ("models", "tools") and len(path) > 2 and path[2] in ROWS:
        yield Change("tables", f"{file} {path[1]} {path[2]}", f"{_short(was)} became {_short(now)}", ROWS[path[2]])
    else:
        yield _unclassed(file, path, was, now)


def _unclassed(file: str, path: tuple[str, ...], was: Any, now: Any) -> Change:
    return Change(UNCLASSED, f"{file} {_pointer(path)}", f"{_short(was)} became {_short(now)}")


def _is_wording(path: tuple[str, ...]) -> bool:
    """Return whether the value at `path` is text for human readers. A field of the API may have such a name, too:
    then it is below `properties`."""
    return any(
        step in WORDING and (index == 0 or path[index - 1] not in ("properties", "mapping"))
        for index, step in enumerate(path)
    )


def _above_wording(path: tuple[str, ...]) -> tuple[str, ...]:
    index = next((index for index, step in enumerate(path) if step in WORDING), len(path))
    return path[:index]


def _leaves(path: tuple[str, ...], was: Any, now: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield every place where two values differ, as deep as both have it. The order of rows with names is ignored."""
    was, now = _by_key(was), _by_key(now)
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        ours, theirs = ({str(key): value for key, value in side.items()} for side in (was, now))
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            yield from _leaves((*path, key), ours.get(key, NOTHING), theirs.get(key, NOTHING))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _leaves((*path, str(index)), one, other)
    elif was != now or isinstance(was, bool) != isinstance(now, bool):
        yield path, was, now


def _by_key(value: Any) -> Any:
    """Return a list of rows as a mapping by the field that identifies them, if each row has its own value."""
    if not isinstance(value, list) or not value or not all(isinstance(row, Mapping) for row in value):
        return value
    for key in KEYS:
        names = [str(row.get(key)) for row in value]
        if all(key in row for row in value) and len(set(names)) == len(names):
            return dict(zip(names, value, strict=True))
    return value


def _pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path) or "/"


def _short(value: Any) -> str:
    text = repr(value) if value != NOTHING else NOTHING
    return text if len(text) <= 80 else text[:80] + "..."
