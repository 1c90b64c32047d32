"""What every body of the Store port must do; BODIES names them."""

from dataclasses import replace
from threading import Thread

import pytest

from mock_server.core.clock import ClockMode, SandboxClock
from mock_server.core.journal import File, Transition
from mock_server.core.ledger import Account, Entry, Move, NotCovered
from mock_server.core.sandbox import Credential, RateLimit, Sandbox
from mock_server.core.task import Task
from mock_server.stores.memory import MemoryStore

BODIES = {"memory": lambda: MemoryStore(journal_size=5)}
START = 1000.0
CLOCK = SandboxClock.make(ClockMode.REAL, START)


def sandbox(name, *keys):
    credentials = tuple(Credential("crun", key) for key in keys)
    return Sandbox(id=name, seed=0, credentials=credentials, variants={}, grant=0, created_at=START)


TASK = Task(
    id="t",
    kind="task",
    provider="crun",
    operation="create_task",
    model="z-image",
    request=b"{}",
    created_at=START,
    starts_at=START + 1,
    ends_at=START + 2,
)


@pytest.fixture(params=BODIES)
def store(request):
    made = BODIES[request.param]()
    made.add(sandbox("one", "a", "b"), CLOCK)
    made.add(sandbox("two", "c"), CLOCK)
    return made


class TestStore:
    def test_a_sandbox_is_found_by_its_keys(self, store):
        assert [store.find("crun", key) for key in "abc"] == [
            ("one", "", False),
            ("one", "", False),
            ("two", "", False),
        ]
        assert store.find("crun", "d") is None
        assert store.find("imgopen", "a") is None
        assert set(store.ids()) == {"one", "two"}
        with store.open("one") as box:
            assert (box.sandbox.id, box.clock) == ("one", CLOCK)
        with pytest.raises(KeyError):
            store.open("three")

    @pytest.mark.parametrize("taken", [sandbox("one", "d"), sandbox("three", "d", "a")])
    def test_ids_and_keys_are_given_once(self, store, taken):
        with pytest.raises(ValueError, match="exist already"):
            store.add(taken, CLOCK)
        assert store.find("crun", "d") is None
        assert set(store.ids()) == {"one", "two"}

    def test_a_dropped_sandbox_leaves_nothing(self, store):
        store.publish("token", "one")
        assert store.drop("one") is True
        assert store.drop("one") is False
        assert (store.find("crun", "a"), store.find("crun", "b"), store.owner("token")) == (None, None, None)
        store.publish("token", "one")
        assert store.owner("token") is None
        store.add(sandbox("one", "a"), CLOCK)
        with store.open("one") as box:
            assert box.task_count() == 0

    def test_a_token_leads_to_the_last_that_published_it(self, store):
        assert store.owner("token") is None
        store.publish("token", "one")
        store.publish("token", "two")
        assert store.owner("token") == "two"
        store.publish("token", "one")
        assert store.owner("token") == "one"
        store.withdraw("one")
        assert store.owner("token") == "two"

    def test_a_noted_end_comes_once(self, store):
        store.expire("one", 10.0)
        store.expire("two", 20.0)
        assert list(store.expired(9.9)) == []
        assert list(store.expired(10.0)) == ["one"]
        assert list(store.expired(10.0)) == []
        assert list(store.expired(99.0)) == ["two"]


