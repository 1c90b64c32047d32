"""Takes deliveries out of the Store and sends them, while nobody holds the sandbox.

A delivery is claimed under a lease. Whoever holds it sends it and notes how that went; if they die on the way, the lease
runs out in real time and the delivery is due again. So every callback goes out at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from heapq import heappop, heappush
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_server.core.clock import ClockMode
from mock_server.core.delivery import NO_JSON, Attempt, Delivery, DeliveryState, Outcome, objection
from mock_server.core.ports import Box, Transport

if TYPE_CHECKING:
    from mock_server.engine import Engine

log = logging.getLogger("swapmock")

#: The most callbacks that are under way: to one host, and to all. Each takes a descriptor. The simplest receivers queue
#: five connections and answer one at a time: with more at once, some would time out there for no fault of theirs.
PER_HOST = 8
IN_ALL = 4000

#: The most hosts that are remembered as slow; beyond that, the one that has been so for longest is forgiven.
SLOW_KEPT = 10_000

#: How often all sandboxes are looked through for work that nobody gave notice of, in real seconds.
SWEEP = 5.0

#: How often work is done that fell due while nobody asked, in real seconds, and how much of it in one go.
TIDY, BITE = 1.0, 200


class Sent(NamedTuple):
    """An attempt of the delivery of a number, and how that stood before and after it."""

    number: int
    attempt: Attempt
    before: DeliveryState
    after: DeliveryState


class Room:
    """How much may be under way at once.

    A host that did not answer in time counts as slow until it answers: slow hosts together get half of the room.
    """

    def __init__(self, per_host: int = PER_HOST, in_all: int | None = None) -> None:
        self._per_host = per_host
        self._in_all = in_all or min(IN_ALL, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._to_slow_ones = self._in_all // 2
        self._by_host: dict[str, int] = {}
        self._slow: dict[str, None] = {}
        self._taken = self._taken_by_slow_ones = 0

    def take(self, host: str) -> bool:
        """Take a place for one delivery to `host`; False if there is none."""
        here, is_slow = self._by_host.get(host, 0), host in self._slow
        if here >= self._per_host or self._taken >= self._in_all:
            return False
        if is_slow and self._taken_by_slow_ones >= self._to_slow_ones:
            return False
        self._by_host[host] = here + 1
        self._taken += 1
        self._taken_by_slow_ones += is_slow
        return True

    def give_back(self, host: str, outcome: Outcome | None) -> None:
        """Return a place; `outcome` tells whether the host is slow."""
        was_slow, left = host in self._slow, self._by_host.pop(host) - 1
        if left:
            self._by_host[host] = left
        self._taken -= 1
        self._taken_by_slow_ones -= was_slow
        if outcome is not None and outcome.timed_out and not was_slow:
            self._slow[host] = None
            self._taken_by_slow_ones += left
            if len(self._slow) > SLOW_KEPT:
                self._forgive(next(iter(self._slow)))
        elif outcome is not None and outcome.status is not None and was_slow:
            self._forgive(host)

    def _forgive(self, host: str) -> None:
        del self._slow[host]
        self._taken_by_slow_ones -= self._by_host.get(host, 0)


@dataclass
class _Errand:
    """What one caller has set off: `note` is told of every attempt."""

    note: Callable[[str, Sent], None]
    under_way: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass
class _Line:
    """What sends in one event loop. `stirred` is set whenever something has come back or is new."""

    loop: asyncio.AbstractEventLoop
    room: Room
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    is_stopping: bool = False
    _wakes: list[tuple[float, str]] = field(default_factory=list)
    _next: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def stir(self) -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: the server has stopped
            self.loop.call_soon_threadsafe(self.stirred.set)

    def wake_at(self, real: float, sandbox_id: str) -> bool:
        """Look at a sandbox at a real time; False if it will be looked at before that anyway."""
        with self._lock:
            if self._next.get(sandbox_id, float("inf")) <= real:
                return False
            self._next[sandbox_id] = real
            heappush(self._wakes, (real, sandbox_id))
            return True

    def woken(self, real: float) -> set[str]:
        """The sandboxes to be looked at by `real`; each is named once."""
        found = set()
        with self._lock:
            while self._wakes and self._wakes[0][0] <= real:
                at, sandbox_id = heappop(self._wakes)
                if self._next.get(sandbox_id) == at:
                    del self._next[sandbox_id]
                    found.add(sandbox_id)
        return found

    def next_wake(self) -> float:
        with self._lock:
            return self._wakes[0][0] if self._wakes else float("inf")


class Courier:
    """The sender of this process; what is to be sent and how it went is in the Store.

    `deliver_due` sends what is due in one sandbox and waits for it: so pumps a clock that is moved by hand. Between
    `start` and `stop`, a thread does the same for every sandbox whose clock runs by itself.
    """

    def __init__(self, transport: Transport, make_room: Callable[[], Room] = Room) -> None:
        self._transport = transport
        self._make_room = make_room
        self._line: _Line | None = None
        self._thread: Thread | None = None
        #: Real seconds for which a delivery is claimed: a sender that is alive is done before, even where others of the
        #: same task go first.
        self.lease = 3 * transport.timeout + 5.0

    # --- by hand

    def claim(self, engine: Engine, box: Box, delivery_ids: Iterable[str]) -> list[Delivery]:
        """Take deliveries of an open sandbox, due or not, those left out that are over or already under way."""
        real = engine.time.now()
        claimed = [box.claim(delivery_id, real, real + self.lease) for delivery_id in delivery_ids]
        return [delivery for delivery in claimed if delivery is not None]

    def deliver(self, engine: Engine, sandbox_id: str, claimed: Sequence[Delivery]) -> list[Sent]:
        """Send claimed deliveries and wait for it; those of one task go one after the other."""
        return self._wait_for(lambda line: self._send_claimed(engine, sandbox_id, claimed, line)) if claimed else []

    def deliver_due(self, engine: Engine, sandbox_id: str) -> list[Sent]:
        """Send all that is due now in a sandbox; what came of it, in the order in which it was due."""
        with engine.store.open(sandbox_id) as box:
            due = box.next_due()
            if due is None or due > engine.now(box):
                return []
        return self._wait_for(lambda line: self._drain(engine, sandbox_id, line))

    def _wait_for(self, work: Callable[[_Line], Coroutine[Any, Any, list[Sent]]]) -> list[Sent]:
        line = self._line
        if line is not None and not line.is_stopping:
            future = asyncio.run_coroutine_threadsafe(work(line), line.loop)
            while True:
                try:
                    return future.result(1.0)
                except TimeoutError:
                    if future.done() or line.loop.is_closed():  # the server has stopped: nobody will answer any more
                        raise

        async def alone() -> list[Sent]:
            return await work(_Line(asyncio.get_running_loop(), self._make_room()))

        # In a thread of its own: the caller's may be running an event loop already.
        with ThreadPoolExecutor(1, "swapmock-callbacks") as thread:
            return thread.submit(lambda: asyncio.run(alone())).result()

    async def _send_claimed(
        self, engine: Engine, sandbox_id: str, claimed: Sequence[Delivery], line: _Line
    ) -> list[Sent]:
        sent: list[Sent] = []
        errand = _Errand(lambda _, item: sent.append(item))
        self._set_off(engine, sandbox_id, claimed, line, errand, has_room=False)
        while errand.under_way:
            line.stirred.clear()
            await line.stirred.wait()
        return self._noted_down(engine, sandbox_id, sent)

    async def _drain(self, engine: Engine, sandbox_id: str, line: _Line) -> list[Sent]:
        """Send until nothing is due any more at the sandbox's time."""
        sent: list[Sent] = []
        errand = _Errand(lambda _, item: sent.append(item))
        while True:
            line.stirred.clear()
            is_left = False
            with contextlib.suppress(KeyError):  # it has been dropped meanwhile
                is_left = self._visit(engine, sandbox_id, line, errand)
            if not errand.under_way and not is_left:
                return self._noted_down(engine, sandbox_id, sent)
            await line.stirred.wait()

    def _noted_down(self, engine: Engine, sandbox_id: str, sent: list[Sent]) -> list[Sent]:
        """`sent` in the order in which it was due, whichever answer came first; so the journal has it too."""
        sent.sort(key=lambda item: (item.attempt.due, item.number))
        with contextlib.suppress(KeyError), engine.store.open(sandbox_id) as box:
            for item in sent:
                box.record(item.attempt)
        return sent

    # --- one look at one sandbox

    def _visit(self, engine: Engine, sandbox_id: str, line: _Line, errand: _Errand) -> bool:
        """Start sending what is due and has room; whether something due is left for want of room."""
        real = engine.time.now()
        with engine.store.open(sandbox_id) as box:
            now = engine.now(box)
            claimed = box.claim_due(now, real, real + self.lease, line.room.take)
            due = box.next_delivery()
        self._set_off(engine, sandbox_id, claimed, line, errand, has_room=True)
        return due is not None and due <= now

    def _set_off(
        self,
        engine: Engine,
        sandbox_id: str,
        claimed: Sequence[Delivery],
        line: _Line,
        errand: _Errand,
        *,
        has_room: bool,
    ) -> None:
        for group in _in_turn(claimed):
            errand.under_way += 1
            task = line.loop.create_task(self._carry(engine, sandbox_id, group, line, errand, has_room))
            errand.tasks.add(task)
            task.add_done_callback(errand.tasks.discard)

    async def _carry(
        self, engine: Engine, sandbox_id: str, group: Sequence[Delivery], line: _Line, errand: _Errand, has_room: bool
    ) -> None:
        """Send claimed deliveries one after the other and note how each went."""
        try:
            for delivery in group:
                outcome = None
                try:
                    outcome = await self._send(engine, sandbox_id, delivery, errand)
                except Exception:
                    # It stays claimed until its lease runs out, and then goes out again.
                    log.exception("delivery %s of sandbox %s failed on the way", delivery.id, sandbox_id)
                finally:
                    if has_room:
                        line.room.give_back(delivery.host, outcome)
        finally:
            errand.under_way -= 1
            line.stirred.set()

    async def _send(self, engine: Engine, sandbox_id: str, delivery: Delivery, errand: _Errand) -> Outcome:
        rules = engine.contracts[delivery.provider].behaviour.callbacks
        if rules is None:
            raise LookupError(f"{delivery.provider} has no callbacks")
        with engine.store.open(sandbox_id) as box:
            sent = engine.now(box)
        outcome = await self._transport.send(rules.method, delivery.url, rules.headers, delivery.payload())
        failure = objection(rules.acknowledged, outcome, _document(engine, outcome))
        noted = None
        with contextlib.suppress(KeyError), engine.store.open(sandbox_id) as box:  # it may have been dropped meanwhile
            after, attempt = delivery.attempted(sent, engine.now(box), outcome, failure)
            noted = self._settle(engine, box, delivery, after, attempt)
        if noted is not None:
            engine.meter.attempted(delivery.provider, noted.after)
            errand.note(sandbox_id, noted)
        return outcome

    def _settle(self, engine: Engine, box: Box, mine: Delivery, after: Delivery, attempt: Attempt) -> Sent | None:
        """Keep what an attempt made of a delivery, unless its lease has run out and somebody else has it by now; None if
        nobody knows the delivery any more."""
        current = box.delivery(mine.id)
        if current is None:
            return None
        if (current.claim, current.leased_until) != (mine.claim, mine.leased_until):
            return Sent(mine.number, attempt, current.state, current.state)
        box.put_delivery(after)
        if after.next_due is not None:
            self.notice(engine, box, after.next_due)
        return Sent(mine.number, attempt, mine.state, after.state)

    # --- while the server runs

    def notice(self, engine: Engine, box: Box, at: float) -> None:
        """Tell the thread, if there is one, that something falls due in a sandbox at its time `at`."""
        line = self._line
        if line is None:
            return
        now = engine.time.now()
        real = box.clock.real_at(at, now)
        # What is further away is found in time by the look at all sandboxes: nothing is noted down for long.
        if real is not None and real <= now + SWEEP and line.wake_at(real, box.sandbox.id):
            line.stir()

    def start(self, engine: Engine) -> None:
        """Send by itself from now on, in a thread."""
        ready = Event()

        def work() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                asyncio.run(self._pump(engine, ready))

        self._thread = Thread(target=work, name="swapmock-callbacks", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self, patience: float = 0.5) -> None:
        """Claim nothing more, wait up to `patience` real seconds for what is under way, end the thread."""
        line, thread = self._line, self._thread
        if line is None or thread is None:
            return
        line.is_stopping = True
        line.stir()
        thread.join(patience)
        with contextlib.suppress(RuntimeError):  # the loop has closed: nothing was left to wait for
            line.loop.call_soon_threadsafe(_cancel_all, line.loop)
        thread.join()
        self._line = self._thread = None

    @contextlib.contextmanager
    def running(self, engine: Engine, patience: float = 0.5) -> Iterator[None]:
        """Send by itself within the block; `patience` as for `stop`."""
        self.start(engine)
        try:
            yield
        finally:
            self.stop(patience)

    async def _pump(self, engine: Engine, ready: Event) -> None:
        line = self._line = _Line(asyncio.get_running_loop(), self._make_room())
        ready.set()
        tidying = line.loop.create_task(self._tidy(engine))
        errand = _Errand(lambda sandbox_id, sent: self._journal(engine, sandbox_id, sent))
        crowded: set[str] = set()
        swept = float("-inf")
        while not line.is_stopping:
            line.stirred.clear()
            real = engine.time.now()
            ready_ones = line.woken(real) | crowded
            if real >= swept + SWEEP:
                ready_ones, swept = ready_ones.union(engine.store.ids()), real
            crowded = {sandbox_id for sandbox_id in ready_ones if self._pump_one(engine, sandbox_id, line, errand)}
            await _stirred(line, min(line.next_wake(), swept + SWEEP) - engine.time.now())
        tidying.cancel()
        while errand.under_way:
            line.stirred.clear()
            await line.stirred.wait()

    async def _tidy(self, engine: Engine) -> None:
        """Do what fell due while nobody asked, in bites: the next one who asks would have to wait for all of it."""
        while True:
            await asyncio.sleep(TIDY)
            for sandbox_id in engine.store.ids():
                is_left = True
                while is_left:
                    try:
                        with engine.store.open(sandbox_id) as box:
                            is_left = len(engine.settle(box, engine.now(box), BITE)) == BITE
                    except KeyError:
                        break  # it has been dropped
                    except Exception:
                        log.exception("work that is due in sandbox %s", sandbox_id)
                        break
                    await asyncio.sleep(0)

    def _pump_one(self, engine: Engine, sandbox_id: str, line: _Line, errand: _Errand) -> bool:
        try:
            with engine.store.open(sandbox_id) as box:
                if box.clock.mode is ClockMode.FROZEN:
                    return False
                news, now = box.next_news(), engine.now(box)
                if news is not None and news <= now:
                    engine.settle(box, now)
            is_left = self._visit(engine, sandbox_id, line, errand)
            with engine.store.open(sandbox_id) as box:
                news = box.next_news()
                if news is not None and not is_left:
                    self.notice(engine, box, news)
            return is_left
        except KeyError:
            return False  # it has been dropped
        except Exception:
            log.exception("callbacks of sandbox %s", sandbox_id)
            return False

    def _journal(self, engine: Engine, sandbox_id: str, sent: Sent) -> None:
        with contextlib.suppress(KeyError), engine.store.open(sandbox_id) as box:
            box.record(sent.attempt)


def _in_turn(claimed: Iterable[Delivery]) -> list[list[Delivery]]:
    """Groups that may go out side by side: what tells of one task stays in its order."""
    groups: dict[object, list[Delivery]] = {}
    for delivery in claimed:
        groups.setdefault(delivery.id if delivery.alone else (delivery.task,), []).append(delivery)
    return list(groups.values())


def _document(engine: Engine, outcome: Outcome) -> Any:
    try:
        return engine.json.loads(outcome.body)
    except ValueError:
        return NO_JSON


async def _stirred(line: _Line, seconds: float) -> None:
    """Wait until something is new, or for so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await line.stirred.wait()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
