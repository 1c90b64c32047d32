"""The end of a sqlite store's log, in a memory-mapped file beside it: an append needs no system call.

The memory pages of a mapped file survive the end of a killed process. So a batch is safe as soon as it is written
there. There are two regions: while one takes batches, those of the other are moved into the database, many in one
transaction. The file is also the lock of the store. It says what the database must contain, so that a missing end
is noticed."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from swapmock.mock_server.core.ports import StoreError

#: The bytes of a region. A longer batch is written into the database at once.
REGION_BYTES = 1 << 22

HEAD_BYTES = 4096
FILE_BYTES = HEAD_BYTES + 2 * REGION_BYTES

#: The kind of the file, and the boot of the machine that wrote it.
_HEAD = struct.Struct("<8s36s")
_MAGIC = b"swapmoc1"

#: The last batch that was written into the database, with a checksum of these numbers.
_LAST, _LAST_AT = struct.Struct("<qqqI"), 64

#: How many bytes of each region are in use. Each number is written separately, in one step.
_NUMBER, _ENDS_AT = struct.Struct("<q"), (128, 192)

#: The head of each batch: its row, its sandbox, its number there, its length; then its checksum.
_RECORD, _CRC = struct.Struct("<qqqI"), struct.Struct("<I")
RECORD_BYTES = _RECORD.size + _CRC.size


class Batch(NamedTuple):
    """A batch of facts: its row in the database, its sandbox, its number there, its bytes."""

    row: int
    sandbox: int
    number: int
    body: bytes


class Last(NamedTuple):
    """The last batch that was written into the database."""

    row: int
    sandbox: int
    number: int


class Chunk(NamedTuple):
    """Many batches as one text: the row of the first one, the last one, and all their records."""

    first: int
    last: Last
    body: bytes


def chunk_of(batches: Sequence[Batch]) -> Chunk:
    """Return several batches as one chunk."""
    newest = batches[-1]
    body = b"".join(as_record(*batch) for batch in batches)
    return Chunk(batches[0].row, Last(newest.row, newest.sandbox, newest.number), body)


def as_record(row: int, sandbox: int, number: int, body: bytes) -> bytes:
    """Return a batch as it is stored in a region and in the database: `row`, `sandbox`, `number`, checksum and
    `body`."""
    head = _RECORD.pack(row, sandbox, number, len(body))
    return head + _CRC.pack(crc32(body, crc32(head))) + body


def records(raw: bytes | memoryview) -> Iterator[Batch]:
    """Yield the batches in `raw`, up to the first incomplete one."""
    at, size = 0, len(raw)
    while at + RECORD_BYTES <= size:
        head = raw[at : at + _RECORD.size]
        row, sandbox, number, length = _RECORD.unpack(head)
        (crc,) = _CRC.unpack_from(raw, at + _RECORD.size)
        at += RECORD_BYTES
        body = bytes(raw[at : at + length])
        if len(body) != length or crc32(body, crc32(head)) != crc:
            return
        at += length
        yield Batch(row, sandbox, number, body)


def size_of(batches: Iterable[Batch]) -> int:
    """Return the bytes that the batches take."""
    return sum(RECORD_BYTES + len(batch.body) for batch in batches)


class Tail:
    """The end of the log. It is opened with the lock of the store; nothing is written before `begin`."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(store.name + "-log")
        self._store = store
        try:
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.descriptor)
            raise StoreError(f"{store}: another process has this store open") from None
        self._map: mmap.mmap | None = None
        self._active = 0
        #: The bytes in use of each region, and the position of its last record.
        self._ends, self._lasts = [0, 0], [0, 0]

    # --- data of the previous process

    def left(self) -> Left:
        """Return what the file says about the previous process."""
        raw = os.pread(self.descriptor, FILE_BYTES, 0)
        return Left(self.path, raw)

    # --- writing

    def begin(self, last: Last | None) -> None:
        """Take batches from now on. The earlier content of the file is in the database, whose last batch is `last`."""
        try:
            os.ftruncate(self.descriptor, 0)
            os.posix_fallocate(self.descriptor, 0, FILE_BYTES)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None
        self._map = mmap.mmap(self.descriptor, FILE_BYTES)
        self._map[:] = bytes(FILE_BYTES)  # the first write to a page is the most expensive
        self._map[: _HEAD.size] = _HEAD.pack(_MAGIC, boot_id())
        if last is not None:
            self.note(last)
        self._active, self._ends = 0, [0, 0]

    def append(self, row: int, sandbox: int, number: int, body: bytes) -> bool:
        """Store a batch: `row`, `sandbox`, `number` and `body`. Return False if the region is full."""
        active, size = self._active, len(body)
        end = self._ends[active]
        after = end + RECORD_BYTES + size
        if after > REGION_BYTES:
            return False
        mapped = self._map
        assert mapped is not None
        at = HEAD_BYTES + active * REGION_BYTES
        mapped[at + end : at + after] = as_record(row, sandbox, number, body)
        self._ends[active], self._lasts[active] = after, end
        _NUMBER.pack_into(mapped, _ENDS_AT[active], after)
        return True

    def take_turns(self) -> bool:
        """Make the other region active; return False if it is not empty yet."""
        other = 1 - self._active
        if self._ends[other]:
            return False
        self._active = other
        return True

    @property
    def is_waiting(self) -> bool:
        """Return whether the inactive region has batches that are not in the database."""
        return self._ends[1 - self._active] > 0

    def waiting(self) -> Chunk:
        """Return the batches of the inactive region."""
        body, at = self._region(1 - self._active), self._lasts[1 - self._active]
        first, *_ = _RECORD.unpack_from(body)
        row, sandbox, number, _ = _RECORD.unpack_from(body, at)
        return Chunk(first, Last(row, sandbox, number), body)

    def all(self) -> Iterator[Batch]:
        """Yield all batches in the file, in order."""
        yield from records(self._region(1 - self._active))
        yield from records(self._region(self._active))

    def _region(self, region: int) -> bytes:
        assert self._map is not None
        start = HEAD_BYTES + region * REGION_BYTES
        return self._map[start : start + self._ends[region]]

    def free(self, last: Last) -> None:
        """Empty the inactive region: its batches are in the database, `last` is the last of them."""
        self.note(last)
        other = 1 - self._active
        assert self._map is not None
        self._map[_ENDS_AT[other] : _ENDS_AT[other] + _NUMBER.size] = bytes(_NUMBER.size)
        self._ends[other] = 0

    def note(self, last: Last) -> None:
        """Record which batch was last written into the database."""
        if self._map is not None:
            numbers = _LAST.pack(*last, 0)[:-4]
            self._map[_LAST_AT : _LAST_AT + _LAST.size] = numbers + crc32(numbers).to_bytes(4, "little")

    def sync(self) -> None:
        """Wait until the disk has all batches that were appended before."""
        os.fdatasync(self.descriptor)

    def release(self, *, is_drained: bool = False) -> None:
        """Close the file. If all batches are in the database, only the information about its last batch is kept."""
        if self._map is not None:
            self._map.close()
            self._map = None
            if is_drained:
                with suppress(OSError):
                    os.ftruncate(self.descriptor, HEAD_BYTES)
        os.close(self.descriptor)


