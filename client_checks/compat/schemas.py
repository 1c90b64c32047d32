"""Compares two JSON Schemas from the view of a party that writes such values, or of one that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.compat.change import Change, Party
from swapmock.client_checks.compat.shape import WORDING
from swapmock.client_checks.compat.source import Version

#: Keywords that limit a value -> whether a larger number allows more.
BOUNDS = {
    "maxLength": True, "maxItems": True, "maximum": True, "exclusiveMaximum": True, "maxProperties": True,
    "minLength": False, "minItems": False, "minimum": False, "exclusiveMinimum": False, "minProperties": False,
}  # fmt: skip
FORMS = ("pattern", "format", "const")


class Comparison:
    """Compares two versions of a schema, level by level. Shared components are compared once for each party."""

    def __init__(self, old: Version, new: Version) -> None:
        self._old, self._new = old, new
        self._compared: set[tuple[str, ...]] = set()
        #: Component -> the place at which changes of its discriminator are reported.
        self.places: dict[str, str] = {}

    def compare(self, old: Any, new: Any, place: str, party: Party) -> Iterator[Change]:
        """Yield every change from `old` to `new` at `place`. For a writer a change breaks if less is allowed; for
        the other parties if more can occur."""
        names = tuple(str(one.get("$ref", "")) if isinstance(one, Mapping) else "" for one in (old, new))
        if all(names):
            ours, theirs = _beside(old), _beside(new)
            key = (*names, party, repr((ours, theirs)) if ours or theirs else "")
            if key in self._compared:
                return
            self._compared.add(key)
            # What stands beside a reference belongs to this place, not to the component.
            place = place if ours or theirs else names[1].rsplit("/", 1)[-1]
        old, new = self._old.resolve(old), self._new.resolve(new)
        yield from self._types(old, new, place, party)
        yield from self._enum(old, new, place, party)
        yield from self._bounds(old, new, place, party)
        yield from self._fields(old, new, place, party)
        yield from self._rest(old, new, place, party)
        yield from self._discriminators(old, new, place, party)
        if isinstance(old.get("items"), Mapping) and isinstance(new.get("items"), Mapping):
            yield from self.compare(old["items"], new["items"], f"{place}/*", party)
        for word in ("oneOf", "anyOf", "allOf"):
            yield from self._branches(old.get(word, []), new.get(word, []), f"{place}", party)

    def _types(self, old: Any, new: Any, place: str, party: Party) -> Iterator[Change]:
        before, after = _set(old.get("type")), _set(new.get("type"))
        if before == after:
            return
        what = f"type {_described(before)} became {_described(after)}"
        yield Change("fields", place, what, _broken(party, lost=_loses(before, after), gained=_loses(after, before)))

    def _enum(self, old: Any, new: Any, place: str, party: Party) -> Iterator[Change]:
        before, after = old.get("enum"), new.get("enum")
        if before == after:
            return
        if before is None or after is None:
            what = f"values {'are free now' if after is None else 'are limited to ' + _described(after)}"
            yield Change("fields", place, what, _broken(party, lost=before is None, gained=after is None))
            return
        for value in [value for value in before if value not in after]:
            yield Change("fields", place, f"value {value!r} is gone", _broken(party, lost=True))
        for value in [value for value in after if value not in before]:
            yield Change("fields", place, f"value {value!r} is new", _broken(party, gained=True))

    def _bounds(self, old: Any, new: Any, place: str, party: Party) -> Iterator[Change]:
        for word, larger_is_wider in BOUNDS.items():
            before, after = old.get(word), new.get(word)
            if before == after:
                continue
            tighter = before is None or (after is not None and (after < before) == larger_is_wider)
            what = f"{word} {_described(before)} became {_described(after)}"
            area = "limits"
            # Readers of an answer do not rely on its upper limits.
            yield Change(area, place, what, Party.WRITER if party is Party.WRITER and tighter else None)
        for word in FORMS:
            before, after = old.get(word), new.get(word)
            if before != after:
                what = f"{word} {_described(before)} became {_described(after)}"
                yield Change("fields", place, what, _broken(party, lost=after is not None, gained=before is not None))

    def _rest(self, old: Any, new: Any, place: str, party: Party) -> Iterator[Change]:
        """Defaults, additional properties, conditions and what else a schema may say."""
        if old.get("default") != new.get("default") or ("default" in old) != ("default" in new):
            what = f"default {_described(old.get('default'))} became {_described(new.get('default'))}"
            yield Change("fields", place, what, party)
        if bool(old.get("deprecated")) != bool(new.get("deprecated")):
            yield Change("deprecation", place, "deprecated now" if new.get("deprecated") else "no longer deprecated")
        before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from self.compare(before, after, f"{place}/*", party)
        elif before != after:
            what = f"further fields: {_allowed(before)} became {_allowed(after)}"
            yield Change(
                "fields", place, what, _broken(party, lost=_tighter(before, after), gained=_tighter(after, before))
            )
        for word in ("multipleOf", "uniqueItems"):
            if old.get(word) != new.get(word):
                what = f"{word} {_described(old.get(word))} became {_described(new.get(word))}"
                lost, gained = new.get(word) is not None, old.get(word) is not None
                yield Change("fields", place, what, _broken(party, lost=lost, gained=gained))
        for word in ("if", "then", "else", "not"):
            if _without_words(old.get(word)) != _without_words(new.get(word)):
                yield Change("fields", place, f"its condition `{word}` changed", party)
        if ("items" in old) != ("items" in new):
            has = "items" in new
            yield Change(
                "fields",
                f"{place}/*",
                "items are limited now" if has else "items are free now",
                _broken(party, lost=has, gained=not has),
            )

    def _discriminators(self, old: Any, new: Any, place: str, party: Party) -> Iterator[Change]:
        """Compare the values of a discriminator, and the schema for each."""
        place = self.places.get(place, place)
        before, after = old.get("discriminator") or {}, new.get("discriminator") or {}
        if before.get("propertyName") != after.get("propertyName"):
            what = f"discriminator {before.get('propertyName', 'none')} became {after.get('propertyName', 'none')}"
            yield Change("fields", place, what, party)
        was, now = before.get("mapping") or {}, after.get("mapping") or {}
        for value in was:
            if value not in now:
                yield Change("fields", place, f"{value} is gone", _broken(party, lost=True))
                continue
            if _last(was[value]) != _last(now[value]):
                yield Change("fields", place, f"{value} has the form {_last(now[value])} now", party)
            yield from self.compare({"$ref": was[value]}, {"$ref": now[value]}, place, party)
        for value in now:
            if value not in was:
                yield Change("fields", place, f"{value} is new", _broken(party, gained=True))
        aliases, aliases_now = old.get("x-aliases"), new.get("x-aliases")
        if aliases != aliases_now:
            yield Change("fields", place, f"x-aliases {aliases} became {aliases_now}", party)

    def _fields(self, old: Any, new: Any, place: str, party: Party) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needed_now = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            if name not in after:
                yield Change("fields", f"{place}/{name}", "field is gone", party)
        for name, schema in after.items():
            below = f"{place}/{name}"
            if name not in before:
                is_needed = name in needed_now
                what = f"{'required' if is_needed else 'optional'} field is new"
                yield Change("fields", below, what, Party.WRITER if is_needed and party is Party.WRITER else None)
                continue
            if (name in needed) != (name in needed_now):
                now = name in needed_now
                what = f"field is {'required' if now else 'optional'} now"
                yield Change("fields", below, what, _broken(party, lost=now, gained=not now))
            yield from self.compare(before[name], schema, below, party)

    def _branches(self, old: list[Any], new: list[Any], place: str, party: Party) -> Iterator[Change]:
        before, after = _named(old), _named(new)
        for name in before:
            if name not in after:
                yield Change("fields", place, f"alternative {name} is gone", _broken(party, lost=True))
        for name, schema in after.items():
            if name not in before:
                yield Change("fields", place, f"alternative {name} is new", _broken(party, gained=True))
            else:
                yield from self.compare(before[name], schema, place, party)


def _broken(party: Party, lost: bool = False, gained: bool = False) -> Party | None:
    """Return `party` if the change breaks it: a writer if an allowed value is `lost`, the others if a new value is
    `gained`."""
    return party if (lost if party is Party.WRITER else gained) else None


def _named(branches: list[Any]) -> dict[str, Any]:
    names = [one.get("$ref", index) if isinstance(one, Mapping) else index for index, one in enumerate(branches)]
    return {_last(name): one for name, one in zip(names, branches, strict=True)}


def _beside(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands beside a `$ref`, without the texts for human readers."""
    return {name: value for name, value in schema.items() if name != "$ref" and name not in WORDING}


