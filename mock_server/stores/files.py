"""The records of the uploaded files of one sandbox in memory, with their total size and their ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import islice

from swapmock.mock_server.core.journal import File


class Files:
    """Records of files by name. `core.ports.Box` describes what they are for."""

    def __init__(self, files: Iterable[File] = ()) -> None:
        self._all: dict[str, File] = {}
        #: The total size of the files in bytes.
        self.size = 0
        #: When files are removed, as a heap: sandbox time, name. An entry may be outdated.
        self._ends: list[tuple[float, str]] = []
        for file in files:
            self.put(file)

    def __len__(self) -> int:
        return len(self._all)

    def by_name(self) -> dict[str, File]:
        """Return a copy of all records by name, in the order of their declaration."""
        return dict(self._all)

    def put(self, file: File) -> None:
        """Store the record of a file, new or changed."""
        before = self._all.get(file.name)
        self._all[file.name] = file
        self.size += (file.size or 0) - (0 if before is None else before.size or 0)
        if before is None or _end_of(before) != _end_of(file):
            heappush(self._ends, (_end_of(file), file.name))

    def get(self, name: str) -> File | None:
        """Return the record of a file; None if there is none."""
        return self._all.get(name)

    def newest(self, most: int) -> Sequence[File]:
        """Return at most `most` records, newest first. Costs O(most)."""
        return tuple(islice(reversed(self._all.values()), most))

    def forget(self, now: float) -> Sequence[str]:
        """Remove the records of files whose end has come by the sandbox time `now`, and return their names."""
        forgotten = []
        while self._ends and self._ends[0][0] <= now:
            at, name = heappop(self._ends)
            file = self._all.get(name)
            if file is not None and _end_of(file) == at:
                del self._all[name]
                self.size -= file.size or 0
                forgotten.append(name)
        return forgotten


def _end_of(file: File) -> float:
    """Return when a file is removed: if it was never uploaded, when its link expires."""
    return file.link_expires_at if file.size is None else file.expires_at
