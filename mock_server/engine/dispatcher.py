"""The callback dispatcher: claims deliveries in the Store and sends them while no sandbox is open.

A delivery is claimed under a lease. The sender that holds the lease sends the delivery and records the attempt.
If the sender dies before that, the lease expires in real time and the delivery is due again. So every callback is
sent at least once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from swapmock.mock_server.core.clock import ClockMode
from swapmock.mock_server.core.delivery import (
    NO_JSON,
    Attempt,
    Delivery,
    DeliveryState,
    SendResult,
    why_not_acknowledged,
)
from swapmock.mock_server.core.ports import Box, StoreError, Transport
from swapmock.mock_server.core.provider import CallbackToSign
from swapmock.mock_server.engine.attempt_log import log_attempt
from swapmock.mock_server.engine.concurrency import ConcurrencyLimit
from swapmock.mock_server.engine.runtime import Runtime, Sent
from swapmock.mock_server.engine.send_loop import Batch, SendLoop, cancel_all, wait_for_change
from swapmock.mock_server.engine.tasks import BATCH, run_due

Result = TypeVar("Result")

if TYPE_CHECKING:
    from swapmock.contracts.behaviour import Callbacks

log = logging.getLogger("swapmock")

#: How often all sandboxes are searched for due work that was not announced by `notice`, in real seconds.
SWEEP_INTERVAL = 5.0

#: How often the work is done that fell due in sandboxes without requests, in real seconds.
OVERDUE_INTERVAL = 1.0


class UnderWay(Exception):
    """The delivery cannot be sent again now, because it is being sent."""


class CallbackDispatcher:
    """Sends callbacks. It keeps no deliveries: they are in the Store.

    `deliver_due` sends what is due in one sandbox and waits for the results; the admin API's `advance` uses it. Between
    `start` and `stop`, a thread sends what falls due in every sandbox whose clock is not frozen.
    """

    def __init__(
        self,
        transport: Transport,
        make_limit: Callable[[], ConcurrencyLimit] = ConcurrencyLimit,
        new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self._transport = transport
        self._make_limit = make_limit
        self._new_event_loop = new_event_loop
        self._send_loop: SendLoop | None = None
        #: The claimed deliveries that are being sent, by sandbox and id.
        self._sending: dict[tuple[str, str], Delivery] = {}
        self._thread: Thread | None = None
        #: Real seconds for which a delivery is claimed. A living sender is done before that, even if it sends two other
        #: deliveries of the same task first.
        self.lease = 3 * transport.timeout + 5.0

    def wrap_transport(self, wrap: Callable[[Transport], Transport]) -> None:
        """Send through `wrap(transport)` from now on, for example to redirect the callbacks for one receiver to
        another."""
        self._transport = wrap(self._transport)

    # --- sending on request

    def claim(self, runtime: Runtime, box: Box, delivery_ids: Iterable[str]) -> list[Delivery]:
        """Claim deliveries of the open sandbox `box`, due or not, and return them. Finished deliveries and those
        that are claimed already are left out of `delivery_ids`."""
        real = runtime.time.now()
        claimed = [box.claim(delivery_id, real, real + self.lease) for delivery_id in delivery_ids]
        return [delivery for delivery in claimed if delivery is not None]

    def deliver(self, runtime: Runtime, sandbox_id: str, claimed: Sequence[Delivery]) -> list[Sent]:
        """Send the `claimed` deliveries of a sandbox and return the results. Those of one task are sent one after
        the other."""
        return (
            self._wait_for(lambda send_loop: self._send_claimed(runtime, sandbox_id, claimed, send_loop))
            if claimed
            else []
        )

    def deliver_due(self, runtime: Runtime, sandbox_id: str) -> list[Sent]:
        """Send everything that is due now in a sandbox. Returns the attempts in the order in which they were due."""
        with runtime.store.open(sandbox_id) as box:
            due = box.next_due()
            if due is None or due > runtime.now(box):
                return []
        return self._wait_for(lambda send_loop: self._send_all_due(runtime, sandbox_id, send_loop))

    def _wait_for(self, work: Callable[[SendLoop], Coroutine[Any, Any, list[Sent]]]) -> list[Sent]:
        send_loop = self._send_loop
        if send_loop is not None and not send_loop.is_stopping:
            future = asyncio.run_coroutine_threadsafe(work(send_loop), send_loop.loop)
            while True:
                try:
                    return future.result(1.0)
                except TimeoutError:
                    if future.done() or send_loop.loop.is_closed():  # the server has stopped: no result will come
                        raise

        async def alone() -> list[Sent]:
            return await work(SendLoop(asyncio.get_running_loop(), self._make_limit()))

        # In a separate thread, because the caller's thread may be running an event loop already.
        with ThreadPoolExecutor(1, "swapmock-callbacks") as thread:
            return thread.submit(lambda: self._run_in_loop(alone())).result()

    def _run_in_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        with asyncio.Runner(loop_factory=self._new_event_loop) as runner:
            return runner.run(work)

    async def _send_claimed(
        self, runtime: Runtime, sandbox_id: str, claimed: Sequence[Delivery], send_loop: SendLoop
    ) -> list[Sent]:
        sent: list[Sent] = []
        batch = Batch(lambda _, item: sent.append(item))
        self._start_sends(runtime, sandbox_id, claimed, send_loop, batch, counts=False)
        while batch.under_way:
            send_loop.changed.clear()
            await send_loop.changed.wait()
        return self._in_due_order(runtime, sandbox_id, sent)

    async def _send_all_due(self, runtime: Runtime, sandbox_id: str, send_loop: SendLoop) -> list[Sent]:
        """Send until nothing is due at the sandbox's time."""
        sent: list[Sent] = []
        batch = Batch(lambda _, item: sent.append(item))
        while True:
            send_loop.changed.clear()
            is_left = False
            with contextlib.suppress(KeyError):  # the sandbox was dropped meanwhile
                is_left = self._send_due(runtime, sandbox_id, send_loop, batch)
            if not batch.under_way and not is_left:
                return self._in_due_order(runtime, sandbox_id, sent)
            await send_loop.changed.wait()

    def _in_due_order(self, runtime: Runtime, sandbox_id: str, sent: list[Sent]) -> list[Sent]:
        """`sent` in the order in which the attempts were due; the journal gets them in the same order."""
        sent.sort(key=lambda item: (item.attempt.due, item.number))
        with contextlib.suppress(KeyError), runtime.store.open(sandbox_id) as box:
            for item in sent:
                box.record(item.attempt)
        return sent

    # --- sending what is due in one sandbox

    def _send_due(self, runtime: Runtime, sandbox_id: str, send_loop: SendLoop, batch: Batch) -> bool:
        """Start to send what is due. Returns whether something due is left because no place was free."""
        real = runtime.time.now()
        with runtime.store.open(sandbox_id) as box:
            now = runtime.now(box)
            claimed = box.claim_due(now, real, real + self.lease, send_loop.limit.acquire)
            due = box.next_delivery()
        self._start_sends(runtime, sandbox_id, claimed, send_loop, batch, counts=True)
        return due is not None and due <= now

    def _start_sends(
        self,
        runtime: Runtime,
        sandbox_id: str,
        claimed: Sequence[Delivery],
        send_loop: SendLoop,
        batch: Batch,
        *,
        counts: bool,
    ) -> None:
        new = [delivery for delivery in claimed if not self._is_sending(sandbox_id, delivery)]
        if counts:
            for delivery in claimed:
                if delivery not in new:
                    send_loop.limit.release(delivery.host, None)
        for group in _by_task(new):
            batch.under_way += 1
            task = send_loop.loop.create_task(self._send_in_order(runtime, sandbox_id, group, send_loop, batch, counts))
            batch.tasks.add(task)
            task.add_done_callback(batch.tasks.discard)

    def _is_sending(self, sandbox_id: str, claimed: Delivery) -> bool:
        """Whether this process is sending a delivery already. Then `claimed` is its new lease: the old one has expired
        because this process was paused."""
        key = (sandbox_id, claimed.id)
        other, self._sending[key] = self._sending.get(key), claimed
        return other is not None and (other.url, other.body, other.attempts) == (
            claimed.url,
            claimed.body,
            claimed.attempts,
        )

    async def _send_in_order(
        self,
        runtime: Runtime,
        sandbox_id: str,
        group: Sequence[Delivery],
        send_loop: SendLoop,
        batch: Batch,
        counts: bool,
    ) -> None:
        """Send claimed deliveries one after the other and record each attempt."""
        try:
            for delivery in group:
                result = None
                try:
                    result = await self._send(runtime, sandbox_id, delivery, batch)
                except Exception:
                    # The delivery stays claimed until its lease expires, and is then sent again.
                    log.exception("the attempt of delivery %s of sandbox %s was not kept", delivery.id, sandbox_id)
                finally:
                    self._sending.pop((sandbox_id, delivery.id), None)
                    if counts:
                        send_loop.limit.release(delivery.host, result)
        finally:
            batch.under_way -= 1
            send_loop.changed.set()

    async def _send(self, runtime: Runtime, sandbox_id: str, delivery: Delivery, batch: Batch) -> SendResult:
        rules = runtime.contracts[delivery.provider].behaviour.callbacks
        if rules is None:
            raise LookupError(f"{delivery.provider} has no callbacks")
        with runtime.store.open(sandbox_id) as box:
            sent, task = runtime.now(box), box.task(delivery.task)
            secret = signing_secret(box, delivery)
        asker = "" if task is None else task.asker
        outcome, failure = await self._attempt(
            runtime, delivery, rules, asker, CallbackToSign(delivery.body, secret, delivery.id, sent)
        )
        noted = None
        with (
            contextlib.suppress(KeyError),
            runtime.store.open(sandbox_id) as box,
        ):  # it may have been dropped meanwhile
            after, attempt = delivery.attempted(sent, runtime.now(box), outcome, failure)
            held = self._sending.get((sandbox_id, delivery.id), delivery)
            noted = self._keep_attempt(runtime, box, held, after, attempt, delivery.state)
        if noted is not None:
            runtime.meter.attempted(delivery.provider, noted.after)
            batch.note(sandbox_id, noted)
            log_attempt(sandbox_id, noted)
        return outcome

    async def _attempt(
        self, runtime: Runtime, delivery: Delivery, rules: Callbacks, asker: str, unsigned: CallbackToSign
    ) -> tuple[SendResult, str]:
        """Send once, signed if the provider signs. Return the result, and why it is no acknowledgement. An exception
        is a failed attempt, too."""
        try:
            sign = runtime.providers[delivery.provider].sign_callback
            headers = rules.headers if sign is None else {**rules.headers, **sign(unsigned)}
            payload = delivery.payload()
            result = await self._transport.send(rules.method, delivery.url, headers, payload, asker)
            return result, why_not_acknowledged(rules.acknowledged, result, _document(runtime, result))
        except Exception as error:
            log.exception("delivery %s to %s could not be sent", delivery.id, delivery.host)
            result = SendResult(None, error=f"it could not be sent: {type(error).__name__}")
            return result, result.error

    def _keep_attempt(
        self,
        runtime: Runtime,
        box: Box,
        held: Delivery,
        after: Delivery,
        attempt: Attempt,
        before: DeliveryState,
    ) -> Sent | None:
        """Store `after`, the delivery after `attempt`, in place of the claimed delivery `held`.

        If that lease has expired, or another sender has claimed the delivery, it is not changed. Return None if
        the delivery no longer exists. `before` is its state before the attempt."""
        current = box.delivery(after.id)
        if current is None:
            return None
        if (current.claim, current.leased_until) != (held.claim, held.leased_until):
            return Sent(after.number, attempt, current.state, current.state)
        box.put_delivery(after)
        if after.next_due is not None:
            self.notice(runtime, box, after.next_due)
        return Sent(after.number, attempt, before, after.state)

    # --- while the server runs

    def notice(self, runtime: Runtime, box: Box, at: float) -> None:
        """Tell the sending thread, if it runs, that something falls due in the open sandbox `box` at the sandbox
        time `at`."""
        send_loop = self._send_loop
        if send_loop is None:
            return
        now = runtime.time.now()
        real = box.clock.real_at(at, now)
        # Later work is found by the regular sweep over all sandboxes, so that few wakes are stored.
        if real is not None and real <= now + SWEEP_INTERVAL and send_loop.wake_at(real, box.sandbox.id):
            send_loop.wake()

    def start(self, runtime: Runtime) -> None:
        """Start the thread that sends what falls due."""
        ready = Event()

        def work() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                self._run_in_loop(self._run(runtime, ready))

        self._thread = Thread(target=work, name="swapmock-callbacks", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self, patience: float = 0.5) -> None:
        """Claim no further delivery, wait up to `patience` real seconds for the current sends, then end the thread."""
        send_loop, thread = self._send_loop, self._thread
        if send_loop is None or thread is None:
            return
        send_loop.is_stopping = True
        send_loop.wake()
        thread.join(patience)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing was left to wait for
            send_loop.loop.call_soon_threadsafe(cancel_all, send_loop.loop)
        thread.join()
        self._send_loop = self._thread = None

    @contextlib.contextmanager
    def running(self, runtime: Runtime, patience: float = 0.5) -> Iterator[None]:
        """Call `start` before the block and `stop(patience)` after it."""
        self.start(runtime)
        try:
            yield
        finally:
            self.stop(patience)

    async def _run(self, runtime: Runtime, ready: Event) -> None:
        send_loop = self._send_loop = SendLoop(asyncio.get_running_loop(), self._make_limit())
        ready.set()
        overdue_work = send_loop.loop.create_task(self._run_overdue_work(runtime))
        batch = Batch(lambda sandbox_id, sent: self._record(runtime, sandbox_id, sent))
        waiting: set[str] = set()
        swept = float("-inf")
        while not send_loop.is_stopping:
            send_loop.changed.clear()
            real = runtime.time.now()
            due = send_loop.due_sandboxes(real) | waiting
            if real >= swept + SWEEP_INTERVAL:
                due, swept = due.union(runtime.store.ids()), real
            waiting = {sandbox_id for sandbox_id in due if self._look_at(runtime, sandbox_id, send_loop, batch)}
            await wait_for_change(send_loop, min(send_loop.next_wake(), swept + SWEEP_INTERVAL) - runtime.time.now())
        overdue_work.cancel()
        while batch.under_way:
            send_loop.changed.clear()
            await send_loop.changed.wait()

    async def _run_overdue_work(self, runtime: Runtime) -> None:
        """Do the work that fell due in sandboxes without requests, so that the next request need not wait for all of
        it."""
        while True:
            await asyncio.sleep(OVERDUE_INTERVAL)
            for sandbox_id in runtime.store.ids():
                is_left = True
                while is_left:
                    try:
                        with runtime.store.open(sandbox_id) as box:
                            is_left = len(run_due(runtime, box, runtime.now(box), BATCH)) == BATCH
                    except (KeyError, StoreError):
                        break  # the sandbox was dropped, or the store cannot be reached, which the store reports
                    except Exception:
                        log.exception("due work of sandbox %s failed", sandbox_id)
                        break
                    await asyncio.sleep(0)

    def _look_at(self, runtime: Runtime, sandbox_id: str, send_loop: SendLoop, batch: Batch) -> bool:
        try:
            with runtime.store.open(sandbox_id) as box:
                if box.clock.mode is ClockMode.FROZEN:
                    return False
                due, now = box.next_callback_work(), runtime.now(box)
                if due is not None and due <= now:
                    run_due(runtime, box, now)
            is_left = self._send_due(runtime, sandbox_id, send_loop, batch)
            with runtime.store.open(sandbox_id) as box:
                due = box.next_callback_work()
                if due is not None and not is_left:
                    self.notice(runtime, box, due)
            return is_left
        except (KeyError, StoreError):
            return False  # the sandbox was dropped, or the store cannot be reached
        except Exception:
            log.exception("callbacks of sandbox %s could not be sent", sandbox_id)
            return False

    def _record(self, runtime: Runtime, sandbox_id: str, sent: Sent) -> None:
        with contextlib.suppress(KeyError), runtime.store.open(sandbox_id) as box:
            box.record(sent.attempt)


