"""Two engines for JSON Schema: jsonschema-rs is used, jsonschema is the reference in tests.

A test checks that both give the same verdicts and the same explanations. jsonschema is twenty times slower; a
server does not import it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import jsonschema_rs

from swapmock.contracts.formats import FORMATS, format_checker

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: If an instance has more values than this, only the first violation is reported.
MOST_VALUES = 1000

ALTERNATIVES = ("oneOf", "anyOf")
UNWANTED = ("additionalProperties", "unevaluatedProperties")


class Violation(NamedTuple):
    """One broken rule of a contract.

    `place` starts with `body`, `query`, `path`, `header` or `response`; names and indexes follow. `rule` is the
    JSON Schema keyword (or `json`, `content_type`, `discriminator`). `expected` is the value of the keyword,
    `got` the value that breaks it."""

    place: tuple[str | int, ...]
    rule: str
    expected: Any = None
    got: Any = None

    @property
    def pointer(self) -> str:
        """The RFC 6901 pointer below the part that `place` names first; "" for the whole part."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.place[1:])


class SchemaValidator:
    """A schema, compiled once. References of the form `#/components/...` point into `components`."""

    def __init__(self, schema: Mapping[str, Any], components: Mapping[str, Any]) -> None:
        self._schema = {**schema, "$schema": DIALECT, "components": components}

    @cached_property
    def _engine(self) -> Any:
        return jsonschema_rs.Draft202012Validator(self._schema, validate_formats=True, formats=dict(FORMATS))

    @cached_property
    def _verdict(self) -> Any:
        return self._engine.is_valid

    @cached_property
    def _reference(self) -> Any:
        from jsonschema import Draft202012Validator

        return Draft202012Validator(self._schema, format_checker=format_checker())

    def is_valid(self, instance: Any) -> bool:
        """Return whether `instance` matches the schema."""
        return bool(self._verdict(instance))

    def is_valid_by_reference(self, instance: Any) -> bool:
        """Return the verdict of jsonschema; tests compare `is_valid` with it."""
        return bool(self._reference.is_valid(instance))

    def violations(self, instance: Any, part: str, *, most: int = MOST_VALUES) -> tuple[Violation, ...]:
        """Return the violations in `instance`, ordered by place; empty if it is valid. `part` is the first step of
        each place.

        If an instance has more than `most` values, only the first broken rule is reported: a small body could
        break half a million rules, and listing them would take too long."""
        if self._verdict(instance):
            return ()
        is_long = _holds_more_than(most, instance)
        found = _violations(self._broken(instance, is_long=is_long), part)
        return found[:1] if is_long else found  # one error may name many properties

    def violations_by_reference(self, instance: Any, part: str) -> tuple[Violation, ...]:
        """Return the violations that jsonschema finds; tests compare `violations` with them."""
        if self._reference.is_valid(instance):
            return ()
        return _violations(map(_read_reference, self._reference.iter_errors(instance)), part)

    def _broken(self, instance: Any, *, is_long: bool) -> Iterable[_Broken]:
        if not is_long:
            return (_read(error, instance, self._schema) for error in self._engine.iter_errors(instance))
        try:
            self._engine.validate(instance)
        except jsonschema_rs.ValidationError as error:
            return [_read(error, instance, self._schema)]
        return ()


class _Broken(NamedTuple):
    """An error of either engine. `names` are the properties that are missing or not allowed. `branches` has the
    errors of each alternative (empty if more than one alternative matches)."""

    place: tuple[str | int, ...]
    rule: str
    expected: Any
    got: Any
    names: Iterable[str] = ()
    branches: Iterable[list[_Broken]] = ()


def _read(error: Any, instance: Any, schema: Any) -> _Broken:
    """Return an error of jsonschema-rs. Values are taken from `instance`, because some values of the engine are
    copies."""
    kind = error.kind
    place, got = _reach(instance, error.instance_path)
    _, expected = _reach(schema, error.schema_path)
    if kind.name == "propertyNames":
        return _Broken(place, kind.error.kind.name, expected, kind.error.instance)
    if kind.name == "required":
        return _Broken(place, kind.name, expected, got, [kind.property])
    # If no name is allowed, one of them is reported.
    if kind.name == "falseSchema" and error.schema_path[-1] == UNWANTED[0] and isinstance(got, dict):
        return _Broken(place, UNWANTED[0], expected, got, list(got))
    if kind.name in UNWANTED and isinstance(got, dict):
        return _Broken(place, kind.name, expected, got, [name for name in kind.unexpected if name in got])
    if kind.name in ALTERNATIVES and all(kind.context):
        branches = [[_read(inner, instance, schema) for inner in branch] for branch in kind.context]
        return _Broken(place, kind.name, expected, got, (), branches)
    return _Broken(place, kind.name, expected, got)


