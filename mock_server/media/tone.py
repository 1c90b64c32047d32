"""Sounds of any length. Their bytes are made piece by piece while they are read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from swapmock.mock_server.media.sound import RATE, one_second

#: The bytes of one second: mono, 16 bit.
SECOND: Final = 2 * RATE

#: The bytes of the head: RIFF, fmt and the start of data.
HEAD: Final = 44


@dataclass(frozen=True)
class Tone:
    """A WAV file of `seconds` seconds: a tone with the pitch and timbre of `identity` (16 kHz, mono, 16 bit).

    Each second begins and ends silent, so that all seconds have the same bytes. Raises ValueError for a length
    below 1."""

    identity: str
    seconds: int

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise ValueError(f"no sound of {self.seconds} s")

    @property
    def size(self) -> int:
        """The bytes of the whole file."""
        return HEAD + self.seconds * SECOND

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `stop` (by default the end), one second at a time."""
        end = self.size if stop is None else min(stop, self.size)
        if start < min(HEAD, end):
            yield self._head[start:end]
        at = max(start, HEAD)
        while at < end:
            offset = (at - HEAD) % SECOND
            piece = self._second[offset : offset + end - at]
            yield piece
            at += len(piece)

    @cached_property
    def _second(self) -> bytes:
        return one_second(self.identity)

    @property
    def _head(self) -> bytes:
        length = self.seconds * SECOND
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, SECOND, 2, 16)
        return struct.pack("<4sI4s", b"RIFF", HEAD - 8 + length, b"WAVE") + form + struct.pack("<4sI", b"data", length)
