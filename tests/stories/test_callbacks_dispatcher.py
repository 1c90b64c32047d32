"""Who sends, and what becomes of a delivery whose sender dies: leases, receivers that come and go, the live thread."""

import asyncio
import contextlib
import threading
from dataclasses import replace

import pytest

from swapmock.mock_server.adapters.clock import SystemTime
from swapmock.mock_server.core.delivery import DeliveryState, SendResult
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.engine.concurrency import ConcurrencyLimit
from swapmock.mock_server.engine.dispatcher import CallbackDispatcher, UnderWay
from swapmock.mock_server.engine.tasks import BATCH, run_due
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from tests.receivers import PATIENCE, Receiver, accept, refuse_first
from tests.stories.conftest import submit_ended

TASK = Task(
    id="t",
    kind="task",
    provider="crun",
    operation="create_task",
    model="image-face-swap",
    request=b"{}",
    created_at=0.0,
    starts_at=0.0,
    ends_at=None,
    callback_url="http://127.0.0.1:9/cb",
)
NOWHERE = "http://127.0.0.1:9/cb"


class Hands:
    """A transport without a network: `act(url)` says what comes of a sending, or raises."""

    def __init__(self, act):
        self.act = act
        self.sent = []
        self.timeout = 10.0

    async def send(self, method, url, headers, body, asker=""):
        self.sent.append(url)
        made = self.act(url)
        return await made if asyncio.iscoroutine(made) else made


@pytest.fixture
def engine(system):
    return system.engine


def with_dispatcher(engine, transport, **limits):
    """The same engine with another sender: as another process on the same Store would be."""
    return replace(engine, dispatcher=CallbackDispatcher(transport, lambda: ConcurrencyLimit(**limits)))


def standing(engine):
    with engine.store.open("default") as box:
        return [(delivery.state.value, len(delivery.attempts)) for delivery in box.deliveries()]


# --- leases


def test_a_delivery_is_held_by_one_at_a_time(engine):
    submit_ended(engine, NOWHERE, count=3)
    real = engine.time.now()
    with engine.store.open("default") as box:
        now = engine.now(box)
        mine = box.claim_due(now, real, real + 25, lambda host: True)
        others = box.claim_due(now, real + 24.9, real + 50, lambda host: True)
        assert ([d.id for d in mine], others) == (["d1", "d2", "d3"], [])
        assert box.claim("d1", real, real + 25) is None
        assert box.next_delivery() is None
        late = box.claim_due(now, real + 25, real + 50, lambda host: True)
    assert [(d.id, d.claim) for d in late] == [("d1", 2), ("d2", 2), ("d3", 2)]


def test_room_is_asked_before_each(engine):
    submit_ended(engine, lambda number: f"http://127.0.0.{number % 2 + 1}:9/", count=10)
    limit = ConcurrencyLimit(per_host=2, in_all=3)
    real = engine.time.now()
    with engine.store.open("default") as box:
        taken = box.claim_due(engine.now(box), real, real + 25, limit.acquire)
    assert len(taken) == 3
    assert len({d.host for d in taken}) == 2


@pytest.mark.parametrize("way", ["due", "redelivery"])
def test_a_sender_that_dies_on_the_way_loses_nothing(engine, time, way):
    """Its claim runs out in real time, and the delivery goes out from another."""

    def die(url):
        raise asyncio.CancelledError  # the sender is gone: nothing comes back from it

    submit_ended(engine, NOWHERE)
    dying = with_dispatcher(engine, Hands(die))
    if way == "due":
        assert dying.dispatcher.deliver_due(dying, "default") == []
    else:
        dying.redeliver(engine.store.open("default"), "d1")
    heir = with_dispatcher(engine, Hands(lambda url: SendResult(200)))
    assert heir.dispatcher.deliver_due(heir, "default") == []
    assert standing(engine) == [("pending", 0)]
    with pytest.raises(UnderWay):
        heir.redeliver(engine.store.open("default"), "d1")
    time.advance(heir.dispatcher.lease)
    # The next look finds it, even without a wake-up: the lease is looked at with every claim.
    with engine.store.open("default") as box:
        (delivery,) = box.claim_due(engine.now(box), engine.time.now(), engine.time.now() + 1, lambda host: True)
    sent = heir.dispatcher.deliver(heir, "default", [delivery])
    assert [(item.attempt.attempt, item.after) for item in sent] == [(1, DeliveryState.ACKNOWLEDGED)]
    assert standing(engine) == [("acknowledged", 1)]


