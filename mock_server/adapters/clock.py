"""Real time. This is the only module of the server that reads the machine's clock.

A test that uses the emulator may freeze or move the time of its own process. The emulator stays on real time: it
reads the POSIX clocks, which freezegun does not replace, and the original function if time-machine has replaced
it."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from functools import partial


def monotonic() -> float:
    """Return seconds since a fixed time in the past, even if `time.monotonic` is replaced."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


#: The same as one call in C, for code that measures many times in each request.
ticks = partial(time.clock_gettime, time.CLOCK_MONOTONIC)


def wall() -> float:
    """Return seconds since the epoch, even if `time.time` is replaced."""
    patched = sys.modules.get("_time_machine")  # time-machine replaces the function in C, and keeps the original
    if patched is not None:
        with suppress(AttributeError, ValueError):  # ValueError: time is not moved at the moment
            return float(patched.original_clock_gettime(time.CLOCK_REALTIME))
    return time.clock_gettime(time.CLOCK_REALTIME)


def pause(seconds: float) -> None:
    """Block this thread for real `seconds`, for answers that are delayed on purpose."""
    time.sleep(seconds)


class RealTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's event loop on the real monotonic clock: time-outs also pass while `time.monotonic` is frozen."""

    def time(self) -> float:
        """Return the loop's time in seconds."""
        return monotonic()


#: SystemTime follows the wall clock if that is ahead by more than this many seconds.
FOLLOWED = 0.5

#: SystemTime reads the wall clock at most once in this many seconds of the monotonic clock. Each request reads the time several
#: times, and reading the wall clock takes ten times as long as reading the monotonic one.
LOOKS_EVERY = 0.01


class SystemTime:
    """Epoch seconds that never go back: the wall clock at the start, plus the time of the monotonic clock since.

    The monotonic clock stops while the machine is suspended. So if the wall clock is ahead, SystemTime follows
    it; if the wall clock was set back, it does not."""

    def __init__(self) -> None:
        self._offset = wall() - ticks()
        self._looks_at = 0.0

    def now(self) -> float:
        """Return epoch seconds."""
        passed = ticks()
        if passed >= self._looks_at:
            self._looks_at = passed + LOOKS_EVERY
            shown = wall()
            if shown - passed > self._offset + FOLLOWED:
                self._offset = shown - passed
        return self._offset + passed

    def pause(self, seconds: float) -> None:
        """Block this thread for `seconds`."""
        pause(seconds)


class ManualTime:
    """Real time that moves only when it is told to; for tests."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        """Return epoch seconds."""
        return self._now

    def pause(self, seconds: float) -> None:
        """Move the time by `seconds` at once, and let other threads run."""
        self._now += seconds
        pause(0)

    def advance(self, seconds: float) -> None:
        """Move the time by `seconds`."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now += seconds


#: Returns the CPU seconds of the calling thread.
cpu = partial(time.clock_gettime, time.CLOCK_THREAD_CPUTIME_ID)
