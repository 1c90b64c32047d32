"""The only module of the checks that reads the clock and waits. The clock is a parameter, so that tests can move it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A clock that can also wait."""

    def now(self) -> float:
        """Return the seconds since the epoch."""

    def pause(self, seconds: float) -> None:
        """Wait for `seconds`."""


class RealClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()

    def pause(self, seconds: float) -> None:
        """Sleep for `seconds`."""
        if seconds > 0:
            time.sleep(seconds)


class ManualClock:
    """A clock that only its own pauses move. A pause takes no real time."""

    def __init__(self, start: float = 1_748_433_600.0) -> None:
        self._now = start
        self.paused: list[float] = []

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self._now

    def pause(self, seconds: float) -> None:
        """Move the clock by `seconds`."""
        if seconds > 0:
            self._now += seconds
            self.paused.append(seconds)
