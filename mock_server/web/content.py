"""The body of an answer that is not in memory as a whole, and the speed at which a body is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import NamedTuple

from swapmock.mock_server.core.ports import Source
from swapmock.mock_server.web.conditional import Piece

Octets = bytes | memoryview

#: The number of writes per second for a body with a limited bandwidth.
TURNS = 20

#: From this size on, in bytes, a part of a file is sent by the kernel (sendfile).
LARGE = 1 << 18

#: The largest piece that is sent in one step, in bytes.
LARGEST_PIECE = 1 << 20


class Pace(NamedTuple):
    """How fast a body is sent: at most `bandwidth` bytes a second (0: no limit), and a silence of `seconds` after
    the first `after` bytes (before the last byte, if the body is shorter)."""

    bandwidth: int = 0
    after: int = 0
    seconds: float = 0.0


@dataclass
class Content:
    """The body of an answer with a file: `pieces` of `source` with the literal bytes before them, then `after`.

    The body ends early after `limit` bytes. `pace` is the speed of sending. `is_made` says that reading takes
    computing time, so that it must not happen on the event loop. `digest` asks for the SHA-256 of all bytes that
    were read. `on_end(sent, digest)` is called once, when the connection has taken `sent` bytes and gets no more."""

    source: Source
    pieces: Sequence[Piece]
    after: bytes = b""
    limit: int | None = None
    pace: Pace | None = None
    is_made: bool = False
    wants_digest: bool = False
    on_end: Callable[[int, str], None] = field(default=lambda _sent, _digest: None, compare=False)

    def __post_init__(self) -> None:
        self._hash = sha256() if self.wants_digest else None

    @property
    def whole(self) -> int:
        """The bytes of the body without `limit`."""
        return sum(len(piece.before) + piece.stop - piece.start for piece in self.pieces) + len(self.after)

    @property
    def span(self) -> tuple[int, int, int] | None:
        """Return the descriptor of an open file with the first and the last position in it, if the body is one large
        part of a file and nothing else; else None."""
        descriptor: int | None = getattr(self.source, "descriptor", None)
        is_plain = len(self.pieces) == 1 and not (self.pieces[0].before or self.after or self.pace or self.limit)
        if descriptor is None or not is_plain or self.wants_digest or self.whole < LARGE:
            return None
        return descriptor, self.pieces[0].start, self.pieces[0].stop

    def first(self, count: int) -> bytes:
        """Return the first `count` bytes."""
        found = b""
        for piece in self.pieces:
            found += piece.before
            stop = min(piece.stop, piece.start + max(0, count - len(found)))
            found += b"".join(self.source.read(piece.start, stop)) if piece.start < stop else b""
        return (found + self.after)[: count if self.limit is None else min(count, self.limit)]

    def __iter__(self) -> Iterator[Octets]:
        left = self.whole if self.limit is None else min(self.limit, self.whole)
        for part in self._parts():
            if not left:
                return
            taken = part if len(part) <= left else memoryview(part)[:left]
            left -= len(taken)
            yield taken

    def _parts(self) -> Iterator[Octets]:
        for piece in self.pieces:
            if piece.before:
                yield piece.before
            for part in self.source.read(piece.start, piece.stop):
                if self._hash is not None:
                    self._hash.update(part)
                yield part
        if self.after:
            yield self.after

    def steps(self) -> Iterator[tuple[float, Octets]]:
        """Yield `(seconds to wait, bytes to send then)`, to the end of the body."""
        return steps(self, self.whole if self.limit is None else min(self.limit, self.whole), self.pace)

    def end(self, sent: int) -> None:
        """Note that the connection has taken `sent` bytes and gets no more."""
        is_whole = self._hash is not None and sent == self.whole
        self.on_end(sent, self._hash.hexdigest() if is_whole and self._hash is not None else "")

    def malformed(self) -> Content:
        """Return the same content between two bytes that make it invalid."""
        first, *rest = self.pieces or (Piece(0, 0),)
        return replace(self, pieces=(first._replace(before=b"<" + first.before), *rest), after=self.after + b"}")


def steps(parts: Iterable[Octets], size: int, pace: Pace | None) -> Iterator[tuple[float, Octets]]:
    """Yield `(seconds to wait, bytes to send then)` for `parts`, which have `size` bytes in total, at the speed
    `pace`."""
    if pace is None:
        for part in parts:
            yield 0.0, part
        return
    stall_at = min(pace.after, max(0, size - 1)) if pace.seconds else size
    most = max(1, pace.bandwidth // TURNS) if pace.bandwidth else LARGEST_PIECE
    done = 0
    for part in parts:
        view = memoryview(part)
        while view:
            before_stall = stall_at - done if done < stall_at else len(view)
            piece, view = view[: min(most, before_stall)], view[min(most, before_stall) :]
            wait = len(piece) / pace.bandwidth if pace.bandwidth and done else 0.0
            yield wait + (pace.seconds if done == stall_at and pace.seconds else 0.0), piece
            done += len(piece)
