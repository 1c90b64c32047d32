"""What a run may use up, what it has used up, and what it left out because of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

#: No price and no balance of a real account is larger; what is larger is no amount.
LARGEST_AMOUNT = 1e12


class LeftOut(Exception):
    """A call that is not sent, and why; nothing went over the wire. `is_chosen` says that the user asked for that."""

    def __init__(self, why: str, *, is_chosen: bool = False) -> None:
        super().__init__(why)
        self.is_chosen = is_chosen


def amount(value: Any) -> float | None:
    """`value` as an amount of credits; None unless it is a number that is finite, not negative and within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not isfinite(value):
        return None
    return float(value) if 0 <= value <= LARGEST_AMOUNT else None


class LimitReached(LeftOut):
    """A call that is not sent because the run has come to its end: so has every other."""


@dataclass
class Spending:
    """What the paid calls of a run are held to cost, in credits.

    A charge is the largest of what was announced and what the task itself says; in all it is never less than what the
    balance fell. Nothing that a server says later makes any of these smaller.
    """

    charges: dict[int, float] = field(default_factory=dict)
    said_by_tasks: float = 0.0
    first_balance: float | None = None
    lowest_balance: float | None = None

    @property
    def fallen(self) -> float:
        """How far the balance has fallen since the first look at it."""
        if self.first_balance is None or self.lowest_balance is None:
            return 0.0
        return max(0.0, self.first_balance - self.lowest_balance)

    @property
    def total(self) -> float:
        return round(max(sum(self.charges.values()), self.fallen), 6)

    def saw_balance(self, balance: float) -> None:
        if self.first_balance is None:
            self.first_balance = balance
        self.lowest_balance = balance if self.lowest_balance is None else min(balance, self.lowest_balance)

    def charge(self, number: int, credits: float) -> None:
        """Hold the paid call with this exchange number to cost at least `credits`."""
        self.charges[number] = max(credits, self.charges.get(number, 0.0))

    def forget(self, number: int) -> None:
        """Take back the charge of a call that was certainly refused."""
        self.charges.pop(number, None)

    def task_says(self, number: int, credits: float) -> None:
        """A task that the paid call `number` made says what it cost."""
        self.said_by_tasks += credits
        self.charge(number, credits)


@dataclass
class Budget:
    """Calls and credits of one run; None is no limit. `left_out` maps what was left out to why; `chosen` names what of
    that the user, or the nature of the target, asked for."""

    max_calls: int | None = None
    max_credits: float | None = None
    calls: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    chosen: set[str] = field(default_factory=set)
    spending: Spending = field(default_factory=Spending)
    stopped_spending: str = ""

    @property
    def spent(self) -> float:
        """Credits that are known or must be assumed to be spent."""
        return self.spending.total

    def calls_left(self) -> float:
        return float("inf") if self.max_calls is None else self.max_calls - self.calls

    def need_calls(self, count: int) -> None:
        """LeftOut unless `count` more calls are within the limit."""
        if count > self.calls_left():
            raise LimitReached(
                f"--max-calls {self.max_calls} would be crossed ({self.calls} sent, {count} more needed)"
            )

    def need_credits(self, price: float) -> None:
        """LeftOut unless `price` is within what is left."""
        if self.max_credits is None:
            return
        if self.stopped_spending:
            raise LeftOut(f"nothing more is spent: {self.stopped_spending}")
        if self.max_credits <= 0 or not self.spent + price <= self.max_credits:
            raise LeftOut(
                f"--max-credits {self.max_credits:g} would be crossed ({self.spent:g} spent, {price:g} more needed)"
            )

    def stop_spending(self, why: str) -> None:
        """Refuse every further call that may cost; the first reason stands."""
        self.stopped_spending = self.stopped_spending or why

    def note(self, what: str, why: str, *, is_chosen: bool = False) -> None:
        """Remember that `what` was left out; the first reason stands."""
        if what not in self.left_out and is_chosen:
            self.chosen.add(what)
        self.left_out.setdefault(what, why)

    @property
    def cut(self) -> dict[str, str]:
        """What was left out although nobody asked for that."""
        return {what: why for what, why in self.left_out.items() if what not in self.chosen}
