"""What the Redis store promises beyond the port: several processes, leases, a server that goes away and comes back."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from threading import Event

import pytest

from swapmock.mock_server.core.ledger import Account, Entry, Move
from swapmock.mock_server.core.placement import HeldElsewhere, Peer
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.stores import redis_blobs
from swapmock.mock_server.stores.logged import Fenced
from swapmock.mock_server.stores.redis import RedisStore
from swapmock.mock_server.stores.redis_blobs import RedisBlobs
from swapmock.mock_server.stores.redis_log import key_of
from swapmock.mock_server.stores.redis_server import RedisServer
from tests.stores.bodies import redis_store
from tests.stores.test_sqlite import do_everything, held
from tests.stores.test_store import CLOCK, delivery, exchange, sandbox, task

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture
def one() -> Iterator[RedisStore]:
    with closing(redis_store(size=100)) as store:
        store.add(sandbox("a"), CLOCK, [Entry(0.0, Move.GRANT, 1000)])
        yield store


@pytest.fixture
def two(one) -> Iterator[RedisStore]:
    with closing(redis_store(name="two", keep=True, size=100)) as store:
        yield store


def dies(store: RedisStore) -> None:
    """The process of a store ends without a word, and its lease runs out."""
    store.stop_housekeeping()
    store._stopping.set()
    store._renewer.join()
    store._lease_until = float("-inf")
    store.server.call(lambda client: client.delete(store._process_key(store.identity.name)))
    store._renew = lambda: None  # type: ignore[method-assign]


def until(holds) -> None:
    for _ in range(200):
        if holds():
            return
        Event().wait(0.05)
    raise AssertionError("it did not happen")


class TestProcesses:
    def test_a_sandbox_is_held_by_one_process(self, one, two):
        with pytest.raises(HeldElsewhere) as elsewhere:
            two.open("a")
        assert elsewhere.value.peer == Peer("one", "http://one")
        assert two.holder("a") == Peer("one", "http://one")
        assert one.holder("a") is None
        assert two.holder("nobody") is None
        assert (two.peers(), one.peers()) == ([Peer("one", "http://one")], [Peer("two", "http://two")])
        assert one.secret == two.secret
        assert two.find("crun", "key of a") == ("a", "secret of key of a", False)
        assert list(two.ids()) == ["a"]
        assert two.sandbox_of("a") == one.open("a").sandbox

    @pytest.mark.parametrize("end", ["close", "death"])
    def test_another_process_takes_it_over_with_everything(self, one, two, end):
        do_everything(one.open("a"))
        one.publish("token", "a")
        before = held(one)
        one.close() if end == "close" else dies(one)
        assert held(two) == before
        assert two.owner("token") == "a"
        assert two.open("a").recovered == (None if end == "close" else 1000.0)

    def test_what_the_old_holder_commits_is_refused(self, one, two):
        box = one.open("a")
        dies(one)
        with two.open("a") as taken:
            taken.add_task(task("new"))
        with pytest.raises(Fenced), box:
            box.add_task(task("old"))
        one._lease_until = float("inf")
        with pytest.raises(HeldElsewhere):
            one.open("a")
        assert [each.id for each in two.open("a").tasks()] == ["new"]

    def test_a_process_that_was_paused_reads_again(self, one, two):
        one.open("a")
        one._lease_until = float("-inf")
        one._renew()
        box = one.open("a")
        with box:
            box.add_task(task("t"))
        assert box.task("t") is not None

    def test_ids_and_keys_are_taken_once(self, one, two):
        for other in (sandbox("a", "new"), sandbox("b", "new", "key of a")):
            with pytest.raises(ValueError, match="exist"):
                two.add(other, CLOCK)
            assert two.find("crun", "new") is None
        two.add(sandbox("b", "new"), CLOCK)
        assert list(one.ids()) == ["a", "b"]

    def test_a_name_is_claimed_once(self, one, two):
        two.add(sandbox("b"), CLOCK)
        assert one.claim("file", "a")
        assert not two.claim("file", "b")
        assert two.owner("file") == "a"
        one.unpublish("file", "a")
        assert two.claim("file", "b")

    def test_a_dropped_sandbox_leaves_nothing(self, one, two):
        box = one.open("a")
        do_everything(box)
        box.snapshot()
        one.publish("token", "a")
        RedisBlobs(one.server).put("a/f", b"x")
        assert one.drop("a")
        assert two.find("crun", "key of a") is None
        assert two.owner("token") is None
        with pytest.raises(KeyError):
            two.open("a")
        left = {key.decode() for key in one.server.call(lambda client: client.keys("*"))}
        assert left == {f"swapmock:{name}" for name in ("format", "secret", "process:one", "process:two")}

    def test_keys_end_with_their_sandbox(self, one):
        one.add(replace(sandbox("b"), expires_at=5000.0), CLOCK)
        with one.open("b") as box:
            box.add_task(task("t"))
        ends = [
            one.server.call(lambda client, part=part: client.pexpiretime(key_of("b", part))) for part in ("meta", "log")
        ]
        assert ends == [5060_000] * 2 or ends == [-2, -2]


class TestLogs:
    def test_a_snapshot_holds_the_same_as_the_log(self, one, two):
        box = one.open("a")
        do_everything(box)
        before = held(one)
        box.snapshot()
        with box:
            box.next_number("after")
            box.add_task(task("after"))
        now = held(one)
        assert now != before
        one.close()
        assert held(two) == now

    def test_one_call_commits_a_request(self, one):
        calls: list[object] = []
        run = one.server.run

        def counted(*arguments):
            calls.append(arguments)
            return run(*arguments)

        one.server.run = counted
        with one.open("a") as box:
            box.next_number("exchange")
            box.add_task(task("t"))
            box.post(Entry(0.0, Move.RESERVE, 5, "t"))
            box.record(exchange(1, method="POST"))
        with one.open("a") as box:
            box.record(exchange(2))
        assert len(calls) == 1

    def test_files_of_every_size(self, one, tmp_path, monkeypatch):
        monkeypatch.setattr(redis_blobs, "MOST_FILE_BYTES", 10)
        alone, shared = RedisBlobs(one.server), RedisBlobs(one.server, module_blobs(tmp_path))
        with pytest.raises(OSError, match="--data-dir"):
            alone.put("a/f", b"x" * 11)
        for size in (10, 11, 0):
            shared.put("a/f", b"x" * size)
            assert shared.get("a/f") == b"x" * size
        shared.put("a/g", b"x" * 11)
        shared.remove("a/f")
        assert (shared.get("a/f"), shared.get("a/g")) == (None, b"x" * 11)
        shared.drop("a/")
        assert shared.get("a/g") is None


def reserve(box) -> None:
    with box:
        box.add_task(task("t"))
        box.post(Entry(0.0, Move.RESERVE, 5, "t"))


def module_blobs(folder):
    from swapmock.mock_server.adapters.blobs import LastingBlobs

    return LastingBlobs(folder)


class TestAbsence:
    def test_away_and_back(self, one, redis_server):
        do_everything(one.open("a"))
        one.flush()
        before = held(one)
        redis_server.kill()
        until(lambda: one.server.is_away)
        with pytest.raises(StoreError) as away:
            one.open("a")
        assert away.value.is_away
        redis_server.start()
        until(lambda: not one.server.is_away)
        assert held(one) == before

    def test_a_commit_without_an_answer_has_one_truth_afterwards(self, one, two, redis_server):
        box = one.open("a")
        redis_server.pause()
        with pytest.raises(StoreError) as unknown:
            reserve(box)
        assert not unknown.value.is_away
        with pytest.raises(StoreError) as away:
            one.open("a")
        assert away.value.is_away
        redis_server.go_on()
        until(lambda: not one.server.is_away)
        with one.open("a") as box:
            is_there, left = box.task("t") is not None, box.balance(Account.AVAILABLE)
        assert (is_there, left) in ((True, 995), (False, 1000))
        one.close()
        with two.open("a") as box:
            assert (box.task("t") is not None, box.balance(Account.AVAILABLE)) == (is_there, left)

    def test_what_redis_has_lost_is_forgotten_by_the_process_too(self, one):
        """A replica that took over, or a Redis without `appendfsync always`, may not have the newest commits."""
        for name in ("t1", "t2"):
            with one.open("a") as box:
                box.add_task(task(name))
        one.server.call(lambda client: client.rpop(key_of("a", "log")))
        one.server._note_absence(ConnectionError("it went away"))
        until(lambda: not one.server.is_away)
        with one.open("a") as box:
            assert [each.id for each in box.tasks()] == ["t1"]
            box.add_task(task("t3"))
        with one.open("a") as box:
            box.reload()
            assert sorted(each.id for each in box.tasks()) == ["t1", "t3"]

    def test_after_an_absence_without_a_loss_nothing_is_read_again(self, one):
        with one.open("a") as box:
            box.add_task(task("t1"))
        box.snapshot()
        kept = box.task("t1")
        one.server._note_absence(ConnectionError("it went away"))
        until(lambda: not one.server.is_away)
        with one.open("a") as box:
            assert box.task("t1") is kept

    def test_of_two_processes_with_one_number_that_one_holds_it_whose_name_is_there(self, one):
        """A replica that took over may have lost that a process took a sandbox; the next one then gets the same number."""
        box = one.open("a")
        one.server.call(lambda client: client.hset(key_of("a", "meta"), "holder", "two"))
        box.distrust()
        with pytest.raises(Fenced), box:
            pass
        assert box.is_lost

    def test_no_redis(self, one):
        with pytest.raises(StoreError) as refused:
            RedisServer("redis://user:hidden@127.0.0.1:1")
        assert "hidden" not in str(refused.value)

    def test_a_newer_format_is_refused(self, one):
        one.server.call(lambda client: client.set("swapmock:format", 99))
        with pytest.raises(StoreError, match="format 99"):
            redis_store(name="three", keep=True)


def test_leases_of_deliveries_end_with_their_process(one, two):
    with one.open("a") as box:
        box.put_delivery(delivery(1, 0.0))
        box.claim_due(1.0, 1.0, 500.0, lambda _: True)
        box.add_task(task("t"))
    dies(one)
    with two.open("a") as box:
        assert [known.id for known in box.claim_due(1.0, 1.0, 500.0, lambda _: True)] == ["d1"]
