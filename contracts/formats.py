"""The one place that says what a `format` means, for both validators and for the checks.

Both engines are given these functions, so that neither can disagree with the other about a format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit

#: The form of almost every URL. What has this form is a URL by RFC 3986. The package judges all others: it is slower, and
#: takes a twentieth of a start to load.
PLAIN = re.compile(
    r"https?://[A-Za-z0-9._-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?"
)

#: Of texts up to this length the verdict is remembered, and up to this one there is one: the expression takes a second for a
#: megabyte. Longer ones are their `maxLength`'s to refuse.
LONGEST_KEPT, LONGEST_JUDGED = 512, 16_384


def is_uri(value: object) -> bool:
    """RFC 3986 URI with a scheme; a value that is not a string always passes."""
    if not isinstance(value, str):
        return True
    if len(value) > LONGEST_KEPT:
        return len(value) > LONGEST_JUDGED or _is_uri(value)
    return _is_known_uri(value)


@lru_cache(4096)
def _is_known_uri(text: str) -> bool:
    """Verdicts are cached: the same URLs come often, mainly in answers, and the expressions are slow."""
    return _is_uri(text)


def _is_uri(text: str) -> bool:
    """Whether the standard library can parse the URL: the package accepts an unclosed bracket of an address."""
    if PLAIN.fullmatch(text):
        return True
    from rfc3986_validator import validate_rfc3986  # type: ignore[import-untyped]  # has no stubs

    try:
        urlsplit(text)
    except ValueError:
        return False
    return bool(validate_rfc3986(text, rule="URI"))


def is_date_time(value: object) -> bool:
    """RFC 3339 time stamp that also names a real day."""
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
    """The same functions as `jsonschema.FormatChecker`; imported late, because the import takes a fifth of a second."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, function in FORMATS.items():
        checker.checks(name)(function)
    return checker