def _last(reference: Any) -> str:
    return str(reference).rsplit("/", 1)[-1]


def _allowed(rule: Any) -> str:
    return "of one form" if isinstance(rule, Mapping) else "allowed" if rule else "forbidden"


def _tighter(before: Any, after: Any) -> bool:
    """Return whether `after` allows fewer additional members than `before`. A schema for them is between all and
    none."""
    rank = [1 if isinstance(rule, Mapping) else 2 if rule else 0 for rule in (before, after)]
    return rank[1] < rank[0]


def _without_words(schema: Any, are_fields: bool = False) -> Any:
    """Return a schema without the texts for human readers. A field of the API may have such a name, too."""
    if isinstance(schema, Mapping):
        return {
            key: _without_words(value, key == "properties" and not are_fields)
            for key, value in schema.items()
            if are_fields or key not in WORDING
        }
    return [_without_words(one) for one in schema] if isinstance(schema, list) else schema


def _set(kind: Any) -> frozenset[str]:
    """Return the types that a schema names; all types if it names none."""
    return frozenset([kind] if isinstance(kind, str) else kind or ("any",))


def _loses(before: frozenset[str], after: frozenset[str]) -> bool:
    """Return whether a type in `before` is missing in `after`; an integer is also a number."""
    if "any" in after:
        return False
    return any(kind not in after and not (kind == "integer" and "number" in after) for kind in before)


def _described(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, frozenset | list):
        return " or ".join(sorted(map(str, value)))
    return str(value)
