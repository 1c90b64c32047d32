"""The state of sending callbacks in one event loop: what was started, and when to look at which sandbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from threading import Lock

from swapmock.mock_server.engine.concurrency import ConcurrencyLimit
from swapmock.mock_server.engine.runtime import Sent


@dataclass
class Batch:
    """The sends that one caller has started. `note(sandbox_id, sent)` is called after each attempt."""

    note: Callable[[str, Sent], None]
    under_way: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass
class SendLoop:
    """The state of sending in one event loop. `changed` is set when a send has ended or new work is known."""

    loop: asyncio.AbstractEventLoop
    limit: ConcurrencyLimit
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_stopping: bool = False
    _wakes: list[tuple[float, str]] = field(default_factory=list)
    _next: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def wake(self) -> None:
        """Set `changed`. May be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped
            self.loop.call_soon_threadsafe(self.changed.set)

    def wake_at(self, real: float, sandbox_id: str) -> bool:
        """Plan a look at a sandbox at the real time `real`. Return False if an earlier look is planned."""
        with self._lock:
            if self._next.get(sandbox_id, float("inf")) <= real:
                return False
            self._next[sandbox_id] = real
            heappush(self._wakes, (real, sandbox_id))
            return True

    def due_sandboxes(self, real: float) -> set[str]:
        """Return the sandboxes whose planned check is due at the real time `real`, each once."""
        found = set()
        with self._lock:
            while self._wakes and self._wakes[0][0] <= real:
                at, sandbox_id = heappop(self._wakes)
                if self._next.get(sandbox_id) == at:
                    del self._next[sandbox_id]
                    found.add(sandbox_id)
        return found

    def next_wake(self) -> float:
        """Return the real time of the earliest planned check; infinity if none is planned."""
        with self._lock:
            return self._wakes[0][0] if self._wakes else float("inf")


async def wait_for_change(send_loop: SendLoop, seconds: float) -> None:
    """Wait until `changed` is set, at most `seconds` real seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await send_loop.changed.wait()


def cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel all tasks of the event loop `loop`."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
