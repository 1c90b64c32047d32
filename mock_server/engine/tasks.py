"""Tasks: accepts and polls them, does the work that falls due, and moves a sandbox's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from math import inf
from typing import NamedTuple

from swapmock.mock_server.core.call import Call, Problem
from swapmock.mock_server.core.clock import ClockMode, after_poll
from swapmock.mock_server.core.credits import Millicredits, to_credits
from swapmock.mock_server.core.journal import Transition
from swapmock.mock_server.core.ledger import Account, Entry, Move, NotCovered
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import FAILED, QUEUED, RUNNING, Failure, Phase, Task
from swapmock.mock_server.engine import callbacks
from swapmock.mock_server.engine.runtime import Runtime, Sent

#: How many pieces of due work are done before other threads get the sandbox.
BATCH = 200


class Fired(NamedTuple):
    """Something that happened because sandbox time passed.

    `at` is sandbox time in epoch seconds. `what` is `transition` or `delivery`. `before` and `after` are states.
    `cause` is the id of the exchange that created the task. The attempt of a delivery also has the delivery's id,
    the number of the attempt, and why it failed ("" if it did not)."""

    at: float
    what: str
    task: str
    before: str
    after: str
    cause: str
    delivery: str = ""
    attempt: int | None = None
    failure: str = ""


def submit(runtime: Runtime, call: Call, task: Task) -> None:
    """Accept the `task` of a `call`: reserve its credits and schedule its start.

    Raises Problem `insufficient_credits` if the balance does not cover it, and `rate_limited` if the sandbox is
    full or has as many tasks in flight as allowed."""
    box = call.box
    most = box.sandbox.max_in_flight
    if most is not None and tasks_in_flight(box) >= most:
        raise Problem("rate_limited", fault=f"max_in_flight ({most})")
    count, size = box.tasks_held()
    if count >= runtime.max_tasks or size + len(task.request) > runtime.max_tasks_bytes:
        raise _is_full(runtime, count, size)
    if task.reserved:
        try:
            box.post(Entry(call.now, Move.RESERVE, task.reserved, task.id, call.exchange))
        except NotCovered as short:
            raise Problem("insufficient_credits", details={"balance": to_credits(short.available)}) from None
    if task.callback_url is not None:
        task = replace(task, base_url=call.base_url, asker=remote_address(call.client))
    box.add_task(task)
    box.schedule(task.starts_at, "start", task.id)
    if task.callback_url is not None:
        call.callback_first = callbacks.callback_fault_of(runtime, task) == "before_answer"
        runtime.dispatcher.notice(runtime, box, task.starts_at)
        if task.ends_at is not None:
            runtime.dispatcher.notice(runtime, box, task.ends_at)
    call.task = task.id
    if call.queued:
        box.dequeue(call.queued)


def remote_address(client: str) -> str:
    """Return the address of a client on another machine in its usual form; "" for a client on this machine or an
    unknown one."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return "" if (mapped or address).is_loopback else str(mapped or address)


def tasks_in_flight(box: Box) -> int:
    """Return how many tasks of an open sandbox are queued or running."""
    return sum(count for (_, _, phase), count in box.tasks_by_phase().items() if phase in (QUEUED, RUNNING))


def _is_full(runtime: Runtime, count: int, size: int) -> Problem:
    """Return the error response for a sandbox that has `count` tasks of `size` bytes in total and may have no more."""
    if count >= runtime.max_tasks:
        return Problem("rate_limited", message=f"the sandbox holds {count} tasks; --max-tasks allows more")
    return Problem("rate_limited", message=f"the sandbox holds {size} bytes of tasks; --max-tasks-bytes allows more")


def polled(runtime: Runtime, call: Call, name: str, kind: str) -> Task | None:
    """Return the task that a poll asks for by `name`; None if there is none of this `kind`. A clock in mode
    `on_poll` is moved first."""
    box = call.box
    task = box.task(name)
    if task is None or task.kind != kind:
        return None
    if box.clock.mode is ClockMode.ON_POLL:
        call.now = after_poll(call.now, task.next_change(call.now))
        box.clock = box.clock.moved_to(runtime.time.now(), call.now)
        run_due(runtime, box, call.now)
        clock_moved(runtime, box)
    call.task = task.id
    return task


