"""Reads the content of a sqlite store without changing it, for `swapmock store`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from swapmock.mock_server.core.ledger import Account, Invariant, prove
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.stores.box import MemoryBox
from swapmock.mock_server.stores.facts import FORMAT
from swapmock.mock_server.stores.logged import restored
from swapmock.mock_server.stores.sqlite_file import checksum, open_read_only
from swapmock.mock_server.stores.sqlite_log import SqliteFile

#: The limits of a journal that drops nothing.
ALL = (1 << 62, 1 << 62)


class HeldSandbox(NamedTuple):
    """A sandbox of the store, and the bytes of its uploaded files by name."""

    box: MemoryBox
    files: Mapping[str, bytes]


class SandboxRow(NamedTuple):
    """`batches` is the number of batches after the snapshot; `ledger` are the invariants of its ledger."""

    name: str
    counts: Mapping[str, int]
    batches: int
    log_bytes: int
    snapshot_bytes: int
    ledger: tuple[Invariant, ...]


class Found(NamedTuple):
    """The result of an examination."""

    path: Path
    format: int
    sandboxes: list[SandboxRow]
    problems: list[str]

    @property
    def is_wrong(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems) or any(not rule.holds for row in self.sandboxes for rule in row.ledger)


@contextmanager
def _looked_at(path: Path) -> Iterator[SqliteFile]:
    """Yield the file, locked and read. Raises StoreError if it cannot be read or is damaged."""
    if not path.exists():
        raise StoreError(f"{path}: there is no such store")
    file = SqliteFile(path)
    try:
        yield file
    finally:
        file.abandon()


def examined(path: Path) -> Found:
    """Return what is wrong with a store, and how much is in it. Raises StoreError if there is no store, or if
    another process has it open."""
    found = Found(path, FORMAT, [], [])
    try:
        with _looked_at(path) as file:
            if file.lost:
                found.problems.append(file.lost)
            for row, stored in file.stored:
                try:
                    box, _, log_bytes, snapshot_bytes = restored(stored, ALL)
                except StoreError as error:
                    found.problems.append(f"sandbox {row.name!r}: {error}")
                    continue
                size = len(stored.batches), log_bytes, snapshot_bytes
                found.sandboxes.append(SandboxRow(row.name, box.counts(), *size, _ledger(box)))
                found.problems.extend(_wrong_files(path, row.name, box))
    except StoreError as error:
        if "nothing was changed" not in str(error) or "is damaged" not in str(error):
            raise
        found.problems.append(str(error))
    return found


def _ledger(box: MemoryBox) -> tuple[Invariant, ...]:
    """Return the invariants of the ledger. A task counts as finished if its end was processed, whatever time it is."""
    waiting = {due.subject for due in box.state().due}
    over = [task.id for task in box.tasks() if task.reserved and task.ends_at is not None and task.id not in waiting]
    return prove(box.entries(), over, {account: box.balance(account) for account in Account})


def _wrong_files(path: Path, name: str, box: MemoryBox) -> Iterator[str]:
    """Yield the uploaded files that differ from what the sandbox says. Files in --data-dir are not examined."""
    files = _files(path, name)
    for file in box.state().files.values():
        content = files.get(file.name)
        if content is not None and file.size is not None and len(content) != file.size:
            yield f"sandbox {name!r}: the uploaded file {file.name!r} has {len(content)} bytes, not {file.size}"


def _files(path: Path, name: str) -> dict[str, bytes]:
    """Return the uploaded files of a sandbox. Raises StoreError for a damaged one."""
    found: dict[str, bytes] = {}
    asked = "SELECT key, part, crc, body FROM file WHERE key >= ? AND key < ? ORDER BY key, part"
    try:
        with closing(open_read_only(path)) as connection:
            for key, part, crc, body in connection.execute(asked, (f"{name}/", f"{name}0")):
                if checksum((key, part), body) != crc:
                    raise StoreError(f"{path}: is damaged: the uploaded file {key!r} is not whole; nothing was changed")
                file = key.partition("/")[2]
                found[file] = found.get(file, b"") + body
    except sqlite3.Error as error:
        raise StoreError(f"{path}: is damaged ({error}); nothing was changed") from None
    return found


@contextmanager
def boxes(path: Path) -> Iterator[list[tuple[str, HeldSandbox]]]:
    """Yield the sandboxes of a store by name. Raises StoreError if it is damaged."""
    with _looked_at(path) as file:
        yield [(row.name, HeldSandbox(restored(stored, ALL)[0], _files(path, row.name))) for row, stored in file.stored]
