"""A sandbox's clock as data: the time that it shows is a function of this data and the real time."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

#: The default start of a clock that does not follow real time: 2026-01-01T00:00:00Z. With a fixed start, two runs with
#: the same seed and the same moves give the same bytes.
FIXED_START = 1_767_225_600.0

#: The smallest step of a clock in mode `on_poll`, in seconds.
POLL_STEP = 0.5


#: The latest time that a sandbox's clock shows, in epoch seconds: the end of the year 9998. `datetime` ends a year
#: later.
END_OF_TIME = 253_370_764_800.0


class ClockMode(StrEnum):
    """How a sandbox's clock runs: in real time, at a rate, not at all, or moved by its polls."""

    REAL = "real"
    SCALED = "scaled"
    FROZEN = "frozen"
    ON_POLL = "on_poll"


class SandboxClock(NamedTuple):
    """A clock that shows the epoch seconds `shown` at the real time `since`, and then runs `rate` times as fast as
    real time."""

    mode: ClockMode
    rate: float
    shown: float
    since: float

    @classmethod
    def make(cls, mode: ClockMode, real: float, rate: float = 1.0, start: float | None = None) -> SandboxClock:
        """Return a clock set at the real time `real`. A frozen clock starts at `start` or `FIXED_START`."""
        if mode in (ClockMode.FROZEN, ClockMode.ON_POLL):
            return cls(mode, 0.0, FIXED_START if start is None else start, real)
        return cls(mode, 1.0 if mode is ClockMode.REAL else rate, real if start is None else start, real)

    def read(self, real: float) -> float:
        """Return the time that the clock shows at the real time `real`: never less than before, even if real time
        goes back, and never more than `END_OF_TIME`."""
        if self.rate == 0.0:
            return self.shown
        elapsed = real - self.since
        if elapsed <= 0.0:
            return self.shown
        shown = self.shown + elapsed * self.rate
        return shown if shown < END_OF_TIME else max(self.shown, END_OF_TIME)

    def real_at(self, shown: float, real: float) -> float | None:
        """Return the real time, from `real` on, at which the clock will show `shown`. None if it never will: the
        clock does not run, or the time is beyond `END_OF_TIME`."""
        missing = shown - self.read(real)
        if missing <= 0.0:
            return real
        return None if self.rate == 0.0 or shown > END_OF_TIME else max(real, self.since) + missing / self.rate

    def moved(self, real: float, by: float) -> SandboxClock:
        """Return the clock moved forward by `by` seconds at the real time `real`. Raises ValueError for a negative
        number."""
        if by < 0:
            raise ValueError(f"a clock cannot be moved back ({by} s)")
        return self._replace(shown=self.read(real) + by, since=real)

    def moved_to(self, real: float, shown: float) -> SandboxClock:
        """Return the clock moved forward to `shown` at the real time `real`; unchanged if it is already past that."""
        now = self.read(real)
        return self._replace(shown=shown, since=real) if shown > now else self

    def switched(self, real: float, mode: ClockMode, rate: float = 1.0) -> SandboxClock:
        """Return the clock in another `mode`, going on from the time that it shows at the real time `real`."""
        return SandboxClock.make(mode, real, rate, start=self.read(real))


def after_poll(now: float, next_change: float | None) -> float:
    """Return the time to which a poll at `now` moves a clock in mode `on_poll`: half-way to the task's next change,
    at least one step.

    The last step ends exactly at the change, so that a client polls more than once and never waits."""
    if next_change is None or next_change <= now:
        return now
    return min(next_change, now + max((next_change - now) / 2, POLL_STEP))
