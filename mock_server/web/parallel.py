"""The POSTs in progress of each sandbox. Above a limit, the simulated gateway answers 522."""

from __future__ import annotations

from heapq import heappop, heappush

from swapmock.mock_server.core.faults import Effect, Moment
from swapmock.mock_server.core.sandbox import ParallelPosts
from swapmock.mock_server.web.faults import FaultHit

#: The answer above the limit: the gateway's page for an origin to which it could not connect.
REFUSED = FaultHit("parallel_posts", Moment.BEFORE, Effect(gateway=522), None, 0.0)

#: If there are more sandboxes than this, those without a POST in progress are removed.
MOST_SANDBOXES = 1000


class PostsInProgress:
    """The ends of the POSTs in progress, by sandbox, in real time. This is state of connections and is not stored."""

    def __init__(self) -> None:
        self._ends: dict[str, list[float]] = {}

    def may_enter(self, sandbox: str, limit: ParallelPosts, now: float) -> bool:
        """Return whether fewer POSTs than the `limit` are in progress in `sandbox` at `now`."""
        ends = self._ends.get(sandbox, [])
        while ends and ends[0] <= now:
            heappop(ends)
        return len(ends) < limit.limit

    def enter(self, sandbox: str, until: float, now: float) -> None:
        """Note that a POST of `sandbox` is in progress from `now` until the real time `until`."""
        if len(self._ends) > MOST_SANDBOXES:
            self._ends = {name: ends for name, ends in self._ends.items() if ends and max(ends) > now}
        heappush(self._ends.setdefault(sandbox, []), until)
