"""What the sqlite store promises beyond the port: restarts, crashes, damaged files, one process at a time.

A crash is a copy of the files while the store is open: what a killed process leaves is what the operating system has.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from swapmock import Emulator
from swapmock.mock_server.control import AdminError
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.delivery import SendResult
from swapmock.mock_server.core.faults import Effect, FaultRule, Turns
from swapmock.mock_server.core.journal import Breach, File, Transition
from swapmock.mock_server.core.ledger import Account, Entry, Move
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.sandbox import RateLimit
from swapmock.mock_server.core.state import State
from swapmock.mock_server.core.task import Failure
from swapmock.mock_server.settings import SettingError
from swapmock.mock_server.stores import sqlite, sqlite_log, sqlite_tail
from swapmock.mock_server.stores.sqlite import SqliteStore
from tests.stores.bodies import POLL, options
from tests.stores.test_store import CLOCK, delivery, exchange, next_phase, sandbox, task

SUFFIXES = ("", "-wal", "-log")


def opened(folder: Path, **more) -> SqliteStore:
    return SqliteStore(folder / "store.db", options(size=100), **more)


@pytest.fixture
def store(tmp_path) -> Iterator[SqliteStore]:
    made = opened(tmp_path)
    made.add(sandbox("a"), CLOCK, [Entry(0.0, Move.GRANT, 1000)])
    yield made
    made.close()


def crashed(store: SqliteStore, folder: Path) -> Path:
    """A folder with what a kill at this moment would leave: no thread writes while the files are copied."""
    folder.mkdir()
    with store._file._lock, store._file._database_lock:
        for suffix in SUFFIXES:
            shutil.copy(f"{store._path}{suffix}", folder / f"store.db{suffix}")
    return folder


def held(store: SqliteStore, name: str = "a"):
    """All that a sandbox holds, as JSON values."""
    box = store.open(name)
    with box:
        return json.loads(json.dumps([encode(box.state()), encode(box.sandbox), encode(box.clock)]))


def after_crash(store: SqliteStore, folder: Path, name: str = "a"):
    with closing(opened(crashed(store, folder))) as again:
        return held(again, name)


def do_everything(box) -> None:
    """Every verb that changes something, with awkward values."""
    with box:
        assert box.next_number("exchange") == 1
        box.add_task(task("t1", callback_url="http://h/", request=b"\xff\x00", facts={"faces": [1, 2], "url": "ü"}))
        box.add_task(task("t2", failure=Failure(451, "no", "why"), ends_at=None, facts={"big": 2**70}))
        box.add_alias("other", "t1")
        box.post(Entry(1.0, Move.RESERVE, 5, "t1", "x1"))
        box.schedule(1.0, "start", "t1")
        assert box.enter_next_phase(1.5) == (box.task("t1"), Transition(1.0, "t1", "queued", "running", ""))
        broken = (Breach(("body", "a", 1), "type", "string", {"x": 1}),)
        box.record(exchange(1, body=b'{"a": "\xff"}', answer=b"{}", violations=broken, answer_headers=(("a", "b"),)))
        box.record(exchange(2, target="/?q=\ud800", code="503", headers={"x": "y"}))
        box.put_delivery(delivery(1, 3.0))
        box.put_delivery(delivery(2, 4.0))
        box.put_fault(FaultRule("f1", Effect(status=503), times=3))
        box.put_fault(FaultRule("f2", Effect()))
        box.set_turns("f1", Turns(4, 3))
        box.drop_fault("f2")
        for name in "qr":
            box.enqueue(Queued(name, "slow", "crun"))
        box.dequeue("q")
        for limit in (RateLimit(2, 10.0), RateLimit(2, 10.0)):
            box.take_rate("calls", 1.0, limit)
        box.put_file(File("f.png", "image/png", "sig", 10.0, 20.0, "x1"))
        box.put_file(File("g.png", "image/png", "sig", 10.0, 20.0, "x1", 5))
        box.forget_files(15.0)
        box.clock = box.clock.moved(0.0, 12.5)
        box.sandbox = replace(box.sandbox, labels={"team": "a"}, rate_limit=RateLimit(5, 2.0), scenario="slow")
    with box:
        (first,) = box.claim_due(3.0, 100.0, 200.0, lambda _: True)
        after, attempt = first.attempted(3.0, 3.5, RESULT, "answered HTTP 500")
        box.put_delivery(after)
        box.record(attempt)


RESULT = SendResult(500, b"\xfe", "", request_head=b"POST / HTTP/1.1\r\n\r\n", answer_head=b"HTTP/1.1 500 \xff\r\n\r\n")


class TestRestarts:
    def test_everything_is_there_after_a_crash_and_after_a_close(self, store, tmp_path):
        do_everything(store.open("a"))
        store.publish("token", "a")
        before = held(store)
        assert after_crash(store, tmp_path / "crash") == before
        store.close()
        with closing(opened(tmp_path)) as again:
            assert held(again) == before
            assert again.owner("token") == "a"
            assert again.find("crun", "key of a") == ("a", "secret of key of a", False)

    def test_a_snapshot_holds_the_same_as_the_log(self, store, tmp_path):
        box = store.open("a")
        do_everything(box)
        store.publish("token", "a")
        before = held(store)
        box.snapshot()
        assert (box.log_bytes, box.snapshot_bytes > 0) == (0, True)
        assert after_crash(store, tmp_path / "1") == before
        with box:
            box.add_task(task("t9"))
        assert after_crash(store, tmp_path / "2") == held(store)
        store.close()
        with closing(opened(tmp_path)) as again:
            assert again.owner("token") == "a"
            assert "t9" in held(again)[0]["tasks"]

    def test_loading_a_state_is_one_step(self, store, tmp_path):
        box = store.open("a")
        do_everything(box)
        store.publish("token", "a")
        state = box.state()
        with box:
            box.load(State(numbers={"n": 7}))
            box.post(Entry(0.0, Move.GRANT, 3))
        now = held(store)
        assert now[0]["tasks"] == {}
        assert after_crash(store, tmp_path / "1") == now
        with box:
            box.load(state)
        assert after_crash(store, tmp_path / "2") == held(store)

    def test_a_dropped_sandbox_does_not_come_back(self, store, tmp_path):
        store.add(sandbox("b"), CLOCK)
        store.blobs.put("a/x", b"1")
        assert store.drop("a")
        with closing(opened(crashed(store, tmp_path / "crash"))) as again:
            assert list(again.ids()) == ["b"]
            assert again.blobs.get("a/x") is None
            assert again.find("crun", "key of a") is None
            again.add(sandbox("a"), CLOCK)

    def test_tokens_keep_their_order_and_ends_are_named(self, store, tmp_path):
        for name in "bc":
            store.add(replace(sandbox(name), expires_at=50.0), CLOCK)
        for name in "cab":
            store.publish("token", name)
        store.publish("token", "c", behind=True)
        store.publish("mine", "a")
        store.unpublish("mine", "a")
        with closing(opened(crashed(store, tmp_path / "crash"))) as again:
            found = []
            while (owner := again.owner("token")) is not None:
                found.append(owner)
                again.withdraw(owner)
            assert found == ["b", "a", "c"]
            assert again.owner("mine") is None
            assert sorted(again.expired(50.0)) == ["b", "c"]

    def test_uploaded_files(self, store, tmp_path, monkeypatch):
        monkeypatch.setattr(sqlite, "PART_BYTES", 10)
        blobs = store.blobs
        for key, size in (("a/0", 0), ("a/9", 9), ("a/10", 10), ("a/25", 25), ("b/1", 1)):
            blobs.put(key, b"x" * size)
        blobs.put("a/25", b"yz" * 11)
        blobs.remove("a/9")
        with closing(opened(crashed(store, tmp_path / "1"))) as again:
            assert [again.blobs.get(f"a/{size}") for size in (0, 9, 10, 25)] == [b"", None, b"x" * 10, b"yz" * 11]
        blobs.drop("a/")
        with closing(opened(crashed(store, tmp_path / "2"))) as again:
            assert (again.blobs.get("a/25"), again.blobs.get("b/1")) == (None, b"x")

    def test_set_credentials(self, store, tmp_path):
        store.add(sandbox("b"), CLOCK)
        new = sandbox("a").credentials[0]._replace(key="new")
        store.set_credentials("a", [new])
        with pytest.raises(ValueError, match="another"):
            store.set_credentials("b", [new])
        with closing(opened(crashed(store, tmp_path / "crash"))) as again:
            assert again.find("crun", "key of a") is None
            assert again.find("crun", "new") == ("a", "secret of key of a", False)

    def test_leases_end_with_their_process(self, store, tmp_path):
        with store.open("a") as box:
            box.put_delivery(delivery(1, 0.0))
            box.claim_due(1.0, 1.0, 500.0, lambda _: True)
            box.add_task(task("t"))
        with closing(opened(crashed(store, tmp_path / "crash"))) as again, again.open("a") as box:
            (known,) = box.claim_due(1.0, 1.0, 500.0, lambda _: True)
            assert known.claim == 2


class TestCommits:
    def appended(self, store, monkeypatch) -> list[bytes]:
        found: list[bytes] = []
        log = store.open("a").log
        keep = log.append
        log.append = lambda number, body: (found.append(body), keep(number, body))  # type: ignore[func-returns-value]
        return found

    @pytest.mark.parametrize(
        ("move", "commits"),
        [
            (lambda box: box.task("t"), 0),
            (lambda box: box.record(exchange(1)), 0),
            (lambda box: box.record(exchange(1, method="POST", operation="query", provider="imgopen")), 0),
            (lambda box: box.record(exchange(1, method="POST")), 1),
            (lambda box: box.set_turns("f", Turns(1, 1)), 1),
            (lambda box: box.take_rate("r", 0.0, RateLimit(5, 1.0)), 1),
            (lambda box: box.take_rate("r", 0.0, RateLimit(0, 1.0)), 0),
            (lambda box: [box.schedule(1.0, "start", "known"), box.enter_next_phase(2.0)], 0),
            (lambda box: [box.add_task(task("t")), box.record(exchange(1, method="POST")), box.next_number("n")], 1),
            (lambda box: setattr(box, "clock", box.clock.moved(0.0, 1.0)), 1),
            (lambda box: setattr(box, "sandbox", replace(box.sandbox, scenario="slow")), 1),
        ],
    )
    def test_one_commit_at_most_and_only_for_what_has_weight(self, store, monkeypatch, move, commits):
        assert POLL == ("imgopen", "query")
        with store.open("a") as box:
            box.add_task(task("known"))
        found = self.appended(store, monkeypatch)
        with store.open("a") as box, box:
            move(box)
        assert len(found) == commits

    def test_what_has_no_weight_goes_with_the_next_commit_or_flush(self, store, tmp_path):
        box = store.open("a")
        with box:
            box.record(exchange(1))
        assert after_crash(store, tmp_path / "1")[0]["journal"] == []
        store.flush()
        assert len(after_crash(store, tmp_path / "2")[0]["journal"]) == 1
        with box:
            box.record(exchange(2))
        with box:
            box.add_task(task("t"))
        assert len(after_crash(store, tmp_path / "3")[0]["journal"]) == 2

    def test_what_was_not_committed_is_forgotten_when_the_log_is_read_again(self, store):
        """Kept, it would be applied after the log's content and once more by the work that is done again."""
        with store.open("a") as box:
            for name in ("one", "two", "three"):
                box.add_task(task(name))
                box.schedule(10.0, "end", name)
        with store.open("a") as box:
            assert next_phase(box, 10.0) == (10.0, "one", "succeeded")
        box.distrust()
        with store.open("a") as box:
            assert next_phase(box, 10.0) == (10.0, "one", "succeeded")
            box.add_alias("y", "one")
        box.distrust()
        with store.open("a") as box:
            assert next_phase(box, 10.0) == (10.0, "two", "succeeded")

    def test_what_the_store_interrupted_is_undone(self, store):
        """Half of a piece of work, such as a task's end without its callback, must not be committed with the next change."""
        with store.open("a") as box:
            box.add_task(task("one"))
            box.schedule(10.0, "end", "one")

        def interrupted() -> None:
            with store.open("a") as box, box:
                box.enter_next_phase(10.0)
                raise StoreError("the store cannot be reached", is_away=True)

        with pytest.raises(StoreError):
            interrupted()
        with store.open("a") as box:
            box.add_alias("y", "one")
            assert next_phase(box, 10.0) == (10.0, "one", "succeeded")

    def test_the_journal_says_that_a_crash_was_recovered(self, store, tmp_path):
        assert store.open("a").recovered is None
        folder = crashed(store, tmp_path / "crash")
        for _ in range(2):  # it says so after a clean restart, too
            with closing(opened(folder)) as again:
                assert again.open("a").recovered == 1000.0

    def changed(self, store) -> None:
        with store.open("a") as box:
            box.add_task(task("lost"))
            box.post(Entry(0.0, Move.RESERVE, 900))
            store.publish("late", "a")

    def test_a_commit_that_fails_is_undone(self, store, monkeypatch, tmp_path):
        box = store.open("a")
        do_everything(box)
        store.publish("token", "a")
        store.flush()
        before = held(store)
        with monkeypatch.context() as patched:
            patched.setattr(box.log, "append", failing)
            with pytest.raises(StoreError):
                self.changed(store)
        assert held(store) == before
        assert (store.owner("late"), store.owner("token")) == (None, "a")
        with box:
            box.add_task(task("kept"))
            assert box.balance(Account.AVAILABLE) == 995
        assert after_crash(store, tmp_path / "crash") == held(store)

    def test_a_sandbox_that_cannot_be_kept_is_not_made(self, store, monkeypatch):
        monkeypatch.setattr(store._file, "create", failing)
        with pytest.raises(StoreError):
            store.add(sandbox("b"), CLOCK)
        assert list(store.ids()) == ["a"]
        assert store.find("crun", "key of b") is None

    def test_many_batches_go_through_both_regions_into_the_database(self, store, tmp_path, monkeypatch):
        monkeypatch.setattr(sqlite_tail, "REGION_BYTES", 3000)
        monkeypatch.setattr(sqlite_log, "REGION_BYTES", 3000)
        box = store.open("a")
        for number in range(100):
            with box:
                box.add_task(task(f"t{number}", request=b"x" * (5000 if number % 10 == 0 else 400)))
            if number % 33 == 0:
                assert after_crash(store, tmp_path / f"crash{number}") == held(store)
        assert after_crash(store, tmp_path / "crash") == held(store)

    def test_chunks_are_removed_when_snapshots_cover_them(self, store, tmp_path, monkeypatch):
        monkeypatch.setattr(sqlite_tail, "REGION_BYTES", 3000)
        monkeypatch.setattr(sqlite, "CHUNKS_BYTES", 10_000)
        monkeypatch.setattr(sqlite, "CLEANING", 0)
        store.add(sandbox("idle"), CLOCK)
        store.stop_housekeeping()
        box = store.open("a")
        for number in range(200):
            with box:
                box.put_file(File("f", f"image/{number}", "x" * 400, 1.0, 2.0, "x1"))
            if number % 20 == 0:
                store.run_housekeeping()
        store.run_housekeeping()
        assert store._file.chunk_bytes < 20_000
        assert after_crash(store, tmp_path / "crash") == held(store)
        assert len(after_crash(store, tmp_path / "2", "idle")) == 3

    def test_a_snapshot_of_what_was_replaced_meanwhile_is_not_used(self, store, monkeypatch, tmp_path):
        box = store.open("a")
        do_everything(box)
        adopt, tidy = box.log.stage, box.log.tidy

        def replaced(pieces):
            found = adopt(pieces)
            monkeypatch.undo()
            with box:
                box.load(State(numbers={"n": 1}))
            return found

        monkeypatch.setattr(box.log, "stage", replaced)
        box.snapshot()
        assert box.log.tidy == tidy
        assert held(store)[0]["numbers"] == {"n": 1}
        assert after_crash(store, tmp_path / "crash") == held(store)


