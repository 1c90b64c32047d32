"""The Store port in a sqlite file: acknowledged changes survive a restart. Only one process has the file open at a
time.

Boxes are in memory, as in the memory store; a commit is one append to the log."""

from __future__ import annotations

import atexit
import errno
import logging
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.core.source import Bytes
from swapmock.mock_server.stores.logged import Log, LoggedBox, restored
from swapmock.mock_server.stores.logged_store import LoggedStore, Options
from swapmock.mock_server.stores.sqlite_file import Row, StoredLog, checksum
from swapmock.mock_server.stores.sqlite_log import SqliteFile, SqliteLog

log = logging.getLogger("swapmock")

#: The bytes in one part of an uploaded file.
PART_BYTES = 1 << 20

#: Batches are removed when they have more bytes than this, and more than CLEANING times the bytes of all snapshots.
CHUNKS_BYTES, CLEANING = 1 << 25, 4


class SqliteStore(LoggedStore):
    """A store in the file `path`; its methods are described in `core.ports.Store`. `syncs` waits for the disk
    (`power` durability). Raises StoreError for a file that cannot be used."""

    def __init__(self, path: Path, options: Options, *, syncs: bool = False) -> None:
        super().__init__(options)
        self._path, self._syncs = path, syncs
        self._open()

    def _open(self) -> None:
        self._file = SqliteFile(self._path, syncs=self._syncs)
        try:
            for row, stored in self._file.stored:
                self._restore(row, stored)
            self._file.stored = []
            self._file.begin()
        except BaseException:
            self._file.abandon()
            raise
        self._finalizer = weakref.finalize(self, self._file.close)
        atexit.register(_close, weakref.ref(self))
        os.register_at_fork(after_in_child=partial(_leave_to_parent, weakref.ref(self._file)))
        if self._file.lost:
            log.warning("%s: the machine has stopped since: %s", self._path, self._file.lost)
        if self._file.was_killed:
            for box in self._boxes.values():
                box.note_recovery(self._options.now())
        self.start_housekeeping()
        if self._keeper is not None:
            self._file.on_full = self._keeper.wake

    def _restore(self, row: Row, stored: StoredLog) -> None:
        try:
            made, number, log_bytes, snapshot_bytes = restored(stored, self._journal)
        except StoreError as error:
            raise StoreError(f"{self._path}: is damaged: sandbox {row.name!r}: {error}; nothing was changed") from None
        box = self._box_over(self._file.logs[row.id], made.sandbox, made.clock)
        box.take_over(made)
        box.number, box.log_bytes, box.snapshot_bytes = number, log_bytes, snapshot_bytes
        self._take_in(box)

    def _create_log(self, sandbox_id: str, body: bytes) -> Log:
        return self._file.create(sandbox_id, body)

    def _drop_log(self, box: LoggedBox) -> None:
        assert isinstance(box.log, SqliteLog)
        self._file.drop(box.log.sandbox, box.sandbox.id)

    def run_housekeeping(self) -> None:
        """Do the work of each second, and remove batches that are not needed."""
        self._file.drain()
        super().run_housekeeping()
        self._clean()
        self._file.checkpoint()

    def _clean(self) -> None:
        """Remove chunks that are not needed. If there are too many, write snapshots of the sandboxes that still need
        the oldest chunk."""
        self._file.remove_chunks()
        boxes = {box.log.sandbox: box for box in tuple(self._boxes.values()) if isinstance(box.log, SqliteLog)}
        bound = max(CHUNKS_BYTES, CLEANING * sum(box.snapshot_bytes for box in boxes.values()))
        while self._file.chunk_bytes > bound:
            before = self._file.chunk_bytes
            for sandbox in self._file.holds_up():
                if sandbox in boxes:
                    boxes[sandbox].snapshot()
            self._file.remove_chunks()
            if self._file.chunk_bytes >= before:
                return

    def wait_until_durable(self) -> Callable[[], None] | None:
        """Return a function to call before the commits of this thread are acknowledged; the call may take long. None
        if they can be acknowledged at once."""
        return self._file.wait_until_durable() if self._syncs else None

    @property
    def blobs(self) -> SqliteBlobs:
        """Return the store of uploaded files in the same file."""
        return SqliteBlobs(lambda: self._file)

    def close(self) -> None:
        """Store everything that is not stored yet, and let another process open the store."""
        self.stop_housekeeping()
        self.flush()
        self._finalizer()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return not self._finalizer.alive

    def reopen(self) -> None:
        """Open the store again after `close`. Raises StoreError."""
        if self.is_closed:
            super().__init__(self._options)
            self._open()


def _close(reference: weakref.ref[SqliteStore]) -> None:
    """Commit facts that wait, at the end of the process."""
    store = reference()
    if store is not None and not store.is_closed:
        store.close()


def _leave_to_parent(reference: weakref.ref[SqliteFile]) -> None:
    """In a forked child, give up the file: it belongs to the parent. Nothing is closed, because this would end the
    parent's locks."""
    file = reference()
    if file is not None:
        file.leave_to_parent()


class SqliteBlobs:
    """Uploaded files in the store's file, in parts. The methods are described in `core.ports.Blobs`."""

    def __init__(self, file: Callable[[], SqliteFile]) -> None:
        self._file = file

    def put(self, key: str, content: bytes) -> None:
        """Store all of `content`. If this fails, raise OSError and store nothing."""
        view = memoryview(content)
        parts = [bytes(view[at : at + PART_BYTES]) for at in range(0, len(content), PART_BYTES)] or [b""]
        with _as_os_error(), self._file().transaction() as connection:
            connection.execute("DELETE FROM file WHERE key = ?", (key,))
            rows = [(key, number, checksum((key, number), part), part) for number, part in enumerate(parts)]
            connection.executemany("INSERT INTO file (key, part, crc, body) VALUES (?, ?, ?, ?)", rows)

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`; None if there are none."""
        with _as_os_error(), self._file().locked() as connection:
            rows = connection.execute("SELECT part, crc, body FROM file WHERE key = ? ORDER BY part", (key,)).fetchall()
        if not rows:
            return None
        if any(checksum((key, part), body) != crc for part, crc, body in rows):
            raise OSError(errno.EIO, "the stored file is damaged")
        return b"".join(body for _, _, body in rows)

    def open(self, key: str) -> Bytes | None:
        """Return the current bytes under `key` without reading them; None if there are none. Later changes of the
        key do not affect them."""
        content = self.get(key)
        return None if content is None else Bytes(content)

    def remove(self, key: str) -> None:
        """Remove one key, if it exists."""
        with _as_os_error(), self._file().transaction() as connection:
            connection.execute("DELETE FROM file WHERE key = ?", (key,))

    def drop(self, prefix: str) -> None:
        """Remove every key that starts with `prefix`."""
        with _as_os_error(), self._file().transaction() as connection:
            last = prefix[:-1] + chr(ord(prefix[-1]) + 1)
            connection.execute("DELETE FROM file WHERE key >= ? AND key < ?", (prefix, last))


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise OSError(errno.EIO, str(error)) from error


__all__ = ["SqliteBlobs", "SqliteFile", "SqliteStore"]
