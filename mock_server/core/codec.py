"""Converts dataclasses and named tuples to plain JSON values and back, by their type hints.

A field is stored under its own name, unless its type hint says otherwise: `retries: Annotated[int,
StoredAs("rung")]`. A field can thus be renamed while snapshots keep their bytes. A field that older versions did
not write is marked `Annotated[int, AddedIn("0.2")]` and has a default."""

from __future__ import annotations

import base64
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

#: The steps from the whole document to a value in it.
Place = tuple[str | int, ...]

#: The largest integer that every JSON parser reads exactly.
LARGEST = 2**53


#: The most mistakes that are collected from one document.
MOST_FAULTS = 100

K = TypeVar("K")


class StoredAs(NamedTuple):
    """In the type hint of a field: the `name` under which JSON has that field."""

    name: str


class AddedIn(NamedTuple):
    """In the type hint of a field: the `version` that added it. Documents of older versions may lack the field."""

    version: str


class Demand(Enum):
    """Which fields a document must have: those without a default, those that every version wrote, or all."""

    NO_DEFAULT = "no default"
    OLDER = "older"
    ALL = "all"


class BadRecord(ValueError):
    """The JSON is not a record of the type. `faults` says where and why, at most MOST_FAULTS times; `place` and
    `detail` are those of the first fault."""

    def __init__(self, place: Place, detail: str, more: Sequence[tuple[Place, str]] = ()) -> None:
        super().__init__(f"/{'/'.join(map(str, place))}: {detail}")
        self.place = place
        self.detail = detail
        self.faults: tuple[tuple[Place, str], ...] = ((place, detail), *more)


def encode(value: Any) -> Any:
    """Return `value` as JSON values: bytes in base64, enums by value, records as objects."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if (is_dataclass(value) or hasattr(value, "_fields")) and not isinstance(value, type):
        kind: Any = type(value)  # mypy does not accept a narrowed type as hashable
        return {stored: encode(getattr(value, name)) for name, stored in _stored_names(kind)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [encode(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in a record")


def decode(kind: Any, value: Any, place: Place = (), *, demand: Demand = Demand.NO_DEFAULT) -> Any:
    """Return the record of type `kind` that `value` encodes. Raises BadRecord. `place` is the place of `value` in
    the document.

    A missing field gets its default, unless `demand` says that the document must have the field."""
    if kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _first_fit(get_args(kind), value, place, demand)
    if kind is type(None):
        return _expect(value is None, None, "null", place)
    if origin is tuple:
        return _tuple(get_args(kind), value, place, demand)
    if origin in (list, Sequence):
        items = _expect(isinstance(value, list), value, "a list", place)
        return [*_decode_all(enumerate(items), lambda _: get_args(kind)[0], place, demand).values()]
    if origin in (dict, Mapping):
        key, item_kind = get_args(kind)
        items = _expect(isinstance(value, dict), value, "an object", place)
        return {
            _key(key, name, place): item
            for name, item in _decode_all(items.items(), lambda _: item_kind, place, demand).items()
        }
    if kind is bytes:
        return _bytes(value, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise BadRecord(place, f"{value!r} is none of {', '.join(str(k.value) for k in kind)}") from None
    if isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields")):
        return _record(kind, value, place, demand)
    if kind is float:
        return _number(value, place)
    if kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
        return _expect(fits, value, f"an integer of at most {LARGEST}", place)
    return _expect(isinstance(value, kind), value, kind.__name__, place)


def _decode_all(
    items: Iterable[tuple[K, Any]], kind_of: Callable[[K], Any], place: Place, demand: Demand
) -> dict[K, Any]:
    """Decode every item, and raise one BadRecord with the faults of all of them."""
    made: dict[K, Any] = {}
    faults: list[tuple[Place, str]] = []
    for step, item in items:
        try:
            made[step] = decode(kind_of(step), item, (*place, step), demand=demand)  # type: ignore[arg-type]  # a step is a name or an index
        except BadRecord as bad:
            faults += bad.faults
            if len(faults) >= MOST_FAULTS:
                break
    if faults:
        (first, detail), *more = faults[:MOST_FAULTS]
        raise BadRecord(first, detail, more)
    return made


def _expect(holds: bool, value: Any, what: str, place: Place) -> Any:
    if not holds:
        raise BadRecord(place, f"should be {what}")
    return value


def _number(value: Any, place: Place) -> float:
    """Return a number as a float: JSON may write `1.0` as a whole number, and times and counts are floats."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
    return float(_expect(fits, value, f"a number of at most {LARGEST}", place))


