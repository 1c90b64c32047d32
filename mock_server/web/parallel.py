"""POSTs that a sandbox's gateway has in progress: the limit beyond which it answers 522 itself."""

from __future__ import annotations

from heapq import heappop, heappush

from swapmock.mock_server.core.faults import Effect, Moment
from swapmock.mock_server.core.sandbox import ParallelPosts
from swapmock.mock_server.web.faults import FaultHit

#: The answer beyond the limit: the gateway's page for an origin to which no connection was established.
REFUSED = FaultHit("parallel_posts", Moment.BEFORE, Effect(gateway=522), None, 0.0)

#: With more sandboxes than these, those without a POST in progress are forgotten.
MOST_SANDBOXES = 1000


class PostsInProgress:
    """When the POSTs in progress end, by sandbox. This is the state of connections, and of no record; times are real."""

    def __init__(self) -> None:
        self._ends: dict[str, list[float]] = {}

    def may_enter(self, sandbox: str, limit: ParallelPosts, now: float) -> bool:
        """Whether fewer POSTs than the limit are in progress at `now`."""
        ends = self._ends.get(sandbox, [])
        while ends and ends[0] <= now:
            heappop(ends)
        return len(ends) < limit.limit

    def enter(self, sandbox: str, until: float, now: float) -> None:
        """A POST is in progress until the real time `until`."""
        if len(self._ends) > MOST_SANDBOXES:
            self._ends = {name: ends for name, ends in self._ends.items() if ends and max(ends) > now}
        heappush(self._ends.setdefault(sandbox, []), until)
