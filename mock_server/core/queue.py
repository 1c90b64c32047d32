"""Outcomes that are queued for the next tasks of a kind."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Queued(NamedTuple):
    """A scenario for one future task. A field that is None matches every task. `code` and `message` replace those of
    the scenario's failure."""

    id: str
    scenario: str
    provider: str | None = None
    kind: str | None = None
    operation: str | None = None
    model: str | None = None
    code: int | str | None = None
    message: str | None = None

    @property
    def wanted(self) -> Wanted:
        """Return the provider, kind, operation and model that this outcome is for."""
        return (self.provider, self.kind, self.operation, self.model)


#: Provider, kind, operation and model of the tasks that an outcome is for; None takes all.
Wanted = tuple[str | None, str | None, str | None, str | None]


class OutcomeQueue:
    """Queued outcomes in order, with one queue for each kind of task that they are for. Looking for a task's outcome
    reads only the first one of each queue."""

    def __init__(self, items: Iterable[Queued] = ()) -> None:
        self._count = 0
        self._items: dict[str, Queued] = {}
        # An ordered dictionary finds its first item at once, however many were removed before it.
        self._lines: dict[Wanted, OrderedDict[str, int]] = {}
        for item in items:
            self.add(item)

    def __iter__(self) -> Iterator[Queued]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Queued) -> None:
        """Add an outcome at the end."""
        self._count += 1
        self._items[item.id] = item
        self._lines.setdefault(item.wanted, OrderedDict())[item.id] = self._count

    def remove(self, item_id: str) -> bool:
        """Remove the outcome with this id. Return whether there was one."""
        item = self._items.pop(item_id, None)
        if item is None:
            return False
        line = self._lines[item.wanted]
        del line[item_id]
        if not line:
            del self._lines[item.wanted]
        return True

    def first_fit(self, task: Wanted) -> Queued | None:
        """Return the first outcome that matches a task of this provider, kind, operation and model; None if there is
        none."""
        if not self._items:
            return None
        heads = [next(iter(line.items())) for wanted, line in self._lines.items() if _fits(wanted, task)]
        return self._items[min(heads, key=lambda head: head[1])[0]] if heads else None


def _fits(wanted: Wanted, task: Wanted) -> bool:
    return all(want is None or want == have for want, have in zip(wanted, task, strict=True))
