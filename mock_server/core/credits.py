"""Amounts of money as whole thousandths of a credit, so that sums are exact."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

#: Thousandths of a credit in one credit.
UNIT = 1000

Millicredits = int


@lru_cache(1024, typed=True)
def from_credits(amount: float | int | str) -> Millicredits:
    """`amount` in credits, rounded half up to a thousandth."""
    return int((Decimal(str(amount)) * UNIT).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def to_credits(amount: Millicredits) -> int | float:
    """In credits: an integer where it is whole, as the vendors' examples show it."""
    whole, rest = divmod(amount, UNIT)
    return whole if rest == 0 else amount / UNIT


def rounded_up(amount: Millicredits) -> Millicredits:
    """The next whole credit."""
    return -(-amount // UNIT) * UNIT
