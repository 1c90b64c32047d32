"""Files that were cut, changed or lost, and places where no store can be: it is told, and nothing is overwritten."""

import os
import random
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from swapmock.mock_server.core.ledger import Entry, Move
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.stores import sqlite_file, sqlite_log, sqlite_tail
from swapmock.mock_server.stores.facts import FORMAT
from swapmock.mock_server.stores.sqlite import SqliteStore
from tests.stores.bodies import options
from tests.stores.test_sqlite import crashed, do_everything, held, opened
from tests.stores.test_store import CLOCK, sandbox, task

#: How many cuts and changes of each kind each file gets.
TIMES = 6


def small_regions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sqlite_tail, "REGION_BYTES", 3000)
    patch.setattr(sqlite_log, "REGION_BYTES", 3000)
    patch.setattr(sqlite_tail, "FILE_BYTES", sqlite_tail.HEAD_BYTES + 6000)


@pytest.fixture
def small(monkeypatch):
    small_regions(monkeypatch)


def filled(folder: Path) -> SqliteStore:
    """A store with batches in its snapshot, in the database, in the database's own log, and beside it."""
    folder.mkdir()
    store = opened(folder)
    store.stop_housekeeping()
    store.add(sandbox("a"), CLOCK, [Entry(0.0, Move.GRANT, 1000)])
    do_everything(store.open("a"))
    for number in range(30):
        with store.open("a") as box:
            box.add_task(task(f"t{number}", request=b"x" * 300))
        if number == 15:
            store.open("a").snapshot()
        if number == 20:
            store.run_housekeeping()
    return store


def killed(folder: Path):
    with closing(filled(folder / "made")) as store:
        return crashed(store, folder / "image"), held(store)


def closed(folder: Path):
    store = filled(folder / "made")
    before = held(store)
    store.close()
    return folder / "made", before


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if not path.name.endswith("-shm") and path.stat().st_size
    }


CHANGES = {
    "cut": lambda raw, at, _: raw[:at],
    "bit": lambda raw, at, bit: raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :],
    "zeros": lambda raw, at, _: raw[:at] + bytes(len(raw[at : at + 512])) + raw[at + 512 :],
}


def told_or_whole(folder: Path, before) -> str:
    """ "" if a store is refused without a change of its files, or else holds everything; otherwise what happened."""
    files = digests(folder)
    try:
        with closing(opened(folder)) as store:
            return "" if "a" in store.ids() and held(store) == before else "lost"
    except StoreError as error:
        return "" if digests(folder) == files and "nothing was changed" in str(error) else str(error)


@pytest.mark.parametrize("left", [killed, closed])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.usefixtures("small")
def test_damage_is_told_and_nothing_is_overwritten(left, change, tmp_path, monkeypatch):
    image, before = left(tmp_path)
    chance = random.Random(change)
    wrong = []
    for name in [path.name for path in image.iterdir() if path.stat().st_size]:
        size = (image / name).stat().st_size
        for at in (0, 1, size - 1, *(chance.randrange(size) for _ in range(TIMES))):
            folder = tmp_path / "copy"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(image, folder)
            path = folder / name
            path.write_bytes(CHANGES[change](path.read_bytes(), at, chance.randrange(8)))
            wrong += [(name, at, what) for what in [told_or_whole(folder, before)] if what]
    assert wrong == []


@pytest.mark.parametrize("name", ["store.db", "store.db-wal", "store.db-log"])
@pytest.mark.usefixtures("small")
def test_a_file_that_is_gone_after_a_crash_is_told(name, tmp_path):
    image, before = killed(tmp_path)
    (image / name).unlink()
    assert told_or_whole(image, before) == ""


