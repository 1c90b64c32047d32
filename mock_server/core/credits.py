"""Amounts of money as whole thousandths of a credit, so that sums are exact."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

#: Thousandths of a credit in one credit.
UNIT = 1000

Millicredits = int


@lru_cache(1024, typed=True)
def from_credits(amount: float | int | str) -> Millicredits:
    """Return `amount`, in credits, as millicredits, rounded half up."""
    return int((Decimal(str(amount)) * UNIT).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def to_credits(amount: Millicredits) -> int | float:
    """Return `amount` in credits: an integer if it is whole, as in the vendors' examples."""
    whole, rest = divmod(amount, UNIT)
    return whole if rest == 0 else amount / UNIT


def rounded_up(amount: Millicredits) -> Millicredits:
    """Return `amount` rounded up to a whole credit."""
    return -(-amount // UNIT) * UNIT
