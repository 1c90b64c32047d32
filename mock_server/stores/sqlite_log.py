"""The logs of all sandboxes in one sqlite file, with the end of the logs in a second file.

With `process` durability, each commit is passed to the operating system: it survives the end of the process.
`power` also waits until the disk has it; simultaneous commits share one wait."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import chain, count
from pathlib import Path
from threading import Condition, Lock, Thread

from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.stores.facts import FORMAT
from swapmock.mock_server.stores.sqlite_file import (
    MIGRATIONS,
    SCHEMA,
    Damaged,
    Row,
    StoredLog,
    check_end,
    check_file,
    check_place,
    checksum,
    explained,
    is_blank,
    open_read_only,
    read_chunks,
    read_pieces,
    sandbox_rows,
)
from swapmock.mock_server.stores.sqlite_tail import REGION_BYTES, Batch, Chunk, Last, Tail, chunk_of

log = logging.getLogger("swapmock")

#: The bytes that are appended before the write-ahead log is copied into the file.
CHECKPOINT_BYTES = 1 << 22

#: About how many bytes a transaction adds to the write-ahead log.
TRANSACTION_BYTES = 1 << 15

#: Removes what a crash left: snapshots that never became current, and those of dropped sandboxes.
REMOVE_PIECES = "DELETE FROM piece WHERE generation IS NOT (SELECT generation FROM sandbox WHERE id = piece.sandbox)"

INSERT = "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?)"


class SqliteFile:
    """A store file, locked for this process. Its methods may be called from any thread; each raises StoreError.

    A path that does not exist becomes a new store. Before anything is written to an existing file, all of it is
    read and checked: `stored` is its content, and `lost` says what was lost when the machine stopped. `begin`
    makes it writable."""

    def __init__(self, path: Path, *, syncs: bool = False) -> None:
        self.path, self._syncs = path, syncs
        check_place(path)
        self._tail = Tail(path)
        #: One lock for the end of the log, and one for the database. If both are needed, the first one is taken first.
        self._lock, self._database_lock = Lock(), Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_open = False
        #: The number of commits, and the number of the last commit that the disk has.
        self.committed = self.synced = 0
        self._changed = Condition()
        self._failure = ""
        #: The rows of the next batches.
        self._rows = count(1)
        #: The first and the last row of each chunk, with its bytes.
        self._chunks: dict[int, tuple[int, int]] = {}
        self.logs: dict[int, SqliteLog] = {}
        #: The last batch that was written into the database.
        self._last: Last | None = None
        #: The bytes that were written into the write-ahead log.
        self._unchecked = 0
        #: Called when the end of the log should be moved into the database.
        self.on_full: Callable[[], object] = lambda: None
        try:
            self.stored, self._left, self.lost = self._look()
        except Damaged as error:
            self._tail.release()
            raise StoreError(f"{path}: is damaged: {error}; nothing was changed") from None
        except BaseException:
            self._tail.release()
            raise

    def _look(self) -> tuple[list[tuple[Row, StoredLog]], list[Batch], str]:
        left, path = self._tail.left(), self.path
        self.was_killed = left.was_killed
        if not path.exists() and (left.was_killed or _has_bytes(Path(f"{path}-wal"))):
            raise StoreError(f"{path}: is missing, but its log is there; nothing was changed")
        with _store_errors(path):
            if not path.exists() or (not left.is_known and is_blank(path)):
                if left.is_known:
                    log.warning("%s is not there; a new store begins, and %s was of another one", path, left.path.name)
                return [], [], ""
            found = check_file(path)
            batches, cut = left.batches()
            self._migrate(found)
            with closing(open_read_only(path)) as connection:
                lost = check_end(path, connection, left)
                stored = list(self._read_all(connection, batches))
                asked = "SELECT first, last, length(body) FROM chunk ORDER BY first"
                self._chunks = {first: (last, size) for first, last, size in connection.execute(asked)}
        newest = max((last for last, _ in self._chunks.values()), default=0)
        self._rows = count(max(newest, *(batch.row for batch in batches), 0) + 1)
        self._last = left.last
        return stored, batches, lost or cut

    def _migrate(self, found: int) -> None:
        if found < FORMAT:
            opened = sqlite3.connect(self.path, timeout=0.0, isolation_level=None)
            with closing(opened) as connection, transaction(connection):
                for version in range(found, FORMAT):
                    MIGRATIONS[version](connection)
                    connection.execute(f"PRAGMA user_version = {version + 1}")

    def abandon(self) -> None:
        """Close the file after a failure before or in `begin`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._tail.release()

    def begin(self) -> None:
        """Make the file writable."""
        with _store_errors(self.path):
            connection = sqlite3.connect(self.path, timeout=0.0, isolation_level=None, check_same_thread=False)
            self._connection = connection
            connection.executescript(
                "PRAGMA page_size = 4096; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;"
            )
            with transaction(connection):
                if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in SCHEMA.split(";\n"):
                        connection.execute(statement)
                connection.execute("UPDATE opened SET is_open = 0")  # until the data in the second file is valid again
                if self._left:
                    self._insert(connection, chunk_of(self._left))
                connection.execute(REMOVE_PIECES)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if self._syncs:
                connection.execute("PRAGMA synchronous = FULL")
            self._left = []
            self._tail.begin(self._last)
            connection.execute("UPDATE opened SET is_open = 1")
        self._is_open = True
        if self._syncs:
            Thread(target=self._sync_always, name="swapmock-sync", daemon=True).start()

    @contextmanager
    def locked(self) -> Iterator[sqlite3.Connection]:
        """Return the connection, locked for this thread."""
        with self._database_lock, _store_errors(self.path):
            if self._connection is None:
                raise StoreError(f"{self.path}: the store is closed")
            yield self._connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do everything in the block, or nothing of it."""
        with self.locked() as connection:
            before = self._last
            try:
                with transaction(connection):
                    yield connection
            except BaseException:
                self._last = before
                raise
            if self._last is not before and self._last is not None:
                self._tail.note(self._last)
            self._unchecked += TRANSACTION_BYTES

    def _insert(self, connection: sqlite3.Connection, chunk: Chunk) -> None:
        first, last, body = chunk
        connection.execute(INSERT, (first, last.row, body))
        self._chunks[first] = (last.row, len(body))
        self._unchecked += len(body)
        self._last = last

    # --- logs

    def append(self, own: SqliteLog, number: int, body: bytes) -> None:
        """Append a batch to the log `own`."""
        with self._lock:
            if not self._is_open:
                raise StoreError(f"{self.path}: the store is closed")
            row = next(self._rows)
            if not self._tail.append(row, own.sandbox, number, body):
                self._append_to_full(Batch(row, own.sandbox, number, body))
            own.newest = row
            if own.needed is None:
                own.needed = row
            self.committed += 1

    def _append_to_full(self, batch: Batch) -> None:
        if len(batch.body) > REGION_BYTES // 2:
            self.drain()
            self._tail.take_turns()
            self.drain()
            with self.transaction() as connection:
                self._insert(connection, chunk_of([batch]))
            return
        if not self._tail.take_turns():
            self.drain()
            self._tail.take_turns()
        self.on_full()
        if not self._tail.append(*batch):
            raise StoreError(f"{self.path}: the log file has no space left for this entry")

    def drain(self) -> None:
        """Move the batches of the inactive region into the database."""
        with self.locked() as connection:
            if not self._tail.is_waiting:
                return
            before = self._last
            try:
                with transaction(connection):
                    self._insert(connection, self._tail.waiting())
            except BaseException:
                self._last = before
                raise
            self._sync_database()
            assert self._last is not None
            self._tail.free(self._last)

    def _sync_database(self) -> None:
        """Wait until the disk has the batches that leave the end of the log; otherwise a stop of the machine would
        leave a gap."""
        try:
            descriptor = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error

    def create(self, name: str, body: bytes) -> SqliteLog:
        """Make a new sandbox with its first batch, and return its log."""
        with self.transaction() as connection:
            made = connection.execute(
                "INSERT INTO sandbox (name, generation, covers) VALUES (?, 0, 0)", (name,)
            ).lastrowid
            assert made is not None
            row = next(self._rows)
            self._insert(connection, chunk_of([Batch(row, made, 1, body)]))
        self._count()
        self.logs[made] = SqliteLog(self, made, row)
        return self.logs[made]

    def _count(self) -> None:
        with self._lock:
            self.committed += 1

    def stage(self, sandbox: int, pieces: Iterable[bytes]) -> int:
        """Store a snapshot of a sandbox that is not current yet, and return its generation."""
        with self.locked() as connection:
            (generation,) = connection.execute("SELECT coalesce(max(generation), 0) + 1 FROM piece").fetchone()
        key = ("piece", sandbox, generation)
        for piece in pieces:
            with self.transaction() as connection:
                row = (sandbox, generation, checksum(key, piece), piece)
                connection.execute("INSERT INTO piece (sandbox, generation, crc, body) VALUES (?, ?, ?, ?)", row)
        return int(generation)

    def adopt(self, own: SqliteLog, generation: int, covers: int, body: bytes | None) -> None:
        """Make a snapshot current, and append `body`."""
        row = next(self._rows)
        with self.transaction() as connection:
            connection.execute(
                "UPDATE sandbox SET generation = ?, covers = ? WHERE id = ?", (generation, covers, own.sandbox)
            )
            if body is not None:
                self._insert(connection, chunk_of([Batch(row, own.sandbox, covers + 1, body)]))
        if body is not None:
            own.newest = own.needed = row
        else:
            own.needed = own.mark + 1 if own.newest > own.mark else None
        self._count()

    def tidy(self, sandbox: int, generation: int) -> None:
        """Remove the snapshots of a sandbox before `generation`, in steps, so that commits can happen in between."""
        is_left = True
        while is_left:
            with self.transaction() as connection:
                found = connection.execute(
                    "SELECT id FROM piece WHERE sandbox = ? AND generation < ? LIMIT 20", (sandbox, generation)
                ).fetchall()
                connection.executemany("DELETE FROM piece WHERE id = ?", found)
            is_left = bool(found)

    def remove_chunks(self) -> None:
        """Remove the chunks that no sandbox needs: all their batches are in snapshots or belong to dropped
        sandboxes."""
        with self._lock:
            needed = min((own.needed for own in self.logs.values() if own.needed is not None), default=None)
        for first, (last, _) in sorted(self._chunks.items()):
            if needed is not None and last >= needed:
                return
            with self.transaction() as connection:
                connection.execute("DELETE FROM chunk WHERE first = ?", (first,))
                del self._chunks[first]

    @property
    def chunk_bytes(self) -> int:
        """Return the bytes of all chunks."""
        return sum(size for _, size in self._chunks.values())

    def holds_up(self) -> list[int]:
        """Return the sandboxes that still need the first chunk."""
        with self._lock:
            last = min(self._chunks.items())[1][0] if self._chunks else 0
            return [own.sandbox for own in self.logs.values() if own.needed is not None and own.needed <= last]

    def read(self, sandbox: int) -> StoredLog:
        """Return the stored content of one sandbox. No batch may be appended to it meanwhile."""
        with self._lock, self.locked() as connection:
            row = next((row for row in sandbox_rows(connection) if row.id == sandbox), None)
            if row is None:
                raise StoreError(f"{self.path}: sandbox {sandbox} is not there")
            own = _Following(row.covers)
            for batch in chain(read_chunks(connection), self._tail.all()):
                if batch.sandbox == sandbox:
                    own.take(batch)
            return StoredLog(row.generation, row.covers, read_pieces(connection, row), own.batches())

    def _read_all(self, connection: sqlite3.Connection, left: Iterable[Batch]) -> Iterator[tuple[Row, StoredLog]]:
        """Yield every sandbox with its log. `left` are batches that are not in the database."""
        rows = list(sandbox_rows(connection))
        logs = {row.id: _Following(row.covers) for row in rows}
        for batch in chain(read_chunks(connection), left):
            if batch.sandbox in logs:
                logs[batch.sandbox].take(batch)
        for row in rows:
            own = logs.pop(row.id)
            made = self.logs[row.id] = SqliteLog(self, row.id, max(own.rows, default=0))
            made.needed = min(own.rows, default=None)
            yield row, StoredLog(row.generation, row.covers, read_pieces(connection, row), own.batches())

    def drop(self, sandbox: int, name: str) -> None:
        """Drop a sandbox with its files. Its log is removed later, with the chunks that it is in."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM sandbox WHERE id = ?", (sandbox,))
            connection.execute("DELETE FROM file WHERE key >= ? AND key < ?", (f"{name}/", f"{name}0"))
            connection.execute("DELETE FROM piece WHERE sandbox = ?", (sandbox,))
        with self._lock:
            self.logs.pop(sandbox, None)

    # --- durability

    def wait_until_durable(self) -> Callable[[], None] | None:
        """Return a function to call before the last commit is acknowledged: it waits until the commit is on the
        disk. None if it is there already."""
        position = self.committed
        return None if self.synced >= position else partial(self._wait, position)

    def _wait(self, position: int) -> None:
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.synced >= position or self._failure)
            if self.synced < position:
                raise StoreError(self._failure)

    def _fail(self, text: str) -> None:
        with self._changed:
            self._failure = self._failure or text
            self._changed.notify_all()

    def _sync_always(self) -> None:
        """Wait for the disk again and again, each time for everything that was committed before."""
        while not self._failure:
            with self._changed:
                self._changed.wait_for(lambda: self.synced < self.committed or self._failure, timeout=0.05)
            position = self.committed
            if position > self.synced:
                try:
                    self._tail.sync()
                except (OSError, ValueError) as error:
                    self._fail(f"{self.path}: the disk refused it: {error}")
                    return
                with self._changed:
                    self.synced = position
                    self._changed.notify_all()

    def checkpoint(self) -> None:
        """Copy the write-ahead log into the file when it has grown."""
        if self._unchecked >= CHECKPOINT_BYTES:
            with self.locked() as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                self._unchecked = 0

    def close(self) -> None:
        """Move everything into the database, and let another process open the file."""
        with self._lock:
            if not self._is_open:
                return
            is_drained = False
            try:
                self.drain()
                self._tail.take_turns()
                self.drain()
                is_drained = True
            except StoreError as error:
                log.error("%s", error)  # the rest is moved when the store is opened next
            self._is_open = False
        with self._database_lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                if is_drained:
                    with suppress(sqlite3.Error):  # then the error is reported when the store is opened next
                        connection.execute("UPDATE opened SET is_open = 0")
                connection.close()
        self._fail(f"{self.path}: the store is closed")
        self._tail.release(is_drained=is_drained)

    def leave_to_parent(self) -> None:
        """In a forked child, give up the store: it belongs to the parent. Nothing is closed, because this would end
        the parent's locks."""
        self._lock, self._database_lock = Lock(), Lock()
        self._is_open, self._connection = False, None


