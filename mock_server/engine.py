"""Joins the ports. Holds no state of its own: all that changes lives in the Store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from mock_server import deliveries
from mock_server.core.call import Call, Problem
from mock_server.core.clock import ClockMode, after_poll
from mock_server.core.credits import Millicredits, to_credits
from mock_server.core.journal import Exchange, Transition
from mock_server.core.ledger import Account, Entry, Move, NotCovered
from mock_server.core.ports import Blobs, Box, Json, Meter, Paths, RealTime, Store
from mock_server.core.provider import Provider
from mock_server.core.seeded import hexadecimal
from mock_server.core.task import FAILED, QUEUED, RUNNING, SUCCEEDED, Task
from mock_server.courier import Courier, Sent
from mock_server.deliveries import UnderWay as UnderWay

if TYPE_CHECKING:
    from contracts import Contract

log = logging.getLogger("swapmock")

#: The sandbox that always exists, and in which requests without a known credential are noted down.
DEFAULT_SANDBOX = "default"


@lru_cache(64)  # each may hold a whole request
def _token(seed: int, task: str, request: bytes) -> str:
    return hexadecimal(20, seed, task, request)


class Fired(NamedTuple):
    """Something that happened because time went on: what, when, to which task, and through which exchange.

    What is a delivery's attempt has its id and number, and why it failed.
    """

    at: float
    what: str
    task: str
    before: str
    after: str
    cause: str
    delivery: str = ""
    attempt: int | None = None
    failure: str = ""


@dataclass(frozen=True)
class Engine:
    store: Store
    time: RealTime
    blobs: Blobs
    json: Json
    paths: Paths
    contracts: Mapping[str, Contract]
    admin_contract: Contract
    public_url: str = ""
    seed: int = 0
    providers: Mapping[str, Provider] = field(kw_only=True)
    courier: Courier = field(kw_only=True)
    meter: Meter = field(kw_only=True)
    #: Prices that stand in place of the contracts', by provider and name.
    prices: Mapping[tuple[str, str], Millicredits] = field(default_factory=dict, kw_only=True)
    #: The most of each sandbox's tasks and the bytes of their requests, of its uploaded files and their bytes, and of
    #: sandboxes.
    max_tasks: int = field(default=1_000_000, kw_only=True)
    max_tasks_bytes: int = field(default=1 << 29, kw_only=True)
    max_files: int = field(default=10_000, kw_only=True)
    max_files_bytes: int = field(default=1 << 30, kw_only=True)
    max_sandboxes: int = field(default=10_000, kw_only=True)
    #: What no sandbox owns and nobody is shown: the token of the admin API.
    secrets: frozenset[str] = field(default=frozenset(), kw_only=True)
    #: Is told of everything of ours that breaks the contract.
    on_drift: Callable[[Exchange], None] = field(kw_only=True)

    def price(self, provider: str, name: str, listed: Millicredits) -> Millicredits:
        """What a task costs: by the settings, else as the contract lists it."""
        return self.prices.get((provider, name), listed)

    def now(self, box: Box) -> float:
        """The time in a sandbox."""
        return box.clock.read(self.time.now())

    def catch_up(self, box: Box, now: float) -> list[Fired]:
        """Do all work of a sandbox that is due by `now`, in order, each at its own time."""
        return [Fired(t.at, "transition", t.task, t.before, t.after, t.cause) for t in self.settle(box, now)]

    def settle(self, box: Box, now: float, most: float = inf) -> Sequence[Transition]:
        """`catch_up` for whoever only wants it done, or no more than so much of it: every request does, and nothing is
        due for most of them."""
        due = box.take_due(now)
        if due is None:
            return ()
        entered = []
        while due is not None:
            work, subject, at = due
            task = box.task(subject)
            if task is not None:
                entered.append(self._enter(box, task, work, at))
            due = box.take_due(now) if len(entered) < most else None
        return entered

    def advance(self, box: Box, target: float) -> list[Fired]:
        """Move a sandbox's clock forward to `target`, stopping at every moment at which something is due.

        Returns what fired, in order. The box must not be entered: work that goes out of the process is done between
        the steps.
        """
        fired: list[Fired] = []
        while True:
            with box:
                due = box.next_due()
                step = target if due is None else min(due, target)
                box.clock = box.clock.moved_to(self.time.now(), step)
                fired += self.catch_up(box, max(step, self.now(box)) if step >= target else step)
            fired += [_fired(sent) for sent in self.courier.deliver_due(self, box.sandbox.id)]
            with box:
                due = box.next_due()
                if step >= target and (due is None or due > target):
                    self.clock_moved(box)
                    return fired

    def clock_moved(self, box: Box) -> None:
        """Let whoever waits for a sandbox's time know that it does not run as it did."""
        news = box.next_news()
        if news is not None:
            self.courier.notice(self, box, news)

    def sweep(self, real: float) -> None:
        """Drop the sandboxes whose time to live is over at a real time."""
        for sandbox_id in self.store.expired(real):
            try:
                box = self.store.open(sandbox_id)
            except KeyError:
                continue
            end = box.sandbox.expires_at
            if end is not None and end <= real:
                self.drop(sandbox_id)

    def forget_links(self, box: Box) -> None:
        """No public link leads to a sandbox any more."""
        self.store.withdraw(box.sandbox.id)

    def drop(self, sandbox_id: str) -> bool:
        """Forget a sandbox and its files."""
        try:
            box = self.store.open(sandbox_id)
        except KeyError:
            return False
        with box:  # an upload at work in it comes before, and is dropped with it, or finds it gone
            try:
                self.blobs.drop(f"{sandbox_id}/")
            except OSError as error:
                log.error("files of sandbox %s stay behind: %s", sandbox_id, error)
            return self.store.drop(sandbox_id)

    def redeliver(self, box: Box, delivery_id: str) -> None:
        """Send a callback again at once and wait for how it goes; see `deliveries.redeliver`."""
        deliveries.redeliver(self, box, delivery_id)

    def _enter(self, box: Box, task: Task, work: str, at: float) -> Transition:
        if work == "start":
            before, after = QUEUED, RUNNING
            if task.ends_at is not None:
                box.schedule(task.ends_at, "end", task.id)
        else:
            before, after = RUNNING, SUCCEEDED if task.failure is None else FAILED
            self._capture(box, task, at)
        entered = Transition(at, task.id, before, after, task.cause)
        box.record(entered)
        if task.callback_url is not None:
            deliveries.announce(self, box, task, after, at)
        return entered

    def _capture(self, box: Box, task: Task, at: float) -> None:
        """Settle what the task costs, release the rest of what it had reserved."""
        if not task.reserved:
            return
        if task.charge:
            box.post(Entry(at, Move.SETTLE, task.charge, task.id, task.cause))
        if task.reserved > task.charge:
            box.post(Entry(at, Move.RELEASE, task.reserved - task.charge, task.id, task.cause))

    def submit(self, call: Call, task: Task) -> None:
        """Accept a task: its credits reserved, its course begun; Problem `insufficient_credits` if not covered, or
        `rate_limited` if the sandbox is full."""
        box = call.box
        count, size = box.tasks_held()
        if count >= self.max_tasks:
            raise Problem("rate_limited", message=f"the sandbox holds {count} tasks; --max-tasks allows more")
        if size + len(task.request) > self.max_tasks_bytes:
            raise Problem(
                "rate_limited", message=f"the sandbox holds {size} bytes of tasks; --max-tasks-bytes allows more"
            )
        if task.reserved:
            try:
                box.post(Entry(call.now, Move.RESERVE, task.reserved, task.id, call.exchange))
            except NotCovered as short:
                raise Problem("insufficient_credits", details={"balance": to_credits(short.available)}) from None
        if task.callback_url is not None:
            task = replace(task, base_url=call.base_url)
        box.add_task(task)
        box.schedule(task.starts_at, "start", task.id)
        if task.callback_url is not None:
            call.news_first = deliveries.adversity_of(self, task) == "before_answer"
            self.courier.notice(self, box, task.starts_at)
            if task.ends_at is not None:
                self.courier.notice(self, box, task.ends_at)
        call.task = task.id
        if call.queued:
            box.dequeue(call.queued)

    def polled(self, call: Call, name: str, kind: str) -> Task | None:
        """The task that a poll asks for; a clock in mode `on_poll` moves first."""
        box = call.box
        task = box.task(name)
        if task is None or task.kind != kind:
            return None
        if box.clock.mode is ClockMode.ON_POLL:
            call.now = after_poll(call.now, task.next_change(call.now))
            box.clock = box.clock.moved_to(self.time.now(), call.now)
            self.settle(box, call.now)
            self.clock_moved(box)
        call.task = task.id
        return task

    def available(self, box: Box) -> int:
        """Millicredits that can be spent."""
        return box.balance(Account.AVAILABLE)

    def publish(self, box: Box, task: Task) -> str:
        """The token under which the public links of a task's media lead to it."""
        token = _token(box.sandbox.seed, task.id, task.request)
        if self.store.owner(token) != box.sandbox.id:
            box.add_alias(token, task.id)
            self.store.publish(token, box.sandbox.id)
        return token

    def published(self, token: str) -> tuple[Box, Task] | None:
        """The sandbox and task behind a public link's token."""
        owner = self.store.owner(token)
        if owner is None:
            return None
        try:
            box = self.store.open(owner)
        except KeyError:
            return None
        with box:
            task = box.task(token)
        return None if task is None else (box, task)


def _fired(sent: Sent) -> Fired:
    attempt = sent.attempt
    return Fired(
        attempt.sent,
        "delivery",
        attempt.task,
        sent.before,
        sent.after,
        attempt.cause,
        delivery=attempt.delivery,
        attempt=attempt.attempt,
        failure=attempt.failure,
    )