@pytest.mark.usefixtures("small")
def test_after_a_stop_of_the_machine_a_lost_end_is_no_damage(tmp_path, monkeypatch, caplog):
    image, before = killed(tmp_path)
    log = image / "store.db-log"
    raw = bytearray(log.read_bytes())
    raw[8:44] = b"another-run-of-the-machine".ljust(36, b"\0")
    raw[sqlite_tail.HEAD_BYTES + 40 :] = bytes(len(raw) - sqlite_tail.HEAD_BYTES - 40)
    log.write_bytes(raw)
    with closing(opened(image)) as store:
        tasks = held(store)[0]["tasks"]
    assert set(tasks) < set(before[0]["tasks"])
    assert "the machine has stopped" in caplog.text


def make(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def newer(path: Path) -> None:
    with closing(opened(path.parent)):
        pass
    make(path, f"PRAGMA user_version = {FORMAT + 1}")


REFUSED = {
    "no database": (lambda path: path.write_bytes(b"hello" * 1000), "no store of swapmock"),
    "another database": (lambda path: make(path, "CREATE TABLE t (a)"), "no store of swapmock"),
    "a newer store": (newer, "reads up to"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_store_of_this_version_is_refused(name, tmp_path):
    put, said = REFUSED[name]
    path = tmp_path / "store.db"
    put(path)
    before = digests(tmp_path) if path.is_file() else {}
    with pytest.raises(StoreError, match=said):
        opened(tmp_path)
    assert not path.is_file() or digests(tmp_path)["store.db"] == before["store.db"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match="there is no folder"):
        opened(tmp_path / "none")


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_file_becomes_a_store(content, tmp_path):
    if content is not None:
        (tmp_path / "store.db").write_bytes(content)
    with closing(opened(tmp_path)) as store:
        assert list(store.ids()) == []


def test_an_older_store_is_migrated(tmp_path, monkeypatch):
    with closing(opened(tmp_path)) as store:
        store.add(sandbox("a"), CLOCK)
    make(tmp_path / "store.db", "PRAGMA user_version = 0", "ALTER TABLE chunk RENAME TO old_chunk")
    migrations = {0: lambda connection: connection.execute("ALTER TABLE old_chunk RENAME TO chunk")}
    monkeypatch.setattr(sqlite_log, "MIGRATIONS", migrations)
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", migrations)
    with closing(opened(tmp_path)) as store:
        assert list(store.ids()) == ["a"]


def test_one_process_at_a_time(tmp_path):
    with closing(opened(tmp_path)):
        with pytest.raises(StoreError, match="another process has this store open"):
            opened(tmp_path)
        other = sqlite3.connect(tmp_path / "store.db", timeout=0)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("SELECT * FROM sandbox")
    with closing(opened(tmp_path)):
        pass


MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw
30 22 0:50 / /home rw - autofs systemd-1 rw
31 30 0:51 / /home/ann\\040b rw shared:2 - nfs4 server:/home rw
32 22 0:52 / /data rw - fuse.sshfs ann@server: rw
33 32 8:1 / /data/local rw - xfs /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/home/ann b/x", "nfs4"),
        ("/home/ann", "autofs"),
        ("/data/x", "fuse.sshfs"),
        ("/data/local", "xfs"),
    ],
)
def test_the_file_system_of_a_folder(folder, kind):
    assert sqlite_file.file_system(Path(folder), MOUNTS) == kind


@pytest.mark.parametrize("kind", sorted(sqlite_file.NETWORK))
def test_network_file_systems_are_refused(kind, tmp_path):
    with pytest.raises(StoreError, match="network file system"):
        sqlite_file.check_place(tmp_path / "x", f"1 1 0:1 / {tmp_path} rw - {kind} server: rw\n")


def test_a_forked_child_leaves_the_store_to_its_parent(tmp_path):
    with closing(opened(tmp_path)) as store:
        store.add(sandbox("a"), CLOCK)
        child = os.fork()
        if child == 0:
            try:
                with store.open("a") as box:
                    box.add_task(task("t"))
            except StoreError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        with store.open("a") as box:
            assert box.task("t") is None
            box.add_task(task("u"))
    with closing(SqliteStore(tmp_path / "store.db", options())) as store:
        assert store.open("a").task("u") is not None
