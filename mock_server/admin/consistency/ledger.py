"""Checks the ledger of a snapshot against its tasks."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.mock_server.admin.consistency.report import Inconsistency, Snapshot, quoted
from swapmock.mock_server.core.ledger import Entry, Move, prove
from swapmock.mock_server.core.task import Task

#: The moves that a task causes, and those that a call of the admin API causes.
TASK_MOVES = frozenset({Move.RESERVE, Move.SETTLE, Move.RELEASE})


def check_ledger(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that the ledger balances, and has exactly the entries that follow from the tasks."""
    state = snapshot.state
    by_task: dict[str, list[tuple[int, Entry]]] = {task_id: [] for task_id in state.tasks}
    manual = 0
    for index, entry in enumerate(state.entries):
        if entry.amount <= 0 or not snapshot.is_past(entry.at):
            yield ("entries", index), "should move an amount above 0, not after the time that the clock shows"
        manual += entry.move not in TASK_MOVES
        if entry.task in by_task:
            by_task[entry.task].append((index, entry))
        if (entry.move in (Move.GRANT, Move.WITHDRAW)) is not (entry.task == "") or (
            entry.task and entry.task not in by_task
        ):
            yield ("entries", index, "task"), f"a {entry.move} of task {quoted(entry.task)} is not possible"
        if entry.move not in TASK_MOVES and entry.cause:
            yield ("entries", index, "cause"), f"should be empty for a {entry.move}"
    if manual > snapshot.number("entry by hand") + 1:  # the first grant does not count as a manual entry
        yield ("numbers", "entry by hand"), f"should count the {manual - 1} manual entries of the ledger"
    for task_id, entries in by_task.items():
        yield from _entries_of(state.tasks[task_id], entries, snapshot.shown)
    finished = [task.id for task in state.tasks.values() if task.reserved and task.is_over(snapshot.shown)]
    for invariant in prove(state.entries, finished):
        if not invariant.holds:
            yield ("entries",), f"{invariant.name} does not hold: {invariant.detail}"


def _entries_of(task: Task, entries: list[tuple[int, Entry]], shown: float) -> Iterator[Inconsistency]:
    """Check that the entries of a task are its reservation, its capture if it has ended, then refunds of at most its
    charge."""
    own = [(index, entry) for index, entry in entries if entry.move in TASK_MOVES]
    wanted = list(_expected(task, shown))
    for (index, entry), right in zip(own, wanted, strict=False):
        for name in Entry._fields:
            if getattr(entry, name) != getattr(right, name):
                yield ("entries", index, name), f"should be {getattr(right, name)!r}, by task {quoted(task.id)}"
    for index, entry in own[len(wanted) :]:
        yield ("entries", index), f"task {quoted(task.id)} has a {entry.move} too many"
    for right in wanted[len(own) :]:
        yield ("entries",), f"the {right.move} of {right.amount} for task {quoted(task.id)} is missing"
    refunds = [(index, entry) for index, entry in entries if entry.move is Move.REFUND]
    left = task.charge if task.is_over(shown) else 0
    for index, entry in refunds:
        left -= entry.amount
        if left < 0 or any(index < other for other, _ in own):
            yield ("entries", index), f"refunds more than the charge of task {quoted(task.id)}, or before its end"


def _expected(task: Task, shown: float) -> Iterator[Entry]:
    if not task.reserved:
        return
    yield Entry(task.created_at, Move.RESERVE, task.reserved, task.id, task.cause)
    if task.ends_at is None or not task.is_over(shown):
        return
    if task.charge:
        yield Entry(task.ends_at, Move.SETTLE, task.charge, task.id, task.cause)
    if task.reserved > task.charge:
        yield Entry(task.ends_at, Move.RELEASE, task.reserved - task.charge, task.id, task.cause)
