"""The bytes of a file that are all in memory, as a source that is read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: Bytes of one piece; a piece is a view of the bytes and copies nothing.
PIECE = 1 << 20


class Bytes(NamedTuple):
    """Bytes in memory as a `Source`."""

    content: bytes

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.content)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[memoryview]:
        """Yield the bytes from `start` to `stop` (exclusive; by default the end), as views without a copy."""
        view = memoryview(self.content)[start:stop]
        for at in range(0, len(view), PIECE):
            yield view[at : at + PIECE]
