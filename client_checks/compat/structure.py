"""Finds the changes that no rule of the other modules covers: compares every value of every file, and reports each
by name.

Changes of wording, of sources and of the emulator's own tables are classed here. The others are reported as
unclassed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.compat.behaviour import priced
from swapmock.client_checks.compat.change import UNCLASSED, UNREADABLE, Change, Party
from swapmock.client_checks.compat.shape import WORDING, kind_below
from swapmock.client_checks.compat.source import Version

#: Represents a value that one side does not have.
NOTHING = "nothing"

#: Tables of behaviour.yaml that other rules compare, with the fields that they compare; None means all fields.
TABLES: Mapping[str, set[str] | None] = {
    "body_codes": {"code", "http", "retryable", "charged"},
    "refusals": {"problem", "code", "message", "http", "errors", "data"},
    "status_words": None,
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

#: Fields that the rules for callbacks compare.
OF_CALLBACKS = {("method",), ("headers",), ("acknowledged", "statuses"), ("acknowledged", "code"), ("ladders",)}

#: Tables that only the emulator uses: a vendor's clients cannot notice them. Whoever tests with the emulator can.
OF_THE_EMULATOR = {
    "scenarios", "series", "magic", "credentials", "kind_words", "status_evidence", "model_list", "defaults", "catalogue",
    "parallel_posts", "max_in_flight",
}  # fmt: skip

#: Tables and rows whose change a client can notice, told field by field, with the party that each concerns.
NOTICED: Mapping[str, tuple[str, Party | None]] = {
    "envelope": ("codes", Party.READER),
    "files": ("paths", None),
    "uploads": ("paths", None),
    "money": ("prices", Party.WRITER),
}

#: The field that identifies the rows of a table; the rows of other tables have the first field of `KEYS` that fits.
ROW_KEYS = {
    "body_codes": "code", "refusals": "problem", "magic": "value", "tools": "operation", "limits": "name",
    "lifetimes": "name", "timelines": "name", "variants": "name", "scenarios": "name", "series": "name",
    "kling": "key", "vidu": "template", "bytedance": "TemplateId",
}  # fmt: skip

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
KEYS = (
    "name",
    "key",
    "template",
    "TemplateId",
    "code",
    "problem",
    "value",
    "operation",
    "operationId",
    "url",
    "id",
    "model",
)


def other_changes(old: Version, new: Version) -> Iterator[Change]:
    """Yield every change that no other rule reports. To be called after the other rules: a component that they did
    not look at belongs to no operation."""
    yield from _unresolved(old, new)
    yield from _document((), "document", old.document, new.document, old.followed | new.followed)
    for place in _leaves((), old.behaviour, new.behaviour):
        yield from _of_behaviour(*place)
    sold = priced(old).keys() | priced(new).keys()
    for file in sorted({*old.tables, *new.tables}):
        for path, was, now in _leaves((), old.tables.get(file, NOTHING), new.tables.get(file, NOTHING)):
            yield from _of_table(file, path, was, now, sold)
    for file in sorted({*old.others, *new.others}):
        if old.others.get(file) != new.others.get(file):
            yield from _of_other_file(file, in_both=file in old.others and file in new.others)


def _of_other_file(file: str, *, in_both: bool) -> Iterator[Change]:
    if file.endswith((".md", ".txt", ".rst")):
        if in_both:  # a copy of a contract need not have its notes
            yield Change("wording", file, "the file changed")
    else:
        yield Change(UNCLASSED, file, "the file changed")


def _unresolved(old: Version, new: Version) -> Iterator[Change]:
    """Yield a reference of either version that cannot be followed: what it stands for was not compared."""
    for side, version in (("the old version", old), ("the new version", new)):
        for place, reference in _references((), version.document):
            if version.at(reference) is None:
                why = "leads nowhere" if reference.startswith("#/") else "leads to another document, which is not read"
                what = f"{reference} in {side} {why}: it was not compared"
                yield Change(UNREADABLE, f"openapi {_pointer(place)}", what)


def _references(path: tuple[str, ...], node: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            name = str(key)
            if name in ("example", "examples", "default", "const", "enum") and path[-1:] != ("properties",):
                continue  # values, in which `$ref` is a member like others
            if name == "$ref" and isinstance(value, str):
                yield path, value
            elif name == "mapping" and path[-1:] == ("discriminator",) and isinstance(value, Mapping):
                yield from (((*path, name, str(one)), str(target)) for one, target in value.items())
            else:
                yield from _references((*path, name), value)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _references((*path, str(index)), value)


def _document(path: tuple[str, ...], kind: str, was: Any, now: Any, followed: set[str]) -> Iterator[Change]:
    """Yield the differences of two objects of a kind that no rule compares: members that no rule knows, texts, and
    components that belong to no operation."""
    if was == now:
        return
    if path[:1] == ("components",) and len(path) == 3 and "#" + _pointer(path) not in followed:
        yield _unclassed("openapi", path, was, now)
        return
    if not isinstance(was, Mapping) or not isinstance(now, Mapping):
        yield from _lists(path, kind, was, now, followed)
        return
    ours, theirs = ({str(key): value for key, value in side.items()} for side in (was, now))
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        one, other = ours.get(key, NOTHING), theirs.get(key, NOTHING)
        below = kind_below(kind, key, one if one != NOTHING else other)
        if one == other or below == "rule":
            continue
        if below == "wording":
            yield Change("wording", _pointer(path), "its wording changed")
        elif below is None:
            yield _unclassed("openapi", (*path, key), one, other)
        elif NOTHING not in (one, other):
            yield from _document((*path, key), below, one, other, followed)
        elif path[:1] == ("components",) and len(path) == 2:
            # Whether an operation misses it, the references say.
            yield Change(
                "names", f"openapi {_pointer((*path, key))}", f"component is {'new' if one == NOTHING else 'gone'}"
            )
        elif kind == "components" or below == "link":
            yield Change("names", f"openapi {_pointer((*path, key))}", f"is {'new' if one == NOTHING else 'gone'}")
        # Any other object that only one version has is reported by the rule for such objects.


def _elements(values: list[Any]) -> dict[Any, tuple[str, Any]]:
    """Return the elements of a list with their positions, by what identifies each: a parameter has a place and a
    name."""
    found = {}
    for index, value in enumerate(values):
        known = value if isinstance(value, Mapping) else {}
        key = known.get("$ref") or (known.get("in"), known.get("name")) if "name" in known or "$ref" in known else index
        found[key] = (str(index), value)
    return found


def _lists(path: tuple[str, ...], kind: str, was: Any, now: Any, followed: set[str]) -> Iterator[Change]:
    if isinstance(was, list) and isinstance(now, list):
        # Elements that only one version has are reported by a rule.
        ours, theirs = _elements(was), _elements(now)
        for key in (key for key in ours if key in theirs):
            index, one = ours[key]
            yield from _document((*path, index), kind.removeprefix("[]"), one, theirs[key][1], followed)
    else:
        yield _unclassed("openapi", path, was, now)


def _of_behaviour(path: tuple[str, ...], was: Any, now: Any) -> Iterator[Change]:
    table = path[0] if path else ""
    place, what = f"behaviour {'/'.join(path)}", _became(was, now)
    if _is_wording(path):
        yield Change("wording", place, what)
    elif table in OF_THE_EMULATOR or path[0::2] == ("body_codes", "name"):
        yield Change("emulator", place, what)
    elif table == "callbacks":
        if len(path) > 1 and not any(path[1 : 1 + len(fields)] == fields for fields in OF_CALLBACKS):
            yield _unclassed("behaviour", path, was, now)
    elif table in TABLES and _is_covered(table, path):
        return
    elif table in NOTICED:
        area, party = NOTICED[table]
        yield Change(area, place, what, party)
    else:
        yield _unclassed("behaviour", path, was, now)


def _is_covered(table: str, path: tuple[str, ...]) -> bool:
    """Return whether another rule reports the value at `path` of a table: a whole row, or one of its fields."""
    fields = TABLES[table]
    if fields is None:
        return True
    if table not in ROW_KEYS:
        return len(path) > 1 and path[1] in fields
    return len(path) == 2 or (len(path) > 2 and path[2] in fields)


def _of_table(file: str, path: tuple[str, ...], was: Any, now: Any, priced: set[str]) -> Iterator[Change]:
    place = f"{file} {'/'.join(path)}".strip()
    if file.startswith("examples/") or _is_wording(path):
        yield Change("wording", place, _became(was, now))
    elif path[:1] == ("defaults",):
        yield Change("emulator", place, _became(was, now))
    elif file not in ("models", "tools", "templates"):
        yield _unclassed(file, path, was, now)
    elif len(path) == 2 and path[1] not in priced:
        change = "is new" if was == NOTHING else "is gone" if now == NOTHING else _became(was, now)
        yield Change("tables", " ".join((file, *path[1:])), change, Party.READER if now == NOTHING else None)
    elif len(path) > 2 and not (path[2] in PRICED and path[1] in priced):
        party = ROWS.get(path[2], Party.READER)
        yield Change("tables", " ".join((file, path[1], "/".join(path[2:]))), _became(was, now), party)
    elif len(path) < 2:
        yield _unclassed(file, path, was, now)


def _became(was: Any, now: Any) -> str:
    return f"{_short(was)} became {_short(now)}"


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
    was, now = _by_key(was, path), _by_key(now, path)
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        ours, theirs = ({str(key): value for key, value in side.items()} for side in (was, now))
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            yield from _leaves((*path, key), ours.get(key, NOTHING), theirs.get(key, NOTHING))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _leaves((*path, str(index)), one, other)
    elif was != now or isinstance(was, bool) != isinstance(now, bool):
        yield path, was, now


def _by_key(value: Any, path: tuple[str, ...]) -> Any:
    """Return a list of rows as a mapping by the field that identifies them, if each row has its own value."""
    if not isinstance(value, list) or not value or not all(isinstance(row, Mapping) for row in value):
        return value
    first = ROW_KEYS.get(path[-1]) if path else None
    for key in KEYS if first is None else (first, *KEYS):
        names = [str(row.get(key)) for row in value]
        if all(key in row for row in value) and len(set(names)) == len(names):
            return dict(zip(names, value, strict=True))
    return value


def _pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path) or "/"


def _short(value: Any) -> str:
    text = repr(value) if value != NOTHING else NOTHING
    return text if len(text) <= 80 else text[:80] + "..."
