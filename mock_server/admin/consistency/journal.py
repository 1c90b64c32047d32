"""Checks the journal and the files of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.mock_server.admin.consistency.deliveries import attempt_faults
from swapmock.mock_server.admin.consistency.report import Inconsistency, Snapshot, is_moment, number_of, quoted
from swapmock.mock_server.core.delivery import Attempt, Delivery
from swapmock.mock_server.core.journal import PREFLIGHT, Exchange, Transition
from swapmock.mock_server.core.task import Phase

#: The longest delay of an answer, in seconds.
LONGEST_DELAY = 1e6

#: The transitions of a task.
TRANSITIONS = {
    (Phase.QUEUED, Phase.RUNNING),
    (Phase.RUNNING, Phase.SUCCEEDED),
    (Phase.RUNNING, Phase.FAILED),
}


def check_journal(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that each record happened before the time of the snapshot, and names existing tasks, deliveries and
    operations."""
    state = snapshot.state
    if state.recorded < len(state.journal):
        yield ("recorded",), "should count at least the records of the journal"
    deliveries = {delivery.id: delivery for delivery in state.deliveries}
    causes = {task.cause: task for task in state.tasks.values()}
    last, latest = 0, 0.0
    for index, record in enumerate(state.journal):
        place = ("journal", index)
        if not snapshot.is_past(record.at):
            yield (*place, "at"), "should be from 1970 to the time that the clock shows"
        if record.task and record.task not in state.tasks:
            yield (*place, "task"), f"there is no task {quoted(record.task)}"
        if isinstance(record, Exchange):
            yield from ((((*place, name)), detail) for name, detail in _exchange(record, snapshot))
            if number_of(record.id, "x") <= last:
                yield (*place, "id"), "should have a higher number than the exchange before it"
            if record.at < latest:
                yield (*place, "at"), "should not be before the exchange before it"
            last, latest = number_of(record.id, "x"), record.at
            task = causes.get(record.id)
            if task is not None and (record.task, record.at) != (task.id, task.created_at):
                yield place, f"should be the exchange that created task {quoted(task.id)} at {task.created_at}"
        elif isinstance(record, Transition):
            yield from (((*place, name), detail) for name, detail in _transition(record, snapshot))
        else:
            yield from ((place, detail) for detail in _attempt(record, deliveries.get(record.delivery), snapshot))


def _exchange(record: Exchange, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    contract = snapshot.engine.contracts.get(record.provider)
    is_known = contract is not None and (record.operation in ("", PREFLIGHT) or record.operation in contract.operations)
    if not is_known:
        yield "operation", f"{quoted(record.provider)} has no operation {quoted(record.operation)}"
    if not snapshot.is_exchange(record.id):
        yield "id", "should be the id of an exchange, not above the number in `numbers`"
    if record.status != 0 and not 100 <= record.status <= 999:
        yield "status", "should be an HTTP status, or 0 for a connection that was cut"
    if not 0 <= record.delay <= LONGEST_DELAY:
        yield "delay", "should be seconds, at least 0"
    for name in ("violations", "drift"):
        if any(not breach.place for breach in getattr(record, name)):
            yield name, "should each have a place"


def _transition(record: Transition, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    if (record.before, record.after) not in TRANSITIONS:
        yield "after", "should be the phase after `before`"
    task = snapshot.state.tasks.get(record.task)
    if task is None:
        yield "task", f"there is no task {quoted(record.task)}"
        return
    if record.cause != task.cause:
        yield "cause", f"should be {task.cause!r}, by the task"
    if record.at != (task.starts_at if record.after == Phase.RUNNING else task.ends_at):
        yield "at", "should be the time at which the task entered the phase"
    elif record.after in (Phase.SUCCEEDED, Phase.FAILED) and (record.after == Phase.FAILED) is (task.failure is None):
        yield "after", "should be the phase in which the task ended"


def _attempt(record: Attempt, delivery: Delivery | None, snapshot: Snapshot) -> Iterator[str]:
    if delivery is None:
        if not 1 <= number_of(record.delivery, "d") <= snapshot.number("delivery"):
            yield f"there was no delivery {quoted(record.delivery)}"
        yield from attempt_faults(record, snapshot)
    elif not 1 <= record.attempt <= len(delivery.attempts) or delivery.attempts[record.attempt - 1] != record:
        yield f"should be an attempt of delivery {delivery.id}"


def check_files(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that each file has its bytes beside the state, and that there are no other bytes."""
    state, sizes = snapshot.state, snapshot.sizes
    for name, file in state.files.items():
        if file.name != name or not name:
            yield ("files", name, "name"), f"should be {quoted(name)}"
        if file.size != sizes.get(name):
            yield ("files", name, "size"), f"should be the number of bytes under `files`: {sizes.get(name)}"
        right = snapshot.digests.get(name)
        if (file.etag, file.digest) != (("", "") if right is None else (right.md5, right.sha256)):
            yield ("files", name, "etag"), "should be the MD5 of the bytes under `files`, and `digest` their SHA-256"
        if not is_moment(file.expires_at, file.link_expires_at, file.stored_at):
            yield ("files", name), "should expire from 1970 to 9998"
        if not snapshot.is_exchange(file.cause):
            yield ("files", name, "cause"), "should be the id of an exchange, not above the number in `numbers`"
    for name in sizes.keys() - state.files.keys():
        yield ("files",), f"the bytes of {quoted(name)} belong to no file"
