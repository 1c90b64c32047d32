"""The limits of a run in calls and credits, what the run has used, and what it left out because of the limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

#: The largest price or balance that is accepted as an amount of credits; no real account has more.
LARGEST_AMOUNT = 1e12


class LeftOut(Exception):
    """A call that is not sent; its text says why. `is_chosen` says that the user asked for that."""

    def __init__(self, why: str, *, is_chosen: bool = False) -> None:
        super().__init__(why)
        self.is_chosen = is_chosen


def amount(value: Any) -> float | None:
    """Return `value` as an amount of credits; None unless it is a finite number from 0 to the largest amount."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not isfinite(value):
        return None
    return float(value) if 0 <= value <= LARGEST_AMOUNT else None


class LimitReached(LeftOut):
    """A call that is not sent because the run has reached a limit; no further call is sent either."""


@dataclass
class Spending:
    """The cost of the paid calls of a run, in credits.

    A charge is the larger of the announced price and the cost that the task itself reports. The total is never less
    than the fall of the balance. No later answer of the server makes any of these smaller."""

    charges: dict[int, float] = field(default_factory=dict)
    said_by_tasks: float = 0.0
    first_balance: float | None = None
    lowest_balance: float | None = None

    @property
    def fallen(self) -> float:
        """Return how far the balance has fallen since it was read first."""
        if self.first_balance is None or self.lowest_balance is None:
            return 0.0
        return max(0.0, self.first_balance - self.lowest_balance)

    @property
    def total(self) -> float:
        """The credits that the run has spent, as far as known."""
        return round(max(sum(self.charges.values()), self.fallen), 6)

    def saw_balance(self, balance: float) -> None:
        """Note a `balance` that the server reported."""
        if self.first_balance is None:
            self.first_balance = balance
        self.lowest_balance = balance if self.lowest_balance is None else min(balance, self.lowest_balance)

    def charge(self, number: int, credits: float) -> None:
        """Note that the paid call with the exchange number `number` costs at least `credits`."""
        self.charges[number] = max(credits, self.charges.get(number, 0.0))

    def forget(self, number: int) -> None:
        """Remove the charge of call `number`, which was certainly refused."""
        self.charges.pop(number, None)

    def task_says(self, number: int, credits: float) -> None:
        """Note that a task made by the paid call `number` reports a cost of `credits`."""
        self.said_by_tasks += credits
        self.charge(number, credits)


@dataclass
class Budget:
    """The limits of one run in calls and credits; None means no limit.

    `left_out` maps each part that was left out to the reason. `chosen` names those parts of `left_out` that the user
    excluded, or that do not apply to the target."""

    max_calls: int | None = None
    max_credits: float | None = None
    calls: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    chosen: set[str] = field(default_factory=set)
    spending: Spending = field(default_factory=Spending)
    stopped_spending: str = ""

    @property
    def spent(self) -> float:
        """The credits that are spent or must be assumed to be spent."""
        return self.spending.total

    def calls_left(self) -> float:
        """The number of calls that may still be sent; infinite without a limit."""
        return float("inf") if self.max_calls is None else self.max_calls - self.calls

    def need_calls(self, count: int) -> None:
        """Raise LeftOut unless `count` more calls are within the limit."""
        if count > self.calls_left():
            raise LimitReached(
                f"--max-calls {self.max_calls} would be crossed ({self.calls} sent, {count} more needed)"
            )

    def need_credits(self, price: float) -> None:
        """Raise LeftOut unless `price` is within the credits that are left."""
        if self.max_credits is None:
            return
        if self.stopped_spending:
            raise LeftOut(f"nothing more is spent: {self.stopped_spending}")
        if self.max_credits <= 0 or not self.spent + price <= self.max_credits:
            raise LeftOut(
                f"--max-credits {self.max_credits:g} would be crossed ({self.spent:g} spent, {price:g} more needed)"
            )

    def stop_spending(self, why: str) -> None:
        """Refuse every further call that may cost credits. If called twice, the first reason is kept."""
        self.stopped_spending = self.stopped_spending or why

    def note(self, what: str, why: str, *, is_chosen: bool = False) -> None:
        """Record that the part `what` was left out because of `why`. If called twice, the first reason is kept."""
        if what not in self.left_out and is_chosen:
            self.chosen.add(what)
        self.left_out.setdefault(what, why)

    @property
    def cut(self) -> dict[str, str]:
        """Return the parts that were left out although the user did not ask for that, each with the reason."""
        return {what: why for what, why in self.left_out.items() if what not in self.chosen}
