"""What a run may use up, and what it left out because of that."""

from __future__ import annotations

from dataclasses import dataclass, field


class LeftOut(Exception):
    """A call that is not sent, and why; nothing went over the wire."""


@dataclass
class Budget:
    """Calls and credits of one run; None is no limit. `spent` is what is known or must be assumed to be spent."""

    max_calls: int | None = None
    max_credits: float | None = None
    calls: int = 0
    spent: float = 0.0
    left_out: dict[str, str] = field(default_factory=dict)

    def calls_left(self) -> float:
        return float("inf") if self.max_calls is None else self.max_calls - self.calls

    def need_calls(self, count: int) -> None:
        """LeftOut unless `count` more calls are within the limit."""
        if count > self.calls_left():
            raise LeftOut(f"--max-calls {self.max_calls} would be crossed ({self.calls} sent, {count} more needed)")

    def need_credits(self, price: float) -> None:
        """LeftOut unless `price` is within what is left."""
        if self.max_credits is None:
            return
        if self.max_credits <= 0 or self.spent + price > self.max_credits:
            raise LeftOut(
                f"--max-credits {self.max_credits:g} would be crossed ({self.spent:g} spent, {price:g} more needed)"
            )

    def note(self, what: str, why: str) -> None:
        """Remember that `what` was left out; the first reason stands."""
        self.left_out.setdefault(what, why)
