"""Whole numbers in texts from outside."""

from __future__ import annotations


def read_count(text: str, bound: int) -> int | None:
    """Return the number in `text`, which must consist of ASCII digits; `bound` if the number is larger; None for any
    other text.

    Python converts no more than 4,300 digits, and accepts `²` as a digit."""
    if not (text.isascii() and text.isdigit()):
        return None
    significant = text.lstrip("0")
    return bound if len(significant) > len(str(bound)) else min(int(significant or "0"), bound)