class _Following:
    """The batches of one sandbox after the number `covers`, each once: a batch may be both in the database and in
    the second file."""

    def __init__(self, covers: int) -> None:
        self._covers = covers
        self._found: dict[int, bytes] = {}
        self.rows: list[int] = []

    def take(self, batch: Batch) -> None:
        if batch.number > self._covers:
            self._found[batch.number] = batch.body
            self.rows.append(batch.row)

    def batches(self) -> list[tuple[int, bytes]]:
        return sorted(self._found.items())


def _has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    """Raise errors of sqlite as StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(explained(path, error)) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do everything in the block, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # sqlite has already rolled back
            connection.execute("ROLLBACK")
        raise


class SqliteLog:
    """The log of one sandbox. `newest` is the row of its last batch, `needed` the row of the first batch that its
    snapshot does not include (None: it includes all)."""

    def __init__(self, file: SqliteFile, sandbox: int, newest: int) -> None:
        self.file = file
        self.sandbox = sandbox
        self.newest, self.needed = newest, newest or None
        #: The row of the last batch at the start of the last snapshot.
        self.mark = 0
        self.append = partial(file.append, self)

    def begin_snapshot(self) -> None:
        """Note the current end of the log: a snapshot of everything up to here is about to be written."""
        self.mark = self.newest

    def stage(self, pieces: Iterable[bytes]) -> int:
        """Store a snapshot that is not current yet, and return its generation."""
        return self.file.stage(self.sandbox, pieces)

    def adopt(self, generation: int, covers: int, body: bytes | None) -> None:
        """Make the snapshot `generation` current, which includes the batches up to `covers`, and append `body` with
        the next number."""
        self.file.adopt(self, generation, covers, body)

    def tidy(self, generation: int) -> None:
        """Remove what the snapshot `generation` has replaced."""
        self.file.tidy(self.sandbox, generation)

    def read(self) -> StoredLog:
        """Return the content of the log."""
        return self.file.read(self.sandbox)

    def ends_with(self, number: int) -> bool:  # noqa: ARG002 - the log's signature
        """Return False: rows of this store have other numbers, so that a box is read again."""
        return False