def _first_fit(kinds: Sequence[Any], value: Any, place: Place, demand: Demand) -> Any:
    """Return the alternative that matches best: for objects, the record with the most of these fields; else the
    first that matches."""
    records = [kind for kind in kinds if isinstance(kind, type) and _hints(kind)]
    if isinstance(value, dict) and records:
        return decode(max(records, key=lambda kind: _likeness(kind, value)), value, place, demand=demand)
    problem: BadRecord | None = None
    for kind in kinds:
        try:
            return decode(kind, value, place, demand=demand)
        except BadRecord as error:
            problem = error
    raise problem or BadRecord(place, "nothing fits")


def _likeness(kind: type, given: Mapping[str, Any]) -> int:
    """Return how many fields of a record are given, less those that are missing or unknown."""
    known = _hints(kind).keys()
    return len(known & given.keys()) - len(known ^ given.keys())


def _tuple(kinds: Sequence[Any], value: Any, place: Place, demand: Demand) -> tuple[Any, ...]:
    items = _expect(isinstance(value, list), value, "a list", place)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decode_all(enumerate(items), lambda _: kinds[0], place, demand).values())
    _expect(len(items) == len(kinds), items, f"a list of {len(kinds)}", place)
    return tuple(_decode_all(enumerate(items), lambda index: kinds[index], place, demand).values())


def _key(kind: Any, name: str, place: Place) -> Any:
    if kind is Any:
        return name
    try:
        return kind(name)
    except ValueError:
        raise BadRecord((*place, name), f"is no key of type {kind.__name__}") from None


def _bytes(value: Any, place: Place) -> bytes:
    _expect(isinstance(value, str), value, "base64 text", place)
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise BadRecord(place, "should be base64 text") from None


@lru_cache(maxsize=256)
def _stored_names(kind: type) -> tuple[tuple[str, str], ...]:
    """Return the fields of a record type as pairs of name and name in JSON."""
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else kind._fields  # type: ignore[attr-defined]
    hints = get_type_hints(kind, include_extras=True)
    return tuple((name, _stored_name(name, hints[name])) for name in names)


def _stored_name(name: str, hint: Any) -> str:
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((extra.name for extra in extras if isinstance(extra, StoredAs)), name)


@lru_cache(maxsize=256)
def _hints(kind: type) -> Mapping[str, tuple[str, Any]]:
    """Return name in JSON -> name and type of the field; empty if `kind` is no record type."""
    if not (is_dataclass(kind) or hasattr(kind, "_fields")):
        return {}
    hints = get_type_hints(kind)
    return {stored: (name, hints[name]) for name, stored in _stored_names(kind)}


@lru_cache(maxsize=256)
def _required(kind: type, demand: Demand) -> tuple[str, ...]:
    """Return the names in JSON of the fields that a document must have."""
    hints = get_type_hints(kind, include_extras=True)
    if demand is not Demand.NO_DEFAULT:
        every = demand is Demand.ALL
        return tuple(stored for name, stored in _stored_names(kind) if every or not _was_added(hints[name]))
    wanted = {p.name for p in inspect.signature(kind).parameters.values() if p.default is p.empty}
    return tuple(stored for name, stored in _stored_names(kind) if name in wanted)


def _was_added(hint: Any) -> bool:
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return any(isinstance(extra, AddedIn) for extra in extras)


def _record(kind: type, value: Any, place: Place, demand: Demand) -> Any:
    given = _expect(isinstance(value, dict), value, "an object", place)
    hints = _hints(kind)
    faults = [((*place, name), f"no such field of {kind.__name__}") for name in sorted(given.keys() - hints.keys())]
    faults += [((*place, name), "is missing") for name in _required(kind, demand) if name not in given]
    made: dict[str, Any] = {}
    try:
        known = {name: item for name, item in given.items() if name in hints}
        made = _decode_all(known.items(), lambda name: hints[name][1], place, demand)
    except BadRecord as bad:
        faults += bad.faults
    if faults:
        (first, detail), *more = faults[:MOST_FAULTS]
        raise BadRecord(first, detail, more)
    return kind(**{hints[stored][0]: item for stored, item in made.items()})
