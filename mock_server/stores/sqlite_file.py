"""The file of a sqlite store: its tables, and the checks before anything is written to it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.stores.facts import FORMAT
from swapmock.mock_server.stores.sqlite_tail import Batch, Last, Left, records, size_of

#: The application id of the file: "swap" as a number.
APPLICATION = 0x73776170

#: Network file systems: their locks and flushed writes do not give the guarantees that sqlite needs.
NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "glusterfs", "lustre", "ncpfs", "gfs2", "ocfs2",
     "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.davfs")
)  # fmt: skip

SCHEMA = f"""
CREATE TABLE sandbox (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL, covers INTEGER NOT NULL);
CREATE TABLE chunk (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE piece (id INTEGER PRIMARY KEY, sandbox INTEGER NOT NULL, generation INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX piece_of ON piece (sandbox, generation);
CREATE TABLE file (id INTEGER PRIMARY KEY, key TEXT NOT NULL, part INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (key, part));
CREATE TABLE opened (is_open INTEGER NOT NULL);
INSERT INTO opened VALUES (0);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
"""

#: Format -> the function that migrates a store to the next format, in one transaction with the change of the number.
MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {}


class Damaged(StoreError):
    """The stored data is damaged. The text says what is wrong, but not in which file."""


def checksum(key: object, body: bytes) -> int:
    """Return the checksum of a row: of its body, and of the key under which it is stored."""
    return crc32(body, crc32(str(key).encode()))


class Row(NamedTuple):
    """A sandbox in the file. Its log is the snapshot `generation`, which includes the batches up to `covers` (0:
    there is no snapshot), and the later batches."""

    id: int
    name: str
    generation: int
    covers: int


class StoredLog(NamedTuple):
    """The content of a log in the file."""

    generation: int
    covers: int
    pieces: list[bytes]
    batches: list[tuple[int, bytes]]


# --- before it is opened


def check_place(path: Path, mounts: str | None = None) -> None:
    """Raise StoreError if a store cannot be at `path`. `mounts` is the text of /proc/self/mountinfo."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise StoreError(f"{path}: there is no folder {folder}")
    if path.is_dir():
        raise StoreError(f"{path}: is a folder, not a file")
    kind = file_system(folder, _mounts() if mounts is None else mounts)
    if kind in NETWORK:
        raise StoreError(f"{path}: is on a network file system ({kind}), where locks do not hold; use a local disk")


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # not Linux: the file system is unknown


def file_system(folder: Path, mounts: str) -> str:
    """Return the kind of file system of `folder`; "" if it is unknown."""
    found, longest = "", -1
    for line in mounts.splitlines():
        place, _, more = line.partition(" - ")
        fields = place.split(" ")
        if len(fields) < 5 or not more:
            continue
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        if folder.is_relative_to(point) and len(point) >= longest:  # a later mount hides an earlier one
            found, longest = more.split(" ")[0], len(point)
    return found


# --- reading


def open_read_only(path: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing, not even the write-ahead log."""
    return sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=0.0, isolation_level=None)


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))


def version_of(path: Path, connection: sqlite3.Connection) -> int:
    """Return the format of a store. Raises StoreError if the file is not a store, or a newer one."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise StoreError(f"{path}: is a database, but no store of swapmock; nothing was changed")
    if version > FORMAT:
        raise StoreError(
            f"{path}: has format {version}, this version of swapmock reads up to {FORMAT}; nothing was changed"
        )
    if version != FORMAT and version not in MIGRATIONS:
        raise StoreError(f"{path}: has the unknown format {version}; nothing was changed")
    return int(version)


def is_blank(path: Path) -> bool:
    """Return whether a file is empty, or a database without tables: its process was killed while it made the store."""
    if path.stat().st_size == 0:
        return True
    try:
        with closing(open_read_only(path)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        return False
    return not application and not tables


def check_header(path: Path) -> None:
    """Raise StoreError for a file that is empty or is not a database."""
    with path.open("rb") as file:
        start = file.read(16)
    if not start:
        raise StoreError(f"{path}: is damaged: the file is empty; nothing was changed")
    if start != b"SQLite format 3\x00":
        raise StoreError(f"{path}: is damaged, or no store of swapmock; nothing was changed")


def check_pages(path: Path, connection: sqlite3.Connection) -> None:
    """Raise StoreError if the pages of the file are inconsistent."""
    (first, *_) = (row[0] for row in connection.execute("PRAGMA quick_check(1)"))
    if first != "ok":
        raise StoreError(f"{path}: is damaged ({' '.join(str(first).split())}); nothing was changed")


def sandbox_rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Yield the row of every sandbox."""
    return map(Row._make, connection.execute("SELECT id, name, generation, covers FROM sandbox ORDER BY id").fetchall())


def read_pieces(connection: sqlite3.Connection, row: Row) -> list[bytes]:
    """Return the snapshot of a sandbox. Raises Damaged for a row with a wrong checksum."""
    pieces = [
        _verified(("piece", row.id, row.generation), crc, body)
        for crc, body in connection.execute(
            "SELECT crc, body FROM piece WHERE sandbox = ? AND generation = ? ORDER BY id", (row.id, row.generation)
        )
    ]
    if row.generation and not pieces:
        raise Damaged(f"the snapshot of sandbox {row.name!r} is missing")
    return pieces


def read_chunks(connection: sqlite3.Connection) -> Iterator[Batch]:
    """Yield all batches, chunk by chunk. Raises Damaged for a chunk that is not complete."""
    for first, last, body in connection.execute("SELECT first, last, body FROM chunk ORDER BY first"):
        found = list(records(body))
        if not found or size_of(found) != len(body) or (found[0].row, found[-1].row) != (first, last):
            raise Damaged(f"the batches of rows {first} to {last} are not whole")
        yield from found


def _verified(key: object, crc: int, body: object) -> bytes:
    if not isinstance(body, bytes) or checksum(key, body) != crc:
        raise Damaged(f"row {key} has a wrong checksum")
    return body


def is_missing(connection: sqlite3.Connection, last: Last) -> bool:
    """Return whether the batch `last` was committed and is lost: it is not in the file, in no snapshot, and its
    sandbox still exists."""
    if connection.execute("SELECT 1 FROM chunk WHERE last = ?", (last.row,)).fetchone() is not None:
        return False
    covers = connection.execute("SELECT covers FROM sandbox WHERE id = ?", (last.sandbox,)).fetchone()
    if covers is not None:
        return bool(covers[0] < last.number)
    (newest,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence").fetchone()
    return bool(last.sandbox > newest)


def check_file(path: Path) -> int:
    """Return the format of a store. Raises StoreError if the file is not a store, is a newer one, or has
    inconsistent pages."""
    check_header(path)
    with closing(open_read_only(path)) as connection:
        found = version_of(path, connection)
        check_pages(path, connection)
    return found


def check_end(path: Path, connection: sqlite3.Connection, left: Left) -> str:
    """Raise StoreError if batches are missing that were committed according to `left`, the data beside the file.
    Return, as text, what was lost when the machine stopped; "" for nothing."""
    (was_open,) = connection.execute("SELECT is_open FROM opened").fetchone()
    if was_open and not left.is_known:
        raise StoreError(f"{left.path}: is missing, and {path.name} was not closed; nothing was changed")
    if left.last is None or not is_missing(connection, left.last):
        return ""
    if left.is_same_run:
        raise StoreError(f"{path}: is damaged: batches that were committed are missing at its end; nothing was changed")
    return "the end of the log is missing"


def explained(path: Path, error: sqlite3.Error) -> str:
    """Return a sentence for an error of sqlite."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"{path}: another process has this store open"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"{path}: is damaged ({error}); nothing was changed"
    return f"{path}: {error}"
