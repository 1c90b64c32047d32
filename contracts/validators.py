"""Two engines for one JSON Schema: jsonschema-rs gives the verdict, jsonschema explains a refusal.

The verdict is needed on every request and every answer, the explanation only when something is wrong; so the slow
engine is not even imported before the first refusal. Where jsonschema-rs cannot be installed, jsonschema does both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from contracts.formats import FORMATS, format_checker

jsonschema_rs: Any
try:
    import jsonschema_rs
except ImportError:  # pragma: no cover - a platform without its wheel
    jsonschema_rs = None

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Violation(NamedTuple):
    """One broken rule of a contract.

    `place` starts with `body`, `query`, `path`, `header` or `response` and goes on with names and indexes; `rule` is the
    JSON Schema keyword (or `json`, `content_type`, `discriminator`); `expected` and `got` are the rule's value and
    the offending one.
    """

    place: tuple[str | int, ...]
    rule: str
    expected: Any = None
    got: Any = None

    @property
    def pointer(self) -> str:
        """RFC 6901 pointer below the part named first, `""` for the whole part."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.place[1:])


class SchemaValidator:
    """A schema compiled once; `components` is what its `#/components/...` references point into."""

    def __init__(self, schema: Mapping[str, Any], components: Mapping[str, Any]) -> None:
        self._schema = {**schema, "$schema": DIALECT, "components": components}

    @cached_property
    def _verdict(self) -> Any:
        if jsonschema_rs is None:  # pragma: no cover - a platform without its wheel
            return self._reference.is_valid
        validator = jsonschema_rs.Draft202012Validator(self._schema, validate_formats=True, formats=dict(FORMATS))
        return validator.is_valid

    @cached_property
    def _reference(self) -> Any:
        from jsonschema import Draft202012Validator

        return Draft202012Validator(self._schema, format_checker=format_checker())

    def is_valid(self, instance: Any) -> bool:
        return bool(self._verdict(instance))

    def is_valid_by_reference(self, instance: Any) -> bool:
        """The verdict of jsonschema, which tests hold `is_valid` to."""
        return bool(self._reference.is_valid(instance))

    def violations(self, instance: Any, part: str) -> tuple[Violation, ...]:
        """What is wrong with `instance`, in the order of the document; empty when nothing is."""
        if self._verdict(instance):
            return ()
        found = dict.fromkeys(_flatten(self._reference.iter_errors(instance), (part,)))
        ordered = tuple(sorted(found, key=lambda violation: [str(step) for step in violation.place]))
        return ordered or (Violation((part,), "schema"),)


def _flatten(errors: Iterable[Any], base: tuple[str | int, ...]) -> Iterator[_HashableViolation]:
    for error in errors:
        place = base + tuple(error.absolute_path)
        if error.validator in ("oneOf", "anyOf") and error.context:
            yield from _flatten(_nearest_branch(error.context), base)
        elif error.validator == "required":
            for name in error.validator_value:
                if name not in error.instance:
                    yield _HashableViolation((*place, name), "required", None, None)
        elif error.validator in ("additionalProperties", "unevaluatedProperties"):
            for name in _unexpected(error):
                yield _HashableViolation((*place, name), "additionalProperties", None, error.instance[name])
        else:
            yield _HashableViolation(place, error.validator, error.validator_value, error.instance)


class _HashableViolation(Violation):
    """Equal by place and rule alone: `expected` and `got` may be dictionaries."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash((self.place, self.rule))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Violation) and (self.place, self.rule) == (other.place, other.rule)


def _nearest_branch(context: Iterable[Any]) -> list[Any]:
    """The errors of the alternative that came closest: one for values of this kind, with the fewest errors, the deepest
    on a tie."""
    branches: dict[int, list[Any]] = {}
    for error in context:
        branches.setdefault(error.relative_schema_path[0], []).append(error)
    return min(
        branches.values(),
        key=lambda errors: (
            any(e.validator in ("type", "const") and not e.relative_path for e in errors),
            len(errors),
            -max(len(e.absolute_path) for e in errors),
        ),
    )


def _unexpected(error: Any) -> list[str]:
    """Names that `additionalProperties: false` forbids; those matching a `patternProperties` key are allowed."""
    known = set(error.schema.get("properties", ()))
    patterns = [re.compile(pattern) for pattern in error.schema.get("patternProperties", ())]
    return [name for name in error.instance if name not in known and not any(p.search(name) for p in patterns)]
