"""Real time. The only place of the server that asks the machine for it."""

from __future__ import annotations

import time


def pause(seconds: float) -> None:
    """Hold this thread for real seconds: for answers that are delayed on purpose."""
    time.sleep(seconds)


class SystemTime:
    """Epoch seconds that never run backwards: the wall clock at the start, carried on by the monotonic one."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    def pause(self, seconds: float) -> None:
        pause(seconds)


class ManualTime:
    """Real time that stands still until it is told to move; for tests."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def pause(self, seconds: float) -> None:
        """Moves on at once; the thread yields, so that others get their turn."""
        self._now += seconds
        pause(0)

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now += seconds
