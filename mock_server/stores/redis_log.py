"""The log of one sandbox in Redis: its keys, and how it is read and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import methodcaller
from typing import NamedTuple

from swapmock.mock_server.stores.logged import Fenced
from swapmock.mock_server.stores.redis_server import ADOPT, APPEND, RedisServer

#: The number of batches or pieces that one call reads.
SLICE = 200

#: How many snapshots before the current one may be left over from crashes.
MOST_STAGED = 20

#: How long the keys of a sandbox exist after its end, in seconds. The process that holds it removes it before that.
GRACE_SECONDS = 60.0

PREFIX = "swapmock:"


class StoredLog(NamedTuple):
    """The content of a log in Redis."""

    generation: int
    covers: int
    pieces: list[bytes]
    batches: list[tuple[int, bytes]]


def key_of(sandbox_id: str, part: str) -> str:
    """Return the Redis key for a `part` of a sandbox."""
    return f"{PREFIX}{{{sandbox_id}}}:{part}"


class RedisLog:
    """The log of one sandbox that this process, `holder`, holds with the fencing number `fence`."""

    def __init__(self, server: RedisServer, sandbox_id: str, holder: str, fence: int) -> None:
        self._server = server
        self._id = sandbox_id
        self._holder = holder
        self.fence = fence
        #: The current snapshot.
        self.generation = 0
        #: The real time at which the sandbox ends; None for never.
        self.end: Callable[[], float | None] = lambda: None
        self._keys = [key_of(sandbox_id, part) for part in ("meta", "log", "files")]

    def append(self, number: int, body: bytes) -> None:
        """Store the batch `body` with this number, which is one more than the last one's."""
        end = self.end()
        ends = "" if end is None else int((end + GRACE_SECONDS) * 1000)
        keys = [*self._keys, self._pieces(self.generation)] if self.generation else self._keys
        self._server.run(APPEND, keys, [self.fence, number, body, ends])

    def begin_snapshot(self) -> None:
        """Do nothing: Redis counts the batches of a list."""

    def stage(self, pieces: Iterable[bytes]) -> int:
        """Store a snapshot that is not current yet, and return its generation."""
        generation = int(self._server.call(lambda client: client.hincrby(self._keys[0], "staged", 1)))
        for piece in pieces:
            self._server.call(methodcaller("rpush", self._pieces(generation), piece))
        return generation

    def adopt(self, generation: int, covers: int, body: bytes | None) -> None:
        """Make the snapshot `generation` current, which includes the batches up to `covers`, and append `body` with
        the next number."""
        self._server.run(ADOPT, self._keys[:2], [self.fence, generation, covers, body or b""])
        self.generation = generation

    def tidy(self, generation: int) -> None:
        """Remove what the snapshot `generation` has replaced."""
        old = [self._pieces(each) for each in range(max(1, generation - MOST_STAGED), generation)]
        if old:
            self._server.call(methodcaller("delete", *old))

    def _pieces(self, generation: int) -> str:
        return key_of(self._id, f"snapshot:{generation}")

    def read(self) -> StoredLog:
        """Return the stored content. Raises Fenced if another process holds the sandbox now."""
        meta = self._own_meta()
        self.generation = meta.generation
        return read_log(self._server, self._id, meta)

    def ends_with(self, number: int) -> bool:
        """Return whether the last stored batch is the batch `number`, and the current snapshot is this process's. Raises
        Fenced if another process holds the sandbox now."""
        meta = self._own_meta()
        batches = int(self._server.read(methodcaller("llen", self._keys[1])))
        return (meta.covers + batches, meta.generation) == (number, self.generation)

    def _own_meta(self) -> Meta:
        """A replica that took over may have lost that another process took the sandbox, so that two have one number: the name
        decides."""
        meta = read_meta(self._server, self._id)
        if meta is None or (meta.fence, meta.holder) != (self.fence, self._holder):
            raise Fenced("another process holds the sandbox now")
        return meta


class Meta(NamedTuple):
    """The process that holds a sandbox, by its name ("" for none), and where the sandbox's log begins."""

    fence: int
    holder: str
    generation: int
    covers: int


def read_meta(server: RedisServer, sandbox_id: str) -> Meta | None:
    """Return the meta data of a sandbox; None if there is none."""
    found = server.read(lambda client: client.hgetall(key_of(sandbox_id, "meta")))
    if b"fence" not in found:
        return None
    return Meta(int(found[b"fence"]), found[b"holder"].decode(), int(found[b"generation"]), int(found[b"covers"]))


def read_log(server: RedisServer, sandbox_id: str, meta: Meta) -> StoredLog:
    """Return the content of a sandbox's log."""
    pieces = _whole_list(server, key_of(sandbox_id, f"snapshot:{meta.generation}")) if meta.generation else []
    bodies = _whole_list(server, key_of(sandbox_id, "log"))
    batches = [(meta.covers + 1 + index, body) for index, body in enumerate(bodies)]
    return StoredLog(meta.generation, meta.covers, pieces, batches)


def _whole_list(server: RedisServer, key: str) -> list[bytes]:
    found: list[bytes] = []
    while True:
        start = len(found)
        part = server.read(methodcaller("lrange", key, start, start + SLICE - 1))
        found += part
        if len(part) < SLICE:
            return found
