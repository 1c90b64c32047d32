"""Regular expressions from users, in an engine whose time grows linearly with text and pattern. Text and pattern are
limited in length, so that no pattern can block the server."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

#: The longest pattern, in characters, and the most memory for one pattern, in bytes. The largest allowed pattern takes
#: a tenth of a second for a megabyte.
LONGEST, LARGEST = 500, 1 << 16


class BadPattern(ValueError):
    """The text is not a regular expression that can be matched in linear time."""


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    import jsonschema_rs

    if len(pattern) > LONGEST:
        raise BadPattern(f"a pattern has at most {LONGEST} characters")
    options = jsonschema_rs.RegexOptions(size_limit=LARGEST)
    try:
        return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
    except ValueError:
        raise BadPattern(
            f"{pattern[:60]!r} is no regular expression, or one with look-around, back-references or huge counts"
        ) from None


def check(pattern: str) -> None:
    """Raise BadPattern with a sentence for the client if `pattern` cannot be used."""
    _compiled(pattern)


def search(pattern: str, text: str) -> bool:
    """Return whether `pattern` matches anywhere in `text`."""
    return bool(_compiled(pattern).is_valid(text))
