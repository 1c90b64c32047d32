"""A priority queue of due work, in the memory of one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush, heapreplace
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
        #: The first item of each deque that is not empty, as a heap: with its deque.
        self._heads: list[tuple[Item, deque[Item]]] = []
        self._rest: list[Item] = []
        self.earliest = inf
        for item in sorted(items):
            self.add(item)

    def __len__(self) -> int:
        return len(self._rest) + sum(map(len, self._lines.values()))

    def items(self) -> list[Item]:
        """Return all items, in any order."""
        return [*self._rest, *(item for line in self._lines.values() for item in line)]

    def add(self, item: Item) -> None:
        """Add an item."""
        line = self._lines.get(item[2])
        if line is None:
            line = self._lines[item[2]] = deque()
        if not line:
            line.append(item)
            heappush(self._heads, (item, line))
        elif line[-1][0] <= item[0]:
            line.append(item)
        else:
            heappush(self._rest, item)
        if item[0] < self.earliest:
            self.earliest = item[0]

    def take(self, now: float) -> Item | None:
        """Remove and return the first item, if it is due by `now`; else return None."""
        if self.earliest > now:
            return None
        heads, rest = self._heads, self._rest
        if rest and (not heads or rest[0] < heads[0][0]):
            first = heappop(rest)
        else:
            first, line = heads[0]
            line.popleft()
            if line:
                heapreplace(heads, (line[0], line))
            else:
                heappop(heads)
        self.earliest = heads[0][0][0] if heads else inf
        if rest and rest[0][0] < self.earliest:
            self.earliest = rest[0][0]
        return first
