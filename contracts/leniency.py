"""What a vendor's server accepts although the schema of a body does not allow it: null for a missing member, and
URLs with raw characters.

Only bodies that break their schema are examined, so that ordinary bodies cost nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapmock.contracts.model import Operation
    from swapmock.contracts.validators import Violation

#: The steps from the body to an object in it, and the name of a member.
Place = tuple[tuple[str | int, ...], str]

_URL = re.compile(r"https?://", re.IGNORECASE)


def accepted(
    operation: Operation, body: Any, violations: tuple[Violation, ...], variants: Mapping[str, Any]
) -> tuple[Any, tuple[Violation, ...]]:
    """Return the parsed `body` for the handler, and those of its `violations` that remain.

    A member that is null counts as missing, unless the variant `null_fields` is `refuse` or the member is
    required. In an http or https URL the scheme may be in any case (RFC 3986 3.1), and a character of another
    script counts as its percent-encoding (RFC 3987 3.1)."""
    if variants.get("null_fields") != "refuse":
        body, violations = _without_nulls(operation, body, violations)
    if not violations:
        return body, violations
    plain = _with_plain_urls(body)
    return body, violations if plain == body else operation.check_body(plain)


def _without_nulls(
    operation: Operation, body: Any, violations: tuple[Violation, ...]
) -> tuple[Any, tuple[Violation, ...]]:
    bare = _stripped(body)
    if bare == body:
        return body, violations
    left = operation.check_body(_with_plain_urls(bare))
    missing = {rule.place[1:] for rule in left if rule.rule == "required"}
    back = [(place, name) for place, name in _nulls(body) if (*place, name) in missing]
    if back:  # a required member that is null stays a violation
        for place, name in back:
            _at(bare, place)[name] = None
        left = operation.check_body(bare)
    return bare, left


def _stripped(value: Any) -> Any:
    """Return a copy of `value` without the members that are null."""
    if isinstance(value, dict):
        return {name: _stripped(item) for name, item in value.items() if item is not None}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


def _nulls(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[Place]:
    """Yield every member of an object in `value` that is null."""
    if isinstance(value, dict):
        for name, item in value.items():
            if item is None:
                yield place, name
            else:
                yield from _nulls(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nulls(item, (*place, index))


def _at(value: Any, place: tuple[str | int, ...]) -> Any:
    for step in place:
        value = value[step]
    return value


def _plain_url(text: str) -> str:
    """Return `text`, if it is a URL, in the form of the schema: its scheme in lower case, and one letter in place of
    each raw character, so that the length does not change."""
    found = _URL.match(text)
    if found is None:
        return text
    rest = text[found.end() :]
    if not rest.isascii():
        rest = "".join(c if c.isascii() or not c.isprintable() else "x" for c in rest)
    return found[0].lower() + rest


def _with_plain_urls(value: Any) -> Any:
    if isinstance(value, str):
        return _plain_url(value)
    if isinstance(value, dict):
        return {name: _with_plain_urls(item) for name, item in value.items()}
    return [_with_plain_urls(item) for item in value] if isinstance(value, list) else value