def _by_task(claimed: Iterable[Delivery]) -> list[list[Delivery]]:
    """Groups of deliveries that may be sent at the same time. The deliveries of one task stay together, in their order."""
    groups: dict[object, list[Delivery]] = {}
    for delivery in claimed:
        groups.setdefault(delivery.id if delivery.alone else (delivery.task,), []).append(delivery)
    return list(groups.values())


def _document(runtime: Runtime, outcome: SendResult) -> Any:
    try:
        return runtime.json.loads(outcome.body)
    except ValueError:
        return NO_JSON


def signing_secret(box: Box, delivery: Delivery) -> str:
    """Return the secret with which a delivery is signed: that of the sandbox's first usable credential for its
    provider; "" without one. A forged delivery gets another one."""
    secrets = (c.secret for c in box.sandbox.credentials if c.provider == delivery.provider and not c.disabled)
    secret = next(secrets, "")
    return f"not {secret}" if delivery.corruption == "signature" else secret


def claim_before_reply(runtime: Runtime, box: Box, task_id: str) -> list[Delivery]:
    """Claim, in the open sandbox `box`, the callbacks of the task `task_id` that are sent before the reply to its
    submission, and return them."""
    run_due(runtime, box, runtime.now(box))
    return runtime.dispatcher.claim(runtime, box, [d.id for d in box.deliveries() if d.task == task_id])


def redeliver(runtime: Runtime, box: Box, delivery_id: str) -> None:
    """Send the delivery `delivery_id` again at once, outside its retry schedule, and wait for the result. The box
    must not be open.

    Raises KeyError if there is no such delivery, and UnderWay while it is being sent."""
    with box:
        known = box.delivery(delivery_id)
        if known is None:
            raise KeyError(delivery_id)
        if known.leased_until is not None and known.leased_until > runtime.time.now():
            raise UnderWay(delivery_id)
        box.put_delivery(replace(known.for_redelivery(runtime.now(box)), leased_until=None))
        claimed = runtime.dispatcher.claim(runtime, box, [delivery_id])
    runtime.dispatcher.deliver(runtime, box.sandbox.id, claimed)
