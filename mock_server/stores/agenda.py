"""A priority queue of due work, in the memory of one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from math import inf

#: The due time, a number that increases from item to item, the name of the work, its subject.
Item = tuple[float, int, str, str]


class Agenda:
    """Due work, earliest first; items that are due at the same time come in the order of their numbers.

    Tasks of one kind take the same time, so most new items are later than all other items of the same work. Those
    are stored in a deque for each work, where only the two ends are used. The others are stored in a heap, which
    is slower."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._lines: dict[str, deque[Item]] = {}
        self._rest: list[Item] = []
        #: The heap and the deques.
        self._all: list[list[Item] | deque[Item]] = [self._rest]
        self.earliest = inf
        for item in sorted(items):
            self.add(item)

    def __len__(self) -> int:
        return sum(map(len, self._all))

    def items(self) -> list[Item]:
        """Return all items, in any order."""
        return [item for line in self._all for item in line]

    def add(self, item: Item) -> None:
        """Add an item."""
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
        """Remove and return the first item, if it is due by `now`; else return None."""
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
                following = first[0]  # it was the earliest so far
                first, source = head, line
            elif head[0] < following:
                following = head[0]
        if isinstance(source, deque):
            source.popleft()
        else:
            heappop(source)
        self.earliest = min(source[0][0], following) if source else following
        return first
