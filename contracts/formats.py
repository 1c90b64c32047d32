"""Defines the meaning of each `format`, for both validators and for the checks.

Both validators use these functions, so that they cannot disagree about a format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit

#: The form of almost every URL: a text of this form is a URL by RFC 3986. The package judges all other texts. It is
#: slower, and loading it takes a twentieth of the time of a start.
PLAIN = re.compile(
    r"https?://[A-Za-z0-9._-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?"
)

#: The result for texts up to the first length is cached. Texts beyond the second length are not checked, because the
#: expression takes a second for a megabyte; their `maxLength` refuses them.
LONGEST_KEPT, LONGEST_JUDGED = 512, 16_384


def is_uri(value: object) -> bool:
    """Return whether `value` is a URI by RFC 3986 with a scheme. A value that is not a string always passes."""
    if not isinstance(value, str):
        return True
    if len(value) > LONGEST_KEPT:
        return len(value) > LONGEST_JUDGED or _is_uri(value)
    return _is_known_uri(value)


@lru_cache(4096)
def _is_known_uri(text: str) -> bool:
    """Return whether a text is a URI. Results are cached: the same URLs come often, and the expressions are slow."""
    return _is_uri(text)


def _is_uri(text: str) -> bool:
    """Return whether a text is a URI that the standard library can parse: the package accepts an unclosed bracket of
    an address."""
    if PLAIN.fullmatch(text):
        return True
    from rfc3986_validator import validate_rfc3986  # type: ignore[import-untyped]  # has no stubs

    try:
        urlsplit(text)
    except ValueError:
        return False
    return bool(validate_rfc3986(text, rule="URI"))


def is_date_time(value: object) -> bool:
    """Return whether `value` is an RFC 3339 time stamp of an existing day."""
    if not isinstance(value, str):
        return True
    from rfc3339_validator import validate_rfc3339  # type: ignore[import-untyped]  # has no stubs here

    if not validate_rfc3339(value):
        return False
    try:
        datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


FORMATS: Mapping[str, Callable[[object], bool]] = {"uri": is_uri, "date-time": is_date_time}


@cache
def format_checker() -> Any:
    """Return the same functions as a `jsonschema.FormatChecker`. Imported late, because the import takes a fifth of
    a second."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, function in FORMATS.items():
        checker.checks(name)(function)
    return checker