class Left:
    """What the previous process left in the file. `is_same_run` says that the machine has not been restarted since.
    `last` is None if it is unknown."""

    def __init__(self, path: Path, raw: bytes) -> None:
        self.path = path
        self.is_known = raw[:8] == _MAGIC
        #: Whether the process was killed, or its machine stopped.
        self.was_killed = self.is_known and len(raw) > HEAD_BYTES
        self.is_same_run = self.is_known and raw[8:44] == boot_id() and any(raw[8:44])
        self.last: Last | None = None
        self._raw = raw
        is_cut = self.is_known and len(raw) not in (HEAD_BYTES, FILE_BYTES)
        if is_cut or (not self.is_known and any(raw)):
            raise StoreError(f"{path}: is damaged; nothing was changed")
        if not self.is_known:
            return
        *numbers, check = _LAST.unpack_from(raw, _LAST_AT)
        if check == crc32(raw[_LAST_AT : _LAST_AT + _LAST.size - 4]):
            self.last = Last(*numbers)
        elif any(numbers) and self.is_same_run:
            raise StoreError(f"{path}: is damaged; nothing was changed")

    def batches(self) -> tuple[list[Batch], str]:
        """Return the batches in order, and, as text, what was lost when the machine stopped ("" for nothing). Raises
        StoreError if batches are incomplete although the machine did not stop.

        Some may already be in the database: an emptied region still contains them."""
        found: list[Batch] = []
        lost = ""
        for region in (0, 1) if self.was_killed else ():
            (end,) = _NUMBER.unpack_from(self._raw, _ENDS_AT[region])
            start = HEAD_BYTES + region * REGION_BYTES
            own = list(_rising(records(memoryview(self._raw)[start : start + REGION_BYTES])))
            found += own
            if not 0 <= end <= size_of(own):
                lost = "the end of the log is missing"
        if lost and self.is_same_run:
            raise StoreError(f"{self.path}: is damaged: batches that were committed are not whole; nothing was changed")
        return sorted(found), lost


def _rising(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield the batches up to the first one that is older than the one before it: that one is left from an earlier
    use of the region."""
    newest = 0
    for batch in batches:
        if batch.row <= newest:
            return
        newest = batch.row
        yield batch


def boot_id() -> bytes:
    """Return the id of the current boot of the machine; zeros if it is unknown."""
    try:
        found = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()[:36]
    except OSError:
        found = b""
    return found.ljust(36, b"\0")