class TestBox:
    def test_numbers_count_from_one_for_each_sequence(self, store):
        with store.open("one") as one, store.open("two") as two:
            assert [one.next_number("x"), one.next_number("x"), one.next_number("y"), two.next_number("x")] == [
                1,
                2,
                1,
                1,
            ]

    def test_a_task_is_found_by_id_and_alias(self, store):
        with store.open("one") as box:
            box.add_task(TASK)
            box.add_task(replace(TASK, id="u"))
            box.add_alias("alias", "u")
            assert (box.task("t"), box.task("alias"), box.task("nothing")) == (TASK, replace(TASK, id="u"), None)
            assert [task.id for task in box.tasks()] == ["t", "u"]
            assert box.task_count() == 2
        with store.open("two") as box:
            assert box.task("t") is None

    def test_work_falls_due_in_its_order(self, store):
        with store.open("one") as box:
            assert box.next_due() is None
            for at, subject in ((5.0, "late"), (3.0, "first"), (3.0, "second"), (4.0, "third")):
                box.schedule(at, "start", subject)
            assert box.next_due() == 3.0
            assert box.take_due(2.9) is None
            taken = [due.subject for due in iter(lambda: box.take_due(4.0), None)]
            assert taken == ["first", "second", "third"]
            assert box.next_due() == 5.0

    def test_money_moves_or_nothing_does(self, store):
        with store.open("one") as box:
            box.post(Entry(1.0, Move.GRANT, 5000))
            box.post(Entry(2.0, Move.RESERVE, 3000, "t"))
            with pytest.raises(NotCovered):
                box.post(Entry(3.0, Move.RESERVE, 3000, "u"))
            assert [box.balance(account) for account in Account] == [-5000, 2000, 3000, 0]
            assert [entry.move for entry in box.entries()] == [Move.GRANT, Move.RESERVE]

    def test_a_rate_limit_slides(self, store):
        limit = RateLimit(calls=2, seconds=10.0)
        with store.open("one") as box:
            waits = [box.take_rate("calls", at, limit) for at in (0.0, 4.0, 5.0, 9.0, 10.0, 10.0, 14.0)]
            assert waits == [0.0, 0.0, 5.0, 1.0, 0.0, 4.0, 0.0]
            assert box.take_rate("others", 14.0, limit) == 0.0

    def test_the_journal_is_bounded_and_says_so(self, store):
        with store.open("one") as box:
            for number in range(8):
                box.record(Transition(float(number), "t", "queued", "running", "x"))
            assert [record.at for record in box.records()] == [3.0, 4.0, 5.0, 6.0, 7.0]
            assert box.dropped() == 3

    def test_a_file_is_replaced_under_its_name(self, store):
        file = File("a.png", "image/png", "s", 1.0, 2.0, "x")
        with store.open("one") as box:
            box.put_file(file)
            box.put_file(replace(file, size=5))
            assert box.file("a.png") == replace(file, size=5)
            assert box.file("b.png") is None

    def test_its_state_can_be_taken_and_put_back(self, store):
        with store.open("one") as box:
            box.add_task(TASK)
            box.schedule(TASK.starts_at, "start", "t")
            box.post(Entry(1.0, Move.GRANT, 5000))
            saved = box.state()
            box.next_number("x")
            box.add_task(replace(TASK, id="u"))
            box.post(Entry(2.0, Move.RESERVE, 5000, "u"))
            box.take_due(1e9)
            assert box.task_count() == 2
            box.load(saved)
            assert box.task_count() == 1
            assert box.next_due() == TASK.starts_at
            assert box.balance(Account.AVAILABLE) == 5000
            assert box.next_number("x") == 1

    def test_an_opened_sandbox_is_nobody_elses(self, store):
        """Reserving is read, decide, write: without the lock, threads would spend the same credit twice."""
        with store.open("one") as box:
            box.post(Entry(0.0, Move.GRANT, 50))
        refused = []

        def spend():
            for _ in range(100):
                with store.open("one") as box:
                    if box.balance(Account.AVAILABLE) < 1:
                        refused.append(1)
                        continue
                    box.post(Entry(0.0, Move.RESERVE, 1, f"t{box.next_number('task')}"))

        threads = [Thread(target=spend) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.open("one") as box:
            assert (box.balance(Account.AVAILABLE), box.balance(Account.RESERVED)) == (0, 50)
            assert box.next_number("task") == 51
        assert len(refused) == 350