def test_a_sender_that_was_only_slow_does_not_undo_what_the_next_one_did(engine, time):
    """Both attempts are in the journal; the one whose lease had run out changes nothing."""
    submit_ended(engine, NOWHERE)
    heir = with_dispatcher(engine, Hands(lambda url: SendResult(200)))

    async def dawdle():
        time.advance(slow.dispatcher.lease)
        with engine.store.open("default") as box:
            claimed = box.claim_due(engine.now(box), engine.time.now(), engine.time.now() + 25, lambda host: True)
        await asyncio.to_thread(heir.dispatcher.deliver, heir, "default", claimed)
        return SendResult(503)

    slow = with_dispatcher(engine, Hands(lambda url: dawdle()))
    slow.dispatcher.deliver_due(slow, "default")
    assert standing(engine) == [("acknowledged", 1)]
    with engine.store.open("default") as box:
        attempts = [record for record in box.records() if hasattr(record, "delivery")]
    assert [attempt.status for attempt in attempts] == [200, 503]


def test_an_exception_while_sending_is_a_failed_attempt_on_the_retry_schedule(engine, caplog):
    def fail(url):
        raise ValueError("nobody thought of this")

    submit_ended(engine, NOWHERE)
    failing = with_dispatcher(engine, Hands(fail))
    (sent,) = failing.dispatcher.deliver_due(failing, "default")
    assert (sent.after, sent.attempt.failure) == ("pending", "it could not be sent: ValueError")
    with engine.store.open("default") as box:
        (delivery,) = box.deliveries()
        due = sent.attempt.due + delivery.waits[0]
        assert (delivery.retries, delivery.next_due, delivery.leased_until) == (1, due, None)
    assert "nobody thought of this" in caplog.text
    engine.advance(engine.store.open("default"), due - 0.001)
    assert standing(engine) == [("pending", 1)]


def test_a_paused_sender_sends_nothing_twice(engine, time):
    """While it sends, its lease expires: it takes the new lease for the same attempt."""
    submit_ended(engine, NOWHERE)
    urls = []

    async def pause():
        time.advance(paused.dispatcher.lease)
        await asyncio.to_thread(paused.dispatcher.deliver_due, paused, "default")
        return SendResult(200)

    def send(url):
        urls.append(url)
        return pause()

    paused = with_dispatcher(engine, Hands(send))
    sent = paused.dispatcher.deliver_due(paused, "default")
    assert ([item.after for item in sent], len(urls)) == (["acknowledged"], 1)
    assert standing(engine) == [("acknowledged", 1)]


@pytest.mark.parametrize(
    ("passed", "others_get_it", "state"),
    [
        (-0.001, False, "acknowledged"),  # just before the lease ends
        (0.0, True, "pending"),
        (0.001, True, "pending"),
    ],
)
def test_a_lease_ends_at_its_end(engine, time, passed, others_get_it, state):
    """A result that comes back after somebody else has claimed the delivery changes nothing."""
    submit_ended(engine, NOWHERE)
    other: list[object] = []

    def send(url):
        time.advance(sender.dispatcher.lease + passed)
        with engine.store.open("default") as box:
            real = engine.time.now()
            other.extend(box.claim_due(engine.now(box), real, real + 25, lambda host: True))
        return SendResult(200)

    sender = with_dispatcher(engine, Hands(send))
    (sent,) = sender.dispatcher.deliver_due(sender, "default")
    assert bool(other) is others_get_it
    assert (standing(engine)[0][0], sent.after) == (state, state)


def test_a_result_that_comes_late_counts_if_nobody_else_has_the_delivery(engine, time):
    submit_ended(engine, NOWHERE)

    def send(url):
        time.advance(10 * sender.dispatcher.lease)
        return SendResult(200)

    sender = with_dispatcher(engine, Hands(send))
    sender.dispatcher.deliver_due(sender, "default")
    assert standing(engine) == [("acknowledged", 1)]


def test_the_lease_outlasts_two_others_of_the_same_task(engine):
    """Three attempts that take all the time they may fit into it, with a margin of five seconds."""
    hands = Hands(lambda url: SendResult(200))
    assert CallbackDispatcher(hands).lease == 3 * hands.timeout + 5.0


