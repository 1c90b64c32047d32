"""What every body of the Store port does. `BODIES` names them; each test runs over all."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from swapmock.mock_server.core.clock import ClockMode, SandboxClock
from swapmock.mock_server.core.delivery import Delivery, DeliveryState
from swapmock.mock_server.core.faults import Effect, FaultRule, Turns
from swapmock.mock_server.core.journal import Exchange, File, Transition
from swapmock.mock_server.core.ledger import Account, Entry, Move, NotCovered
from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.sandbox import Credential, RateLimit, Sandbox
from swapmock.mock_server.core.state import State
from swapmock.mock_server.core.task import Failure, Task
from swapmock.mock_server.stores.box import UNWATCHED, Held
from swapmock.mock_server.stores.journal import RECORD_BYTES
from tests.stores.bodies import BODIES, JOURNAL_BYTES


@pytest.fixture(params=BODIES)
def store(request, tmp_path) -> Iterator[Store]:
    made = BODIES[request.param](tmp_path, UNWATCHED)
    yield made
    made.close()


def sandbox(name, *keys):
    credentials = tuple(Credential("crun", key, f"secret of {key}") for key in keys or (f"key of {name}",))
    return Sandbox(id=name, seed=1, credentials=credentials, variants={}, grant=0, created_at=0.0)


def exchange(number, **more):
    usual: dict[str, Any] = {
        "provider": "crun",
        "operation": "o",
        "method": "GET",
        "target": "/",
        "headers": {},
        "body": b"",
    }
    return Exchange(f"x{number}", 0.0, **{**usual, **more})


CLOCK = SandboxClock.make(ClockMode.FROZEN, 0.0)


@pytest.fixture
def box(store):
    store.add(sandbox("a"), CLOCK)
    return store.open("a")


def task(name, **more):
    given: dict[str, Any] = {"kind": "task", "provider": "crun", "operation": "o", "model": "m", "request": b"{}"}
    return Task(**{"id": name, **given, "created_at": 0.0, "starts_at": 1.0, "ends_at": 2.0, **more})


def next_phase(box, now):
    """What `enter_next_phase` returns, in short: when, which task, and its phase."""
    found = box.enter_next_phase(now)
    return found and (found[1].at, found[0].id, str(found[1].after))


def delivery(number, next_due, host="h:80", **more):
    given: dict[str, Any] = {
        "task": "t",
        "provider": "crun",
        "operation": "o",
        "event": "succeeded",
        "url": "http://h/",
        "body": b"{}",
    }
    given |= {"created_at": 0.0, "waits": (1.0,), "cause": "x1"}
    return Delivery(id=f"d{number}", number=number, host=host, next_due=next_due, **(given | more))


class TestSandboxes:
    def test_found_by_id_and_by_key(self, store):
        store.add(sandbox("a", "k1", "k2"), CLOCK)
        assert store.open("a").sandbox.id == "a"
        assert store.find("crun", "k2") == ("a", "secret of k2", False)
        assert store.find("imgopen", "k2") is None
        assert list(store.ids()) == ["a"]
        with pytest.raises(KeyError):
            store.open("b")

    @pytest.mark.parametrize("other", [sandbox("a", "new"), sandbox("b", "new", "k1")])
    def test_ids_and_keys_are_taken_once(self, store, other):
        store.add(sandbox("a", "k1"), CLOCK)
        with pytest.raises(ValueError, match="exist"):
            store.add(other, CLOCK)
        assert store.find("crun", "new") is None
        assert list(store.ids()) == ["a"]

    def test_dropped(self, store):
        store.add(sandbox("a", "k1"), CLOCK)
        store.publish("token", "a")
        assert store.drop("a") is True
        assert store.drop("a") is False
        assert store.find("crun", "k1") is None
        assert store.owner("token") is None
        store.publish("token", "a")
        store.withdraw("a")
        assert store.owner("token") is None
        store.add(sandbox("a", "k1"), CLOCK)

    def test_many_drop_one(self, store):
        store.add(sandbox("a"), CLOCK)
        with ThreadPoolExecutor(16) as pool:
            assert sorted(pool.map(lambda _: store.drop("a"), range(16))) == [False] * 15 + [True]

    def test_each_end_is_named_once(self, store):
        for name, end in (("a", 5.0), ("b", 3.0), ("c", 9.0)):
            store.add(sandbox(name), CLOCK)
            store.expire(name, end)
        assert list(store.expired(2.9)) == []
        assert list(store.expired(5.0)) == ["b", "a"]
        assert list(store.expired(5.0)) == []
        assert list(store.expired(100.0)) == ["c"]

    def test_an_end_takes_the_place_of_the_one_before(self, store):
        for name in "ab":
            store.add(sandbox(name), CLOCK)
        for end in range(1000, 0, -1):
            store.expire("a", float(end))
        store.expire("b", 3.0)
        store.expire("b", 2000.0)
        store.expire("nobody", 1.0)
        assert list(store.expired(1.0)) == ["a"]
        store.drop("b")
        assert list(store.expired(9999.0)) == []


class TestTokens:
    def test_one_is_taken_back(self, store):
        for name in "ab":
            store.add(sandbox(name), CLOCK)
            for token in ("one", "other"):
                store.publish(token, name)
        store.unpublish("one", "b")
        store.unpublish("one", "b")
        store.unpublish("one", "nobody")
        assert (store.owner("one"), store.owner("other")) == ("a", "b")
        store.unpublish("one", "a")
        assert store.owner("one") is None
        store.drop("a")
        store.drop("b")

    def test_the_last_one_to_publish_has_it_and_the_others_after_it(self, store):
        for name in "abc":
            store.add(sandbox(name), CLOCK)
            store.publish("token", name)
        assert store.owner("token") == "c"
        store.publish("token", "a")
        assert store.owner("token") == "a"
        store.drop("a")
        assert store.owner("token") == "c"
        store.withdraw("c")
        assert store.owner("token") == "b"
        store.drop("b")
        assert store.owner("token") is None

    def test_only_a_free_one_is_claimed(self, store):
        for name in "ab":
            store.add(sandbox(name), CLOCK)
        assert [store.claim("token", name) for name in "aba"] == [True, False, False]
        assert store.owner("token") == "a"
        store.drop("a")
        assert store.claim("token", "b")
        assert store.owner("token") == "b"

    def test_while_others_publish(self, store):
        for number in range(20):
            store.add(sandbox(f"s{number}"), CLOCK)

        def work(number):
            for token in range(50):
                store.publish(f"t{token}", f"s{number}")
                store.owner(f"t{token}")
            store.drop(f"s{number}")

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(work, range(20)))
        assert [store.owner(f"t{token}") for token in range(50)] == [None] * 50


class TestBox:
    def test_numbers(self, box):
        with box:
            assert [box.next_number("a"), box.next_number("a"), box.next_number("b")] == [1, 2, 1]

    def test_numbers_are_given_out_once(self, store, box):
        def take(_):
            with store.open("a") as mine:
                return mine.next_number("n")

        with ThreadPoolExecutor(16) as pool:
            assert sorted(pool.map(take, range(200))) == list(range(1, 201))

    def test_tasks(self, box):
        with box:
            box.add_task(task("t1"))
            box.add_task(task("t2"))
            box.add_alias("other", "t1")
            assert box.task("t1") == box.task("other") == task("t1")
            assert box.task("nobody") is None
            assert [one.id for one in box.tasks()] == ["t1", "t2"]
            assert box.tasks_held() == (2, 2 * len(task("t1").request))
            box.load(box.state())
            assert box.tasks_held() == (2, 2 * len(task("t1").request))

    def test_work_comes_in_the_order_of_its_times(self, box):
        with box:
            for at, subject in ((3.0, "c"), (1.0, "a"), (2.0, "b"), (1.0, "a2"), (1.5, "nobody")):
                box.schedule(at, "start", subject)
            for name, ends_at in (("a", 1.2), ("b", None), ("c", 4.0), ("a2", 9.0)):
                box.add_task(task(name, ends_at=ends_at, failure=Failure(500, "no") if name == "a" else None))
            assert box.next_due() == 1.0
            assert next_phase(box, 0.5) is None
            entered = [next_phase(box, 2.0) for _ in range(5)]
            assert entered == [
                (1.0, "a", "running"), (1.0, "a2", "running"), (1.2, "a", "failed"), (2.0, "b", "running"), None,
            ]  # fmt: skip
            assert [(row.task, row.before, row.after) for row in box.records()][::2] == [
                ("a", "queued", "running"), ("a", "running", "failed"),
            ]  # fmt: skip
            assert box.next_due() == 3.0
            phases = box.tasks_by_phase()
            assert [phases["crun", "task", name] for name in ("queued", "running", "succeeded", "failed")] == [
                1,
                2,
                0,
                1,
            ]

    def test_a_replaced_task_keeps_its_place_and_its_work_is_dropped(self, box):
        with box:
            for name in ("t1", "t2", "t3"):
                box.add_task(task(name))
            box.schedule(1.0, "start", "t1")
            box.schedule(2.0, "start", "t2")
            held = box.tasks_held()
            box.replace_task(replace(task("t1"), ends_at=0.5), is_scheduled=True)
            box.replace_task(replace(task("t3"), ends_at=0.5), is_scheduled=False)
            for _ in range(2):
                assert [(one.id, one.ends_at) for one in box.tasks()][::2] == [("t1", 0.5), ("t3", 0.5)]
                assert (box.tasks_held(), box.counts()["due"], box.next_due()) == (held, 1, 2.0)
                box.load(box.state())
            assert [next_phase(box, 9.0) for _ in range(3)] == [(2.0, "t2", "running"), (2.0, "t2", "succeeded"), None]

    def test_news_are_deliveries_and_work_on_tasks_with_callbacks(self, box):
        def work(at):
            box.schedule(at, "start", "quiet")
            box.schedule(at + 0.5, "end", "telling")

        with box:
            box.add_task(task("quiet", ends_at=None))
            box.add_task(replace(task("telling"), callback_url="http://127.0.0.1:9/cb"))
            box.schedule(1.0, "start", "quiet")
            assert (box.next_due(), box.next_callback_work()) == (1.0, None)
            work(2.0)
            work(4.0)
            assert (box.next_due(), box.next_callback_work()) == (1.0, 2.5)
            box.load(box.state())
            assert box.next_callback_work() == 2.5
            while box.enter_next_phase(2.5):
                pass
            assert box.next_callback_work() == 4.5
            box.put_delivery(delivery(1, 3.0))
            assert box.next_callback_work() == 3.0
            assert box.claim_due(3.0, 0.0, 100.0, lambda _: True)
            while box.enter_next_phase(9.0):
                pass
            assert box.next_callback_work() is None

    def test_the_ledger(self, box):
        with box:
            box.post(Entry(0.0, Move.GRANT, 10))
            box.post(Entry(0.0, Move.RESERVE, 4, "t"))
            with pytest.raises(NotCovered):
                box.post(Entry(0.0, Move.RESERVE, 7, "u"))
            assert box.balance(Account.AVAILABLE) == 6
            assert [entry.move for entry in box.entries()] == [Move.GRANT, Move.RESERVE]

    def test_the_last_credits_are_given_once(self, store, box):
        with box:
            box.post(Entry(0.0, Move.GRANT, 100))

        def reserve(number):
            with store.open("a") as mine:
                try:
                    mine.post(Entry(0.0, Move.RESERVE, 15, str(number)))
                except NotCovered:
                    return False
            return True

        with ThreadPoolExecutor(32) as pool:
            assert sum(pool.map(reserve, range(32))) == 6
        assert box.balance(Account.AVAILABLE) == 10

    def test_rates(self, box):
        limit = RateLimit(2, 10.0)
        with box:
            assert [box.take_rate("r", at, limit) for at in (0.0, 1.0, 2.0)] == [0.0, 0.0, 8.0]
            assert box.take_rate("other", 2.0, limit) == 0.0
            assert box.take_rate("r", 9.5, limit) == 0.5
            assert box.take_rate("r", 10.0, limit) == 0.0
            assert box.take_rate("r", 10.0, limit) == 1.0
            assert box.take_rate("none", 0.0, RateLimit(0, 5.0)) == 5.0

    def test_a_rate_lets_no_call_slip_through_between_two_floats(self, box):
        limit = RateLimit(1, 0.1)
        with box:
            assert box.take_rate("r", 1767225600.3, limit) == 0.0
            at = 1767225600.3
            while (wait := box.take_rate("r", at, limit)) > 0.0:
                at += wait / 2 if wait > 1e-6 else wait
            assert at >= 1767225600.3 + 0.1

    def test_the_journal_is_bounded(self, box):
        with box:
            for number in range(8):
                box.record(Transition(float(number), "t", "a", "b", "x1"))
            assert [record.at for record in box.records()] == [3.0, 4.0, 5.0, 6.0, 7.0]
            assert box.dropped() == 3
            assert box.forget_records() == 5
            assert (box.records(), box.dropped()) == ((), 0)

    def test_faults_keep_their_order(self, box):
        with box:
            for name in ("b", "a"):
                box.put_fault(FaultRule(name, Effect(code=500)))
            box.set_turns("a", Turns(2, 1))
            assert [rule.id for rule in box.faults()] == ["b", "a"]
            assert (box.turns("a"), box.turns("b")) == (Turns(2, 1), Turns())
            assert [box.drop_fault("a"), box.drop_fault("a")] == [True, False]
            box.put_fault(FaultRule("a", Effect(code=500)))
            assert box.turns("a") == Turns()

    def test_the_queue(self, box):
        with box:
            for number in range(3):
                box.enqueue(Queued(f"q{number}", "fails"))
            assert [box.dequeue("q1"), box.dequeue("q1")] == [True, False]
            assert [item.id for item in box.queue()] == ["q0", "q2"]
            box.enqueue(Queued("q3", "slow", kind="task"))
            assert box.first_queued("crun", "task", "o", "m") == Queued("q0", "fails")
            for name in ("q0", "q2"):
                box.dequeue(name)
            assert box.first_queued("crun", "task", "o", "m") == Queued("q3", "slow", kind="task")
            assert box.first_queued("crun", "detection", "o", "m") is None

    def test_files(self, box):
        file = File("n", "image/png", "s", 1.0, 2.0, "x1")
        with box:
            box.put_file(file)
            assert box.file("n") == file
            assert box.file("m") is None

    def test_files_are_counted_and_forgotten_at_their_end(self, box):
        empty, full = (File(name, "image/png", "s", 1.0, 2.0, "x1") for name in ("empty", "full"))
        with box:
            for file in (empty, full, replace(full, size=7), replace(full, size=5)):
                box.put_file(file)
            assert box.files_held() == (2, 5)
            assert list(box.forget_files(0.9)) == []
            box.load(box.state())
            assert box.files_held() == (2, 5)
            assert list(box.forget_files(1.0)) == ["empty"]
            assert (box.file("empty"), box.files_held()) == (None, (1, 5))
            assert list(box.forget_files(9.0)) == ["full"]
            assert box.files_held() == (0, 0)

    def test_deliveries_are_claimed_once(self, store, box):
        with box:
            for number in range(20):
                box.put_delivery(delivery(number, float(number)))

        def claim(_):
            with store.open("a") as mine:
                return [one.id for one in mine.claim_due(9.0, 100.0, 200.0, lambda _: True)]

        with ThreadPoolExecutor(8) as pool:
            claimed = [name for names in pool.map(claim, range(8)) for name in names]
        assert sorted(claimed) == sorted(f"d{number}" for number in range(10))
        with box:
            assert box.next_delivery() == 10.0
            assert box.claim("d0", 150.0, 250.0) is None, "somebody holds it"
            assert box.claim("d0", 200.0, 250.0) is not None, "they held it for too long"
            assert box.claim("d15", 200.0, 250.0) is not None, "not due, but asked for"

    def test_all_of_it_can_be_put_aside_and_taken_up(self, store, box):
        with box:
            box.add_task(task("t1"))
            box.add_alias("other", "t1")
            box.schedule(1.0, "start", "t1")
            box.post(Entry(0.0, Move.GRANT, 10))
            box.take_rate("r", 0.0, RateLimit(2, 10.0))
            box.record(Transition(0.0, "t1", "queued", "running", "x1"))
            box.put_file(File("n", "image/png", "s", 1.0, 2.0, "x1"))
            box.put_fault(FaultRule("f", Effect(code=500)))
            box.set_turns("f", Turns(1, 1))
            box.enqueue(Queued("q", "fails"))
            box.put_delivery(delivery(1, 5.0))
            box.put_delivery(delivery(2, None, state=DeliveryState.DEAD))
            saved = box.state()
            held = {
                "exchanges": 0,
                "tasks": 1,
                "journal": 1,
                "ledger": 1,
                "faults": 1,
                "queue": 1,
                "files": 1,
                "due": 1,
                "deliveries": 2,
            }
            assert box.counts() == held
            box.load(State())
            assert box.state() == State()
            assert box.counts() == dict.fromkeys(held, 0)
            assert box.balance(Account.AVAILABLE) == 0
            assert box.next_due() is None
            box.load(saved)
            assert box.state() == saved
            assert box.balance(Account.AVAILABLE) == 10
            assert box.next_due() == 1.0
            assert box.take_rate("r", 0.0, RateLimit(2, 10.0)) == 0.0
            assert box.take_rate("r", 0.0, RateLimit(2, 10.0)) == 10.0

    def test_what_was_copied_is_no_longer_changed_before_its_state_is_made(self, box):
        with box:
            for name, at in (("t1", 3.0), ("t2", 2.0)):
                box.add_task(task(name))
                box.schedule(at, "start", name)
            finish = box.copy()
            before = box.state()
            box.add_task(task("t3"))
            box.enter_next_phase(5.0)
            box.record(exchange(1))
        state = finish()
        assert state == before
        assert [due.subject for due in state.due] == ["t2", "t1"]

    def test_what_was_prepared_is_held_from_the_change_on(self, box):
        with box:
            box.add_task(task("t1"))
            saved = box.state()
            box.add_task(task("t2"))
        change = box.loader(saved)
        with box:
            assert [each.id for each in box.tasks()] == ["t1", "t2"]
            change()
            assert box.state() == saved
            box.add_task(task("t3"))
            assert saved.tasks.keys() == {"t1"}

    def test_the_journal_is_bounded_in_bytes(self, box):
        least = RECORD_BYTES + len(exchange(0).target) + len(exchange(0).answer)
        room = JOURNAL_BYTES - 3 * least
        with box:
            for number, size in enumerate((room - 1, 0, 0, 1)):
                box.record(exchange(number, body=b"x" * size))
            assert [record.id for record in box.records()] == ["x1", "x2", "x3"]  # one byte would be too much
            for number, size in enumerate((room, 0, 0)):
                box.record(exchange(number, body=b"x" * size))
            assert [record.id for record in box.records()] == ["x0", "x1", "x2"]  # exactly what fits
            assert (box.dropped(), box.counts()["exchanges"]) == (4, 3)
            box.record(exchange(9, answer=b"x" * JOURNAL_BYTES))
            assert (list(box.records()), box.dropped(), box.counts()["exchanges"]) == ([], 8, 0)
            box.record(Transition(0.0, "t", "queued", "running", "x1"))
            assert (box.counts()["journal"], box.counts()["exchanges"]) == (1, 0)
            assert box.forget_records() == 1
            assert (box.dropped(), box.counts()["journal"]) == (0, 0)

    def test_a_state_that_was_put_aside_is_no_longer_changed(self, box):
        with box:
            saved = box.state()
            box.add_task(task("t1"))
            box.schedule(1.0, "start", "t1")
            box.next_number("n")
            assert saved == State()


@pytest.mark.parametrize("body", BODIES)
def test_how_long_a_sandbox_was_held_is_told(body, tmp_path):
    now, told = [0.0], []
    store = BODIES[body](tmp_path, Held(lambda: now[0], lambda *what: told.append(what)))
    store.add(sandbox("s"), CLOCK)
    with store.open("s") as box:
        now[0] += 0.5
        with box:
            now[0] += 0.25
    with store.open("s"):
        now[0] += 0.0005
    store.close()
    assert told == [("s", 0.75)]
