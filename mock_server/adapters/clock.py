"""Real time. The only place of the server that asks the machine for it.

A test that uses the emulator may freeze or move the time of its own process. The emulator stays on real time: it reads
the POSIX clocks, which freezegun does not replace, and the original function where time-machine has replaced it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from functools import partial


def monotonic() -> float:
    """Seconds since some moment in the past, whatever was done to `time.monotonic`."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


#: The same as one call in C, for what is measured many times in each request.
ticks = partial(time.clock_gettime, time.CLOCK_MONOTONIC)


def wall() -> float:
    """Seconds since the epoch, whatever was done to `time.time`."""
    patched = sys.modules.get("_time_machine")  # it replaces the function in C, and keeps the original
    if patched is not None:
        with suppress(AttributeError, ValueError):  # ValueError: time is not moved just now
            return float(patched.original_clock_gettime(time.CLOCK_REALTIME))
    return time.clock_gettime(time.CLOCK_REALTIME)


def pause(seconds: float) -> None:
    """Hold this thread for real seconds: for answers that are delayed on purpose."""
    time.sleep(seconds)


class RealTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's event loop on the real monotonic clock: time-outs pass also where `time.monotonic` stands still."""

    def time(self) -> float:
        return monotonic()


#: By how many seconds the wall clock must be ahead for SystemTime to follow it.
FOLLOWED = 0.5


class SystemTime:
    """Epoch seconds that never run backwards: the wall clock at the start, carried on by the monotonic one.

    The monotonic clock stands still while the machine is suspended. So where the wall clock is ahead, it is followed; where
    it was set back, it is not.
    """

    def __init__(self) -> None:
        self._offset = wall() - monotonic()

    def now(self) -> float:
        passed, shown = monotonic(), wall()
        if shown - passed > self._offset + FOLLOWED:
            self._offset = shown - passed
        return self._offset + passed

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


#: Seconds that the calling thread has computed.
cpu = partial(time.clock_gettime, time.CLOCK_THREAD_CPUTIME_ID)
