"""A time-out that counts only the time during which the event loop ran.

After a pause of this process (SIGSTOP, a debugger, a suspended machine), the other side's answer may already wait
in the socket. The pause must not count against the other side."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakKeyDictionary

#: The seconds between two checks of the loop's clock, and how much later than that counts as a pause.
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
        """Begin to measure, for one more time-out."""
        self._users += 1
        if self._users == 1:
            self._arm()

    def stop(self) -> None:
        """End the measurement for one time-out."""
        self._users -= 1
        if self._users == 0 and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def paused(self) -> float:
        """Return the seconds of all pauses so far."""
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
    """Return the meter of an event loop."""
    meter = _METERS.get(loop)
    if meter is None:
        meter = _METERS[loop] = PauseMeter(loop)
    return meter


@contextlib.asynccontextmanager
async def running_timeout(seconds: float) -> AsyncIterator[None]:
    """Do the same as `asyncio.timeout(seconds)` without counting pauses of the event loop. Raises TimeoutError."""
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