def cancel(runtime: Runtime, call: Call, task: Task, refusal: str) -> Task:
    """End the queued or running `task` as failed at `call.now`: release its credits and report the end to its callback
    URL. Return the ended task. Its failure has the code and the message of `refusal`, a row of the provider's
    `refusals`.

    Raises ValueError if the task has ended."""
    box, now = call.box, call.now
    before = task.phase(now)
    if before not in (QUEUED, RUNNING):
        raise ValueError(f"task {task.id} has ended and cannot be cancelled")
    row = runtime.contracts[task.provider].behaviour.refusals[refusal]
    failure = Failure(code=row.code, message=row.message)
    ended = replace(task, starts_at=min(task.starts_at, now), ends_at=now, failure=failure, charge=0)
    box.replace_task(ended, is_scheduled=before is QUEUED or task.ends_at is not None)
    transition = Transition(now, ended.id, before, FAILED, ended.cause)
    box.enter_phase(ended, transition)
    _follow(runtime, box, ended, transition)
    call.task = task.id
    return ended


def run_due(runtime: Runtime, box: Box, now: float, most: float = inf) -> Sequence[Transition]:
    """Do the work of an open sandbox that is due by `now`, at most `most` pieces, each at its own time.

    Return the transitions in order. Every request calls this; usually nothing is due."""
    found = box.enter_next_phase(now)
    if found is None:
        return ()
    entered = []
    while found is not None:
        task, transition = found
        entered.append(transition)
        if task.reserved or task.callback_url is not None:
            _follow(runtime, box, task, transition)
        found = box.enter_next_phase(now) if len(entered) < most else None
    return entered


def run_due_in_batches(runtime: Runtime, sandbox_id: str) -> None:
    """Do all due work of a sandbox. The sandbox must not be open: other threads may open it between two batches.

    Raises KeyError if there is no such sandbox."""
    entered = BATCH
    while entered >= BATCH:
        with runtime.store.open(sandbox_id) as box:
            entered = len(run_due(runtime, box, runtime.now(box), BATCH))


def catch_up(runtime: Runtime, box: Box, now: float) -> list[Fired]:
    """Do the work of the open sandbox `box` that is due by `now`, as `run_due` does, and return what happened."""
    return [Fired(t.at, "transition", t.task, t.before, t.after, t.cause) for t in run_due(runtime, box, now)]


def advance(runtime: Runtime, box: Box, target: float) -> list[Fired]:
    """Move a sandbox's clock forward to `target`, stopping at each time at which something is due.

    Return what happened, in order. The box must not be open: callbacks are sent between the steps."""
    fired: list[Fired] = []
    while True:
        with box:
            due = box.next_due()
            step = target if due is None else min(due, target)
            box.clock = box.clock.moved_to(runtime.time.now(), step)
            fired += catch_up(runtime, box, max(step, runtime.now(box)) if step >= target else step)
        fired += [_fired(sent) for sent in runtime.dispatcher.deliver_due(runtime, box.sandbox.id)]
        with box:
            due = box.next_due()
            if step >= target and (due is None or due > target):
                clock_moved(runtime, box)
                return fired


def clock_moved(runtime: Runtime, box: Box) -> None:
    """Tell the dispatcher that the clock of an open sandbox was moved or set."""
    due = box.next_callback_work()
    if due is not None:
        runtime.dispatcher.notice(runtime, box, due)


def available(_: Runtime, box: Box) -> Millicredits:
    """Return the millicredits that can be spent."""
    return box.balance(Account.AVAILABLE)


def _follow(runtime: Runtime, box: Box, task: Task, transition: Transition) -> None:
    """Do what follows when `task` has entered a phase: settle its credits at the end, and report the phase to its
    callback URL."""
    if transition.after != RUNNING and task.reserved:
        _settle_credits(box, task, transition.at)
    if task.callback_url is not None:
        callbacks.schedule_callbacks(runtime, box, task, Phase(transition.after), transition.at)


def _settle_credits(box: Box, task: Task, at: float) -> None:
    """Settle the cost of a task and release the rest of its reservation."""
    if task.charge:
        box.post(Entry(at, Move.SETTLE, task.charge, task.id, task.cause))
    if task.reserved > task.charge:
        box.post(Entry(at, Move.RELEASE, task.reserved - task.charge, task.id, task.cause))


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