def test_what_is_held_when_a_sandbox_is_saved_is_due_again_in_the_copy(engine):
    submit_ended(engine, NOWHERE)
    real = engine.time.now()
    with engine.store.open("default") as box:
        box.claim_due(engine.now(box), real, real + 25, lambda host: True)
        saved = box.state()
        box.load(saved)
        assert [d.id for d in box.claim_due(engine.now(box), real, real + 25, lambda host: True)] == ["d1"]


def test_deliveries_that_are_over_are_kept_in_a_bounded_number(engine, monkeypatch):
    monkeypatch.setattr("swapmock.mock_server.stores.deliveries.DELIVERIES_KEPT", 3)
    done = with_dispatcher(engine, Hands(lambda url: SendResult(200)))
    submit_ended(done, NOWHERE, count=5)
    done.dispatcher.deliver_due(done, "default")
    submit_ended(done, NOWHERE, start=6)
    with engine.store.open("default") as box:
        assert [d.id for d in box.deliveries()] == ["d3", "d4", "d5", "d6"]


def test_a_body_that_breaks_the_contract_is_reported_and_sent(engine):
    drifted: list[Exchange] = []
    crun = replace(engine.providers["crun"], callback_body=lambda call, engine, task: {"task_id": task.id})
    broken = replace(
        with_dispatcher(engine, Hands(lambda url: SendResult(200))), providers={"crun": crun}, on_drift=drifted.append
    )
    submit_ended(broken, NOWHERE)
    broken.dispatcher.deliver_due(broken, "default")
    assert [exchange.operation for exchange in drifted] == ["create_task"]
    assert {breach.rule for breach in drifted[0].drift} == {"required"}
    assert standing(engine) == [("acknowledged", 1)]


# --- the concurrency limit

LATE, ANSWERED, REFUSED, DROPPED = (
    SendResult(None, error="no answer", timed_out=True),
    SendResult(500),
    SendResult(None, error="the connection was refused"),
    None,
)


@pytest.mark.parametrize(
    ("results", "is_slow"),
    [
        ([], False),
        ([ANSWERED], False),
        ([REFUSED], False),
        ([DROPPED], False),
        ([LATE], True),
        ([LATE, LATE], True),
        ([LATE, REFUSED], True),  # no answer says nothing about how fast it is
        ([LATE, DROPPED], True),
        ([LATE, ANSWERED], False),
        ([LATE, ANSWERED, LATE], True),
        ([ANSWERED, LATE, REFUSED, ANSWERED], False),
    ],
)
def test_when_a_host_is_slow(results, is_slow):
    """A slow host gets one of two places, and another one none beside it."""
    limit = ConcurrencyLimit(per_host=2, in_all=2)
    for result in results:
        assert limit.acquire("a")
        limit.release("a", result)
    assert limit.acquire("a")
    assert limit.acquire("a") is not is_slow
    assert limit.acquire("b") is is_slow


def test_the_host_that_was_slow_first_is_forgotten_first(monkeypatch):
    monkeypatch.setattr("swapmock.mock_server.engine.concurrency.SLOW_HOSTS_KEPT", 2)
    limit = ConcurrencyLimit(per_host=9, in_all=2)
    for host in "abc":
        assert limit.acquire(host)
        limit.release(host, LATE)
    assert [limit.acquire("a"), limit.acquire("a")] == [True, True]
    limit.release("a", None)
    limit.release("a", None)
    assert [limit.acquire("b"), limit.acquire("b")] == [True, False]


def test_sends_that_began_before_a_host_was_slow_count_as_slow():
    limit = ConcurrencyLimit(per_host=9, in_all=4)
    assert all(limit.acquire("a") for _ in range(3))
    limit.release("a", LATE)
    assert not limit.acquire("a")  # two are still under way, and two is half of four
    limit.release("a", DROPPED)
    assert limit.acquire("a")


def test_a_host_that_times_out_gets_half_of_the_room_until_it_answers():
    limit = ConcurrencyLimit(per_host=10, in_all=4)
    assert limit.acquire("a")
    assert limit.acquire("a")
    limit.release("a", SendResult(None, error="no answer", timed_out=True))
    assert limit.acquire("a")
    assert not limit.acquire("a")  # two of the slow ones' two
    assert limit.acquire("b")
    assert limit.acquire("b")
    assert not limit.acquire("b")  # four of four
    limit.release("a", SendResult(200))
    assert limit.acquire("a")  # it has answered: slow no more
    for host in ("a", "a", "b", "b"):
        limit.release(host, None)
    assert all(limit.acquire(host) for host in "abcd")
    assert not limit.acquire("e")


