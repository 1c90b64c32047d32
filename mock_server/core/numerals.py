"""Whole numbers that come from outside as text."""

from __future__ import annotations


def read_count(text: str, bound: int) -> int | None:
    """The number that ASCII digits write, `bound` if it is larger; None if `text` is anything else.

    Python converts no more than 4,300 digits, and counts `²` among the digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    significant = text.lstrip("0")
    return bound if len(significant) > len(str(bound)) else min(int(significant or "0"), bound)
