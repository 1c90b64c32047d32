"""What waits for its time, in the memory of one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from math import inf

#: When, a number that rises from one to the next, what is to be done, and with what.
Item = tuple[float, int, str, str]


class Agenda:
    """Earliest first, what falls due at the same time in the order of its numbers.

    Tasks of one kind take the same time, so that most of what is added comes after all that is there for the same work:
    that waits in a line, of which only the two ends are touched. What comes out of order waits in a heap, which reaches
    far through memory at every step.
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._lines: dict[str, deque[Item]] = {}
        self._rest: list[Item] = []
        #: All that is looked at: the heap and the lines.
        self._all: list[list[Item] | deque[Item]] = [self._rest]
        self.earliest = inf
        for item in sorted(items):
            self.add(item)

    def __len__(self) -> int:
        return sum(map(len, self._all))

    def __iter__(self) -> Iterator[Item]:
        """In no order."""
        for line in self._all:
            yield from line

    def add(self, item: Item) -> None:
        at, _, work, _ = item
        line = self._lines.get(work)
        if line is None:
            line = self._lines[work] = deque()
            self._all.append(line)
        if not line or line[-1][0] <= at:
            line.append(item)
        else:
            heappush(self._rest, item)
        if at < self.earliest:
            self.earliest = at

    def take(self, now: float) -> Item | None:
        """Remove and return what is first, if it is due by `now`."""
        if self.earliest > now:
            return None
        first: Item | None = None
        source: list[Item] | deque[Item] = self._rest
        following = inf
        for line in self._all:
            if not line:
                continue
            head = line[0]
            if first is None:
                first, source = head, line
            elif head < first:
                following = first[0]  # it was the least so far
                first, source = head, line
            elif head[0] < following:
                following = head[0]
        if isinstance(source, deque):
            source.popleft()
        else:
            heappop(source)
        self.earliest = min(source[0][0], following) if source else following
        return first
