"""Checks the deliveries of a snapshot and their attempts against the tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from swapmock.mock_server.admin.consistency.report import Inconsistency, Snapshot, is_moment, number_of, quoted
from swapmock.mock_server.core.callback_faults import SILENT_BEFORE_THE_END, PlannedSend
from swapmock.mock_server.core.delivery import DELIVERIES_KEPT, Attempt, Delivery, DeliveryState, host_of, waits
from swapmock.mock_server.core.task import Phase, Task

#: The longest wait in a retry schedule, in seconds, and the most waits.
LONGEST_WAIT, MOST_WAITS = 1e9, 1000


def check_deliveries(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that each delivery belongs to its task, that none is missing, and that its attempts lead to its state."""
    for index, delivery in enumerate(snapshot.state.deliveries):
        for place, detail in _delivery(delivery, snapshot):
            yield ("deliveries", index, *place), detail
    for place, detail in (*_numbers(snapshot), *_missing(snapshot)):
        yield ("deliveries", *place), detail


def _numbers(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that every number was given to one delivery. Only the oldest finished deliveries may have been dropped."""
    deliveries, last = snapshot.state.deliveries, snapshot.number("delivery")
    numbers = Counter(delivery.number for delivery in deliveries)
    for index, delivery in enumerate(deliveries):
        if numbers[delivery.number] > 1:
            yield (index, "number"), "is the number of another delivery, too"
        elif delivery.number > last:
            yield (index, "number"), f"should be at most {last}, the number in `numbers`"
    if [delivery.number for delivery in deliveries] != sorted(numbers):
        yield (), "should be in the order of their numbers"
    if not _has_dropped(snapshot) and len(numbers) < last:
        missing = next(number for number in range(1, last + 1) if number not in numbers)
        yield (), f"delivery {missing} is missing"


def _has_dropped(snapshot: Snapshot) -> bool:
    """Return whether the sandbox has so many finished deliveries that it has dropped older ones."""
    over = sum(delivery.is_over for delivery in snapshot.state.deliveries)
    return over >= DELIVERIES_KEPT


def _missing(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that a finished task has every delivery that its callback fault plans."""
    if _has_dropped(snapshot):
        return
    held = Counter(d.task for d in snapshot.state.deliveries if d.event != Phase.RUNNING or d.callback_fault)
    for task in snapshot.state.tasks.values():
        planned = snapshot.plan(task) if task.provider in snapshot.engine.contracts else None
        if task.callback_url is None or planned is None:
            continue
        wanted = max(1, len(planned)) if task.is_over(snapshot.shown) else 0
        if held[task.id] != wanted:
            yield (), f"task {quoted(task.id)} should have {wanted} deliveries about its end, not {held[task.id]}"


def _delivery(delivery: Delivery, snapshot: Snapshot) -> Iterator[Inconsistency]:
    if delivery.id != f"d{delivery.number}" or number_of(delivery.id, "d") == 0:
        yield ("id",), "should be `d` and the delivery's number"
    task = snapshot.state.tasks.get(delivery.task)
    if task is None or task.provider not in snapshot.engine.contracts or task.callback_url is None:
        yield ("task",), f"there is no task {quoted(delivery.task)} with a callback URL"
        return
    right = {"provider": task.provider, "operation": task.operation, "cause": task.cause, "url": task.callback_url}
    for name, value in (*right.items(), ("host", host_of(task.callback_url))):
        if getattr(delivery, name) != value:
            yield (name,), f"should be {value[:100]!r}, by task {quoted(task.id)}"
    if not _is_json(delivery, snapshot):
        yield ("body",), "should be JSON"
    planned = _planned(delivery, task, snapshot)
    if planned is None:
        yield (), "is no delivery that its task has: event, callback fault, corruption, waits or time do not fit"
        return
    if len(delivery.waits) > MOST_WAITS or not all(0 <= wait <= LONGEST_WAIT for wait in delivery.waits):
        yield ("waits",), f"should be at most {MOST_WAITS} numbers of seconds, each at most {LONGEST_WAIT:g}"
    elif snapshot.is_current and delivery.waits not in _schedules(task, planned, snapshot):
        yield ("waits",), "should be a retry schedule of the provider"
    if delivery.claim < 0:
        yield ("claim",), "should not be negative"
    wrong = [*_attempts(delivery, snapshot)]
    yield from wrong or _standing(delivery, planned, snapshot)


def _schedules(task: Task, planned: PlannedSend, snapshot: Snapshot) -> set[tuple[float, ...]]:
    """Return the retry schedules that a delivery can have."""
    callbacks = snapshot.engine.contracts[task.provider].behaviour.callbacks
    return {()} if planned.extra or callbacks is None else {waits(row) for row in callbacks.schedules.values()}


def _is_json(delivery: Delivery, snapshot: Snapshot) -> bool:
    try:
        snapshot.engine.json.loads(delivery.body)
    except ValueError:
        return False
    return True


def _planned(delivery: Delivery, task: Task, snapshot: Snapshot) -> PlannedSend | None:
    """Return the row of the callback fault that made a delivery; None if there is none."""
    at_start = delivery.event == Phase.RUNNING and not delivery.callback_fault
    if at_start:
        row = snapshot.engine.contracts[task.provider].behaviour.scenarios.get(task.scenario)
        fault = "" if row is None else row.delivery
        made = fault not in SILENT_BEFORE_THE_END and task.starts_at <= snapshot.shown
        plan: Sequence[PlannedSend] = (PlannedSend(body="started"),) if made else ()
        at: float | None = task.starts_at
    else:
        plan, at = snapshot.plan(task) or (PlannedSend(),), task.ends_at
        row = snapshot.engine.contracts[task.provider].behaviour.scenarios.get(task.scenario)
        if row is None or delivery.callback_fault != row.delivery or not task.is_over(snapshot.shown):
            return None
    if at is None or delivery.created_at != at:
        return None
    end = Phase.SUCCEEDED if task.failure is None else Phase.FAILED
    for planned in sorted(
        plan, key=lambda planned: planned.extra is bool(delivery.waits)
    ):  # an extra callback has no retries
        event = Phase.RUNNING if planned.body == "started" else end
        same = (delivery.event, delivery.corruption, delivery.alone) == (event, planned.corruption, planned.alone)
        if same and not (planned.extra and delivery.waits):
            return planned
    return None


def _attempts(delivery: Delivery, snapshot: Snapshot) -> Iterator[Inconsistency]:
    for index, attempt in enumerate(delivery.attempts):
        right = {
            "delivery": delivery.id,
            "attempt": index + 1,
            "task": delivery.task,
            "provider": delivery.provider,
            "event": delivery.event,
            "url": delivery.url,
            "cause": delivery.cause,
        }
        for name, value in right.items():
            if getattr(attempt, name) != value:
                yield ("attempts", index, name), f"should be {value!r:.100}, by the delivery"
        for detail in attempt_faults(attempt, snapshot):
            yield ("attempts", index), detail
        if attempt.due < delivery.created_at:
            yield ("attempts", index, "due"), "should not be before the delivery was created"


def attempt_faults(attempt: Attempt, snapshot: Snapshot) -> Iterator[str]:
    """Yield what is wrong with the numbers of one attempt."""
    if not is_moment(attempt.due, attempt.next_due) or not snapshot.is_past(attempt.sent) or attempt.due > attempt.sent:
        yield "should be due and then sent, from 1970 to the time that the clock shows"
    if not 0 <= attempt.latency <= LONGEST_WAIT:
        yield "should have a latency of at least 0"
    if attempt.status is not None and not 100 <= attempt.status <= 999:
        yield "should have an HTTP status from 100 to 999"
    if not attempt.failure and (attempt.next_due is not None or attempt.status is None):
        yield "should have a status and no next attempt, for it was acknowledged"


def _standing(delivery: Delivery, planned: PlannedSend, snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that state, next due time and number of retries follow from the attempts."""
    state, next_due = delivery.state, delivery.next_due
    before = delivery.before_redelivery
    if before is not None:
        if state is not DeliveryState.PENDING or next_due is None or not snapshot.is_past(next_due):
            yield ("before_redelivery",), "should be null, for the delivery is not being sent again"
        state, next_due = before.state, before.next_due
    first = None if state is DeliveryState.WITHHELD else delivery.created_at + planned.after
    last = delivery.attempts[-1] if delivery.attempts else None
    if next_due != (first if last is None else last.next_due):
        yield ("next_due",), "should follow from the last attempt, or from the time of the event if there is none"
    if (state is DeliveryState.PENDING) is (next_due is None):
        yield ("next_due",), "should be a time for a pending delivery, and null otherwise"
    if state not in _states(delivery, planned, snapshot):
        yield ("state",), f"{state} does not follow from the attempts"
    if delivery.retries not in _possible_retries(delivery):
        yield ("rung",), "should count the retries that were scheduled"


def _states(delivery: Delivery, planned: PlannedSend, snapshot: Snapshot) -> set[DeliveryState]:
    """Return the states that the attempts can have led to."""
    task = snapshot.state.tasks[delivery.task]
    is_withheld = snapshot.plan(task) == () and bool(delivery.callback_fault)
    acknowledged = [not attempt.failure for attempt in delivery.attempts]
    if not acknowledged:
        return {DeliveryState.WITHHELD} if is_withheld else {DeliveryState.PENDING}
    if acknowledged[-1]:
        return {DeliveryState.ACKNOWLEDGED}
    if any(acknowledged):
        return {DeliveryState.ACKNOWLEDGED}
    if is_withheld:
        return {DeliveryState.WITHHELD}
    if delivery.attempts[-1].next_due is not None:
        return {DeliveryState.PENDING}
    blocked = {DeliveryState.BLOCKED} if any(a.status is None for a in delivery.attempts) else set()
    return blocked | ({DeliveryState.DEAD} if len(delivery.waits) in _possible_retries(delivery) else set())


def _possible_retries(delivery: Delivery) -> set[int]:
    """Return the possible numbers of scheduled retries. An attempt on request schedules none, and looks like any
    other."""
    found = {0}
    for attempt in delivery.attempts:
        if attempt.failure and attempt.next_due is not None:
            scheduled = {n + 1 for n in found if n < len(delivery.waits) and _follows(attempt, delivery.waits[n])}
            found |= scheduled
    return found


def _follows(attempt: Attempt, wait: float) -> bool:
    return attempt.next_due == attempt.due + wait