def _reach(value: Any, path: Iterable[str | int]) -> tuple[tuple[str | int, ...], Any]:
    """Return where a path of jsonschema-rs leads, and the value there.

    In such a path, names that look like numbers are numbers, and empty names are left out: a value below an empty
    name is placed in the object around it."""
    place: list[str | int] = []
    for step in path:
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            place.append(step)
            value = value[step]
        elif isinstance(value, dict):
            name = str(step) if str(step) in value else next((n for n in value if _spells(n, step)), None)
            if name is None:
                break
            place.append(name)
            value = value[name]
    return tuple(place), value


def _spells(name: str, step: str | int) -> bool:
    return isinstance(step, int) and name.lstrip("+").lstrip("0") == str(step).lstrip("0")


def _read_reference(error: Any) -> _Broken:
    """Return an error of jsonschema."""
    rule, got, place = error.validator, error.instance, tuple(error.absolute_path)
    names: Iterable[str] = ()
    if rule == "required":
        names = [name for name in error.validator_value if name not in got]
    elif rule in UNWANTED:
        names = _unexpected(error)
    branches: dict[int, list[_Broken]] = {}
    for inner in error.context:
        branches.setdefault(inner.relative_schema_path[0], []).append(_read_reference(inner))
    return _Broken(place, rule, error.validator_value, got, names, branches.values())


def _violations(found: Iterable[_Broken], part: str) -> tuple[Violation, ...]:
    distinct = dict.fromkeys(_flatten(found, (part,)))
    ordered = sorted(distinct, key=lambda violation: ([str(step) for step in violation.place], violation.rule))
    return tuple(ordered) or (Violation((part,), "schema"),)


def _flatten(found: Iterable[_Broken], base: tuple[str | int, ...]) -> Iterator[_HashableViolation]:
    for broken in found:
        place = base + broken.place
        if broken.rule in ALTERNATIVES and broken.branches:
            one_rule = _one_rule(broken)
            yield from _flatten(_nearest_branch(broken) if one_rule is None else [one_rule], base)
        elif broken.rule == "required":
            yield from (_HashableViolation((*place, name), "required", None, None) for name in broken.names)
        elif broken.rule in UNWANTED:
            for name in broken.names:
                yield _HashableViolation((*place, name), "additionalProperties", None, broken.got[name])
        else:
            yield _HashableViolation(place, broken.rule, broken.expected, broken.got)


def _one_rule(broken: _Broken) -> _Broken | None:
    """Return alternatives that are lists of values, or types, as one list: the same as `enum` or `type` with all of
    them."""
    branches = [[one for one in branch if one.place == broken.place] for branch in broken.branches]
    if any(len(branch) != len(whole) for branch, whole in zip(branches, broken.branches, strict=True)):
        return None
    for rule, listed in (("enum", _values), ("type", _types)):
        found = [next((values for one in branch if (values := listed(one))), []) for branch in branches]
        if all(found):
            return _Broken(broken.place, rule, [value for values in found for value in values], broken.got)
    return None


def _values(broken: _Broken) -> list[Any]:
    """Return the values that an alternative allows; empty if it does not list them."""
    if broken.rule == "type" and broken.expected == "boolean":
        return [True, False]
    return list(broken.expected) if broken.rule == "enum" else [broken.expected] if broken.rule == "const" else []


def _types(broken: _Broken) -> list[Any]:
    """Return the types that an alternative allows."""
    if broken.rule != "type":
        return []
    return list(broken.expected) if isinstance(broken.expected, list) else [broken.expected]


class _HashableViolation(Violation):
    """A violation that is compared by place and rule only: `expected` and `got` may be dictionaries."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash((self.place, self.rule))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Violation) and (self.place, self.rule) == (other.place, other.rule)


def _nearest_branch(alternatives: _Broken) -> list[_Broken]:
    """Return the errors of the alternative that is closest to the value: it accepts this kind of value and has the
    fewest errors, and of several such alternatives the deepest errors."""
    return min(
        alternatives.branches,
        key=lambda branch: (
            any(inner.rule in ("type", "const") and inner.place == alternatives.place for inner in branch),
            len(branch),
            -max(len(inner.place) for inner in branch),
        ),
    )


def _unexpected(error: Any) -> list[str]:
    """Return the names that `additionalProperties: false` forbids, without those that match a key of
    `patternProperties`."""
    known = set(error.schema.get("properties", ()))
    patterns = [re.compile(pattern) for pattern in error.schema.get("patternProperties", ())]
    return [name for name in error.instance if name not in known and not any(p.search(name) for p in patterns)]


def _holds_more_than(most: int, value: Any) -> bool:
    """Return whether a JSON value contains more than `most` values."""
    inside, count = [value], 0
    while inside and count <= most:
        item = inside.pop()
        if isinstance(item, dict):
            item = item.values()
        elif not isinstance(item, list):
            continue
        count += len(item)
        inside.extend(item)
    return count > most
