"""The one place of the checks that reads the clock and waits; handed in, so that tests move it by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""

    def pause(self, seconds: float) -> None:
        """Let `seconds` pass."""


class RealClock:
    """The machine's own."""

    def now(self) -> float:
        return time.time()

    def pause(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class ManualClock:
    """Stands still but for its own pauses, which take no time."""

    def __init__(self, start: float = 1_748_433_600.0) -> None:
        self._now = start
        self.paused: list[float] = []

    def now(self) -> float:
        return self._now

    def pause(self, seconds: float) -> None:
        if seconds > 0:
            self._now += seconds
            self.paused.append(seconds)