# --- receivers that come and go


def test_a_receiver_killed_and_restarted_in_mid_ladder_gets_everything(make_account):
    account = make_account()
    with Receiver(refuse_first(45)) as receiver:
        port = receiver.port
        urls = [receiver.url(f"/{number}") for number in range(20)]
        for number, url in enumerate(urls):
            account.swap(url)
            account.imgopen.detect("https://faces.invalid/1.png", own_id=str(number), callbackUrl=url)
        account.advance(by="6s")
        assert len(receiver.got) == 60
    account.advance(by="54s")
    rows = account.deliveries()
    assert [row["state"] for row in rows].count("pending") == 25
    assert {row["attempts"][-1]["failure"] for row in rows} == {"", "the connection was refused"}
    with Receiver(port=port) as receiver:
        account.advance(by="30m")
        assert {row["state"] for row in account.deliveries()} == {"acknowledged"}
        assert len(account.deliveries()) == 40
        assert len(receiver.got) == 25


# --- the live thread


@contextlib.contextmanager
def live(**settings):
    """An emulator on the machine's clock, a hundred times as fast, whose dispatcher thread runs."""
    drifted: list[Exchange] = []
    system = build(Settings(speed=100.0, **settings), SystemTime(), drifted.append)
    with system.engine.dispatcher.running(system.engine):
        yield system
    assert drifted == []


def wait_until_over(engine, receiver, count):
    """Every delivery has come to its end once the receiver has got `count` callbacks and the sandbox says so."""
    receiver.wait_for(count)
    asked = threading.Event()
    for _ in range(2000):
        if all(state == "acknowledged" for state, _ in standing(engine)):
            return
        asked.wait(0.01)
    raise AssertionError(standing(engine))


def test_a_running_clock_sends_by_itself():
    with Receiver(refuse_first(2)) as receiver, live() as system:
        submit_ended(system.engine, receiver.url())
        wait_until_over(system.engine, receiver, 3)
        with system.engine.store.open("default") as box:
            (delivery,) = box.deliveries()
    assert [a.due - delivery.created_at for a in delivery.attempts] == pytest.approx([0, 10, 70])
    assert all(attempt.sent >= attempt.due for attempt in delivery.attempts)
    assert all(attempt.latency > 0 for attempt in delivery.attempts)


