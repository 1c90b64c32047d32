"""A time-out that counts only the time in which the event loop ran.

Where this process was paused (SIGSTOP, a debugger, a suspended machine), an answer may wait in the socket by now: the pause
must not count against the one who sent it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakKeyDictionary

#: How often the loop's clock is looked at, and how much later than that counts as a pause, in seconds.
TICK, LATE = 0.25, 0.25


class PauseMeter:
    """Measures how long one event loop did not run, while any time-out is active."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._users = 0
        self._handle: asyncio.TimerHandle | None = None
        self._expected = 0.0
        self._paused = 0.0

    def start(self) -> None:
        self._users += 1
        if self._users == 1:
            self._arm()

    def stop(self) -> None:
        self._users -= 1
        if self._users == 0 and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def paused(self) -> float:
        """The seconds of all pauses so far."""
        late = self._loop.time() - self._expected
        return self._paused + (late if late > LATE else 0.0)

    def _arm(self) -> None:
        self._expected = self._loop.time() + TICK
        self._handle = self._loop.call_at(self._expected, self._tick)

    def _tick(self) -> None:
        self._paused = self.paused()
        self._arm()


_METERS: WeakKeyDictionary[asyncio.AbstractEventLoop, PauseMeter] = WeakKeyDictionary()


def meter_of(loop: asyncio.AbstractEventLoop) -> PauseMeter:
    """The meter of an event loop."""
    meter = _METERS.get(loop)
    if meter is None:
        meter = _METERS[loop] = PauseMeter(loop)
    return meter


@contextlib.asynccontextmanager
async def running_timeout(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout(seconds)`, but pauses of the event loop do not count. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    meter = meter_of(loop)
    meter.start()
    started, paused = loop.time(), meter.paused()
    handle: asyncio.TimerHandle | None = None
    try:
        async with asyncio.timeout(None) as deadline:

            def end() -> None:
                nonlocal handle
                now = loop.time()
                left = seconds - (now - started) + (meter.paused() - paused)
                if left > 0.0:
                    handle = loop.call_later(left, end)
                else:
                    deadline.reschedule(now)

            handle = loop.call_later(seconds, end)
            yield
    finally:
        if handle is not None:
            handle.cancel()
        meter.stop()
