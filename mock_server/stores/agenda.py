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
    are stored in a deque for each work, where only the two ends are used. A heap holds the first item of each deque,
    and the items that came out of order."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._lines: dict[str, deque[Item]] = {}
        self._heap: list[Item] = []
        #: How many items are in no deque.
        self._single = 0
        #: Subjects whose items are dropped. Such an item leaves the queue when it comes first.
        self._dropped: set[str] = set()
        self.earliest = inf
        for item in sorted(items):
            self.add(item)

    def __len__(self) -> int:
        return self._single + sum(map(len, self._lines.values())) - len(self._dropped)

    def items(self) -> list[Item]:
        """Return all items, in any order."""
        heads = {line[0] for line in self._lines.values() if line}
        singles = (item for item in self._heap if item not in heads)
        every = [*singles, *(item for line in self._lines.values() for item in line)]
        return [item for item in every if item[3] not in self._dropped] if self._dropped else every

    def drop(self, subject: str) -> None:
        """Remove the item on `subject`. There must be exactly one."""
        self._dropped.add(subject)
        self._skip_dropped()

    def add(self, item: Item) -> None:
        """Add an item."""
        line = self._lines.get(item[2])
        if line is None:
            line = self._lines[item[2]] = deque()
        if not line:
            line.append(item)
            heappush(self._heap, item)
        elif line[-1][0] <= item[0]:
            line.append(item)
        else:
            self._single += 1
            heappush(self._heap, item)
        if item[0] < self.earliest:
            self.earliest = item[0]

    def take(self) -> Item:
        """Remove and return the first item. Raises IndexError if there is none."""
        heap = self._heap
        first = heap[0]
        line = self._lines[first[2]]
        if line and line[0] is first:
            line.popleft()
            if line:
                heapreplace(heap, line[0])
            else:
                heappop(heap)
        else:
            self._single -= 1
            heappop(heap)
        self.earliest = heap[0][0] if heap else inf
        if self._dropped:
            self._skip_dropped()
        return first

    def _skip_dropped(self) -> None:
        """Remove the dropped items that come first."""
        dropped, self._dropped = self._dropped, set()  # `take` skips nothing meanwhile
        while self._heap and self._heap[0][3] in dropped:
            dropped.remove(self.take()[3])
        self._dropped = dropped
