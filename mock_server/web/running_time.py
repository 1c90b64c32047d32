"""The time during which the event loop of a server ran."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds between two ticks of a server.
TICK = 0.1

#: The most seconds that one tick counts. A longer time is a pause of this process: it was stopped (SIGSTOP, a
#: debugger), the machine was suspended, or work blocked the loop. Clients are not responsible for such a pause.
MOST_COUNTED = 2 * TICK


@dataclass(slots=True)
class RunningTime:
    """Counts the seconds during which the loop ran, in `now`. Time-outs of clients use it."""

    now: float = 0.0
    _last: float | None = None

    def tick(self, loop_time: float) -> float:
        """Count the time since the last tick, and return by how many seconds it was late. `loop_time` is the loop's
        own time."""
        passed = 0.0 if self._last is None else loop_time - self._last
        self._last = loop_time
        self.now += min(max(passed, 0.0), MOST_COUNTED)
        return max(0.0, passed - TICK)