def failing(*_):
    raise StoreError("the disk is full")


def log_of(emu: Emulator) -> Any:
    box: Any = emu.system.engine.store.open("default")
    return box.log


class TestEmulator:
    """The emulator over this store, through HTTP where it matters."""

    def create(self, emu) -> dict:
        body = json.dumps({"image_url": "https://example.com/a.png"}).encode()
        headers = {**emu.default.headers("crun"), "content-type": "application/json"}
        asked = Request(f"{emu.url}/api/v1/client/job/detect-face-image", body, headers)
        try:
            with urlopen(asked, timeout=10) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            return json.loads(error.read())

    @pytest.mark.parametrize("durability", ["process", "power"])
    def test_it_goes_on_after_a_restart(self, durability, tmp_path):
        options: dict[str, Any] = {"store": f"sqlite:{tmp_path / 'store.db'}", "durability": durability}
        emu = Emulator(**options)
        found = []
        for run in range(3):
            with emu if run < 2 else Emulator(**options) as running:
                if not run:
                    running.sandbox(id="team", balance=5)
                found.append(self.create(running)["data"]["detect_task_id"])
                assert {task["id"] for task in running.default.tasks()} == set(found)
                assert running.get("team").balance() == 5
        assert len(set(found)) == 3

    def test_an_answer_is_the_vendors_error_if_it_cannot_be_kept(self, tmp_path):
        with Emulator(store=f"sqlite:{tmp_path / 'store.db'}") as emu:
            log = log_of(emu)
            keep, log.append = log.append, failing
            assert self.create(emu) == {
                "code": 500,
                "message": "Server error",
                "data": None,
            }
            with pytest.raises(AdminError) as refused:
                emu.default.grant(5)
            assert (refused.value.status, refused.value.problem["status"]) == (503, 503)
            log.append = keep
            assert emu.default.balance() == 1000
            assert emu.default.tasks() == []
            assert self.create(emu)["code"] == 200

    def test_a_store_that_is_in_use_is_one_line(self, tmp_path):
        options: dict[str, Any] = {"store": f"sqlite:{tmp_path / 'store.db'}"}
        with Emulator(**options), pytest.raises(SettingError, match="another process has this store open"):
            Emulator(**options)

    def test_given_credentials_replace_stored_ones_and_variants_are_completed(self, tmp_path):
        options: dict[str, Any] = {"store": f"sqlite:{tmp_path / 'store.db'}"}
        with Emulator(**options) as emu:
            box = emu.system.engine.store.open("default")
            with box:
                box.sandbox = replace(box.sandbox, variants={})
        with Emulator(**options, credential=["crun=my-own-key-1"]) as emu:
            assert emu.default.headers("crun") == {"x-api-key": "my-own-key-1"}
            assert self.create(emu)["code"] == 200

    def test_the_same_moves_give_the_same_bytes_on_each_store(self, tmp_path):
        found = []
        for store in ("memory", f"sqlite:{tmp_path / 'store.db'}"):
            with Emulator(store=store, public_url="http://emulator.example") as emu:
                from tests.stores.test_stored_log import fill  # late: that module uses this one

                fill(emu)
                document = emu.get("kept").snapshot()
                for record in document["state"]["journal"]:
                    record.pop("headers", None)
                found.append(json.dumps(document))
        assert found[0] == found[1]
