"""Which tasks have a long request, so that polls of them are answered in a thread."""

from __future__ import annotations

#: From this size on, in bytes, a request is long: reading and writing it takes milliseconds.
LONG_REQUEST = 1 << 20

#: How many tasks are remembered.
MOST = 10_000


class LongTasks:
    """The ids of tasks with a long request that were made or polled last. It is a hint: an id may be missing after a restart,
    until the task is polled."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._ids)

    def note(self, task_id: str, request: bytes) -> None:
        """Remember the task if its `request` is long."""
        if len(request) >= LONG_REQUEST and task_id not in self._ids:
            if len(self._ids) >= MOST:
                self._ids.pop(next(iter(self._ids)), None)
            self._ids[task_id] = None

    def includes(self, path: str, query: str) -> bool:
        """Return whether a segment of `path` or a value in `query` is the id of such a task."""
        named = {pair.partition("=")[2] for pair in query.split("&")}
        return not self._ids.keys().isdisjoint(named.union(path.split("/")))