def test_a_task_whose_end_nobody_watches_calls_back(time):
    """No request comes in after the submission: the thread ends the task in time."""
    with Receiver() as receiver, live() as system:
        client = system.app.test_client()
        body = {
            "model": "image-face-swap",
            "callback_url": receiver.url(),
            "input": {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"},
        }
        answer = client.post(
            "/api/v1/client/job/CreateTask", json=body, headers={"x-api-key": "ak_swapmock000000000000000000000000"}
        )
        receiver.wait_for(1)
    assert receiver.bodies()[0]["task_id"] == answer.json["data"]["task_id"]


def test_tasks_without_callbacks_wake_nobody(engine, time, monkeypatch):
    """Once they woke the dispatcher's thread at each of their changes: a tenth of what a creation cost."""
    noticed = []
    monkeypatch.setattr(CallbackDispatcher, "notice", lambda *given: noticed.append(given[-1]))
    with engine.store.open("default") as box:
        box.add_task(replace(TASK, callback_url=None))
        box.schedule(time.now() + 1.0, "start", TASK.id)
        engine.clock_moved(box)
        assert noticed == []
        box.add_task(TASK)
        box.schedule(time.now() + 1.0, "start", TASK.id)
        engine.clock_moved(box)
        assert noticed == [time.now() + 1.0]


def test_what_fell_due_while_nobody_asked_is_done_in_batches(engine, time, monkeypatch):
    monkeypatch.setattr("swapmock.mock_server.engine.dispatcher.OVERDUE_INTERVAL", 0.0)
    batches, done = [], asyncio.Event()

    def noted(runtime, box, now, most):
        batches.append(run_due(runtime, box, now, most))
        if box.counts()["due"] == 0:
            done.set()
        return batches[-1]

    monkeypatch.setattr("swapmock.mock_server.engine.dispatcher.run_due", noted)
    count = 2 * BATCH + 10
    with engine.store.open("default") as box:
        for number in range(count):
            one = replace(TASK, id=f"t{number}", callback_url=None)
            box.add_task(one)
            box.schedule(time.now() + 1.0, "start", one.id)

    async def tidied():
        tidying = asyncio.create_task(engine.dispatcher._run_overdue_work(engine))
        await asyncio.wait_for(done.wait(), PATIENCE)
        tidying.cancel()

    time.advance(1.0)
    asyncio.run(tidied())
    assert [len(batch) for batch in batches if batch] == [BATCH, BATCH, 10]


def test_what_was_due_before_the_start_is_sent_at_the_start():
    system = build(Settings(), SystemTime())
    with Receiver() as receiver:
        submit_ended(system.engine, receiver.url(), count=3)
        with system.engine.dispatcher.running(system.engine):
            wait_until_over(system.engine, receiver, 3)


def test_a_frozen_sandbox_is_left_to_whoever_moves_its_clock(system, make_account):
    with Receiver() as receiver, system.engine.dispatcher.running(system.engine):
        frozen, running = make_account(), make_account(clock="real")
        frozen.swap(receiver.url("/frozen"), "https://errors.invalid/instant")
        frozen.crun.balance()  # the end of the task is noticed, its callback due
        running.swap(receiver.url("/running"), "https://errors.invalid/instant")
        receiver.wait_for(1)
        assert [got.path for got in receiver.got] == ["/running"]
        frozen.advance(by="0s")
        assert [got.path for got in receiver.got] == ["/running", "/frozen"]


def test_a_frozen_clock_that_starts_to_run_is_noticed(system, make_account):
    """At once: on this manual time no second look at all sandboxes is ever due."""
    with Receiver() as receiver, system.engine.dispatcher.running(system.engine):
        account = make_account()
        account.swap(receiver.url(), "https://errors.invalid/instant")
        account.crun.balance()
        account.admin("PATCH", "clock", json={"mode": "real"})
        receiver.wait_for(1)


def test_polls_pump_a_clock_that_they_move(system, make_account):
    with Receiver() as receiver, system.engine.dispatcher.running(system.engine):
        account = make_account(clock="on_poll")
        task = account.swap(receiver.url())
        while account.crun.info(task)["status"] != "success":
            assert receiver.got == []
        receiver.wait_for(1)


def test_stopping_waits_for_what_is_under_way():
    come, go = threading.Event(), threading.Event()

    def plan(got):
        come.set()
        assert go.wait(PATIENCE)
        return accept(got)

    system = build(Settings(), SystemTime())
    with Receiver(plan) as receiver:
        system.engine.dispatcher.start(system.engine)
        submit_ended(system.engine, receiver.url())
        assert come.wait(PATIENCE)
        stopping = threading.Thread(target=system.engine.dispatcher.stop, args=(PATIENCE,))
        stopping.start()
        go.set()
        stopping.join(PATIENCE)
        assert not stopping.is_alive()
    assert standing(system.engine) == [("acknowledged", 1)]


def test_stopping_does_not_wait_for_ever():
    come, over = threading.Event(), threading.Event()

    def plan(got):
        come.set()
        over.wait(PATIENCE)
        return accept(got)

    system = build(Settings(), SystemTime())
    with Receiver(plan) as receiver:
        system.engine.dispatcher.start(system.engine)
        submit_ended(system.engine, receiver.url())
        assert come.wait(PATIENCE)
        system.engine.dispatcher.stop(patience=0.0)
        over.set()
    assert standing(system.engine) == [("pending", 0)]
    # Nothing was lost: it goes out as soon as its lease is over.
    with system.engine.store.open("default") as box:
        real = system.engine.time.now() + system.engine.dispatcher.lease
        assert len(box.claim_due(system.engine.now(box), real, real + 1, lambda host: True)) == 1


def test_a_dropped_sandbox_takes_its_deliveries_along(system, make_account):
    come, go = threading.Event(), threading.Event()

    def plan(got):
        come.set()
        assert go.wait(PATIENCE)
        return 500

    with Receiver(plan) as receiver, system.engine.dispatcher.running(system.engine):
        account = make_account(clock="real")
        account.swap(receiver.url(), "https://errors.invalid/instant")
        account.crun.balance()
        assert come.wait(PATIENCE)
        system.engine.drop(account.id)
        go.set()
        other = make_account(clock="real")
        other.swap(receiver.url("/other"), "https://errors.invalid/instant")
        other.crun.balance()
        assert [got.path for got in receiver.wait_for(2)] == ["/cb", "/other"]
