"""The time in which the event loop of a server ran."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds between two ticks of a server.
TICK = 0.1

#: The most seconds that one tick counts for. A longer one is a pause of our own: a stopped process (SIGSTOP, a debugger), a
#: suspended machine, or work that held the loop up. Clients could do nothing about it.
MOST_COUNTED = 2 * TICK


@dataclass(slots=True)
class RunningTime:
    """Counts the seconds in which the loop ran, in `now`. Time-outs of clients are measured by it."""

    now: float = 0.0
    _last: float | None = None

    def tick(self, loop_time: float) -> float:
        """Count the time since the tick before; `loop_time` is the loop's own. Returns by how many seconds it was late."""
        passed = 0.0 if self._last is None else loop_time - self._last
        self._last = loop_time
        self.now += min(max(passed, 0.0), MOST_COUNTED)
        return max(0.0, passed - TICK)
