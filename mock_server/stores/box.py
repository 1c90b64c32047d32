"""One sandbox in dictionaries, in the memory of this process. While it is open, a lock keeps other threads out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import islice
from math import inf
from threading import RLock
from types import TracebackType
from typing import NamedTuple

from swapmock.mock_server.core import ledger
from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.credits import Millicredits
from swapmock.mock_server.core.delivery import Delivery
from swapmock.mock_server.core.faults import FaultRule, Turns
from swapmock.mock_server.core.inbox import Inbox
from swapmock.mock_server.core.journal import Exchange, File, Record, Transfer, Transition
from swapmock.mock_server.core.ledger import Account, Entry
from swapmock.mock_server.core.queue import OutcomeQueue, Queued
from swapmock.mock_server.core.sandbox import RateLimit, Sandbox
from swapmock.mock_server.core.state import Due, State
from swapmock.mock_server.core.task import FAILED, QUEUED, RUNNING, SUCCEEDED, Phase, Task
from swapmock.mock_server.stores.agenda import Agenda
from swapmock.mock_server.stores.deliveries import Deliveries
from swapmock.mock_server.stores.files import Files
from swapmock.mock_server.stores.journal import BoundedJournal

#: If a sandbox was open for less time than this, in seconds, the time is not noted.
NOTED_SECONDS = 0.001


class Held(NamedTuple):
    """A listener for the time for which a sandbox was open: `note(sandbox id, seconds)` is called. `ticks()` returns
    a time in seconds."""

    ticks: Callable[[], float]
    note: Callable[[str, float], None]


#: A listener that does nothing.
UNWATCHED = Held(lambda: 0.0, lambda _sandbox, _seconds: None)


class MemoryBox:
    """A sandbox in memory; its methods are described in `core.ports.Box`. `journal` is the most records of its
    journal, and their most bytes."""

    #: What a state holds; `load` replaces all of it.
    _HELD = (
        "_numbers",
        "_tasks",
        "_task_bytes",
        "_with_callback",
        "_phase_counts",
        "_aliases",
        "_due",
        "_scheduled",
        "_callback_work",
        "_entries",
        "_balances",
        "_rates",
        "_journal",
        "_files",
        "_faults",
        "_turns",
        "_queue",
        "_deliveries",
    )
    # Python 3.11 finds the attributes and methods of an object fast if it has slots, or at most 30 attributes.
    __slots__ = (
        *_HELD,
        "sandbox",
        "clock",
        "tokens",
        "recovered",
        "inbox",
        "_lock",
        "_ticks",
        "_note",
        "_depth",
        "_since",
        "_journal_bounds",
    )

    def __init__(self, sandbox: Sandbox, clock: SandboxClock, journal: tuple[int, int], held: Held = UNWATCHED) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self._lock = RLock()
        self._ticks, self._note = held
        self._depth, self._since = 0, 0.0
        self._journal_bounds = journal
        #: The tokens of its public links, each with its position in the order of all publications.
        self.tokens: dict[str, int] = {}
        #: The real time at which a crash last lost records of reads; None if that never happened.
        self.recovered: float | None = None
        self.inbox = Inbox()
        self.hold(State())

    def load(self, state: State) -> None:
        """Replace the content by `state`: `loader` and its result in one step."""
        self.loader(state)()

    def loader(self, state: State) -> Callable[[], None]:
        """Prepare to replace the whole content by `state`; the box need not be open for this. The returned function
        makes the change quickly."""
        prepared = MemoryBox(self.sandbox, self.clock, self._journal_bounds)
        prepared.hold(state)
        changes = [(name, getattr(prepared, name)) for name in self._HELD]

        def finish() -> None:
            for name, value in changes:
                setattr(self, name, value)

        return finish

    def hold(self, state: State) -> None:
        """Take over `state` into this empty box."""
        self._numbers = dict(state.numbers)
        self._tasks = dict(state.tasks)
        self._task_bytes = sum(len(task.request) for task in self._tasks.values())
        #: The ids of tasks with a callback URL.
        self._with_callback = {task.id for task in self._tasks.values() if task.callback_url is not None}
        self._phase_counts: dict[tuple[str, str], dict[str, int]] = {}
        waiting = {due.subject: due.work for due in state.due}
        for task in self._tasks.values():
            self._phases(task)[_phase_before(task, waiting.get(task.id))] += 1
        self._aliases = dict(state.aliases)
        # Plain tuples for speed, because every task is handled here twice; `Due` names their fields.
        self._due = Agenda((due.at, due.number, due.work, due.subject) for due in state.due)
        self._scheduled = state.scheduled
        #: The times at which work on tasks with callbacks falls due, as a heap. Times of finished work are removed when
        #: they come first.
        self._callback_work = sorted(due.at for due in state.due if due.subject in self._with_callback)
        self._entries = list(state.entries)
        self._balances: dict[Account, Millicredits] = {}
        for entry in self._entries:
            ledger.apply(self._balances, entry)
        self._rates = {name: deque(calls) for name, calls in state.rates.items()}
        self._journal = BoundedJournal(*self._journal_bounds, state.journal)
        self._journal.recorded = state.recorded
        self._files = Files(state.files.values())
        self._faults = dict(state.faults)
        self._turns = dict(state.turns)
        self._queue = OutcomeQueue(state.queue)
        self._deliveries = Deliveries(state.deliveries)

    def state(self) -> State:
        """Return the State: `copy` and its result in one step."""
        return self.copy()()

    def copy(self) -> Callable[[], State]:
        """Copy the whole content quickly. The returned function makes the State of that time. It takes longer, and
        may be called when the box is closed."""
        copied = State(
            numbers=dict(self._numbers),
            tasks=dict(self._tasks),
            aliases=dict(self._aliases),
            scheduled=self._scheduled,
            entries=list(self._entries),
            rates={name: list(calls) for name, calls in self._rates.items()},
            journal=list(self._journal.all()),
            recorded=self._journal.recorded,
            files=self._files.by_name(),
            faults=dict(self._faults),
            turns=dict(self._turns),
            queue=list(self._queue),
            tokens=list(self.tokens),
            deliveries=list(self._deliveries.all()),
        )
        due = self._due.items()

        def finish() -> State:
            copied.due = [Due(*item) for item in sorted(due)]
            copied.tokens.sort()
            return copied

        return finish

    def __enter__(self) -> MemoryBox:
        self._lock.acquire()
        if not self._depth:
            self._since = self._ticks()
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth:
            self._lock.release()
            return
        seconds = self._ticks() - self._since
        self._lock.release()
        if seconds > NOTED_SECONDS:
            self._note(self.sandbox.id, seconds)

    def set_numbers(self, numbers: dict[str, int]) -> None:
        """Replace the last number of every sequence."""
        self._numbers = numbers

    def next_number(self, sequence: str) -> int:
        """Return the next number of the sequence with this name, from 1."""
        number = self._numbers.get(sequence, 0) + 1
        self._numbers[sequence] = number
        return number

    def add_task(self, task: Task) -> None:
        """Add a task."""
        self._tasks[task.id] = task
        self._task_bytes += len(task.request)
        if task.callback_url is not None:
            self._with_callback.add(task.id)
        self._phases(task)[QUEUED] += 1

    def replace_task(self, task: Task, *, is_scheduled: bool) -> None:
        """Replace the task with the id of `task`, and drop the work that is scheduled for it, if `is_scheduled`."""
        self._tasks[task.id] = task
        if is_scheduled:
            self._due.drop(task.id)

    def _phases(self, task: Task) -> dict[str, int]:
        """Return how many tasks of this task's kind there are in each phase."""
        kind = (task.provider, task.kind)
        row = self._phase_counts.get(kind)
        if row is None:
            row = self._phase_counts[kind] = dict.fromkeys((QUEUED, RUNNING, SUCCEEDED, FAILED), 0)
        return row

    def tasks_by_phase(self) -> Mapping[tuple[str, str, str], int]:
        """Return the number of tasks by (provider, kind, phase)."""
        return {(*kind, phase): count for kind, row in self._phase_counts.items() for phase, count in row.items()}

    def counts(self) -> Mapping[str, int]:
        """Return how much is stored of each kind: exchanges, tasks, journal, ledger, faults, queue, files, due,
        deliveries. Copies nothing."""
        return {
            "exchanges": self._journal.exchanges,
            "tasks": len(self._tasks),
            "journal": len(self._journal),
            "ledger": len(self._entries),
            "faults": len(self._faults),
            "queue": len(self._queue),
            "files": len(self._files),
            "due": len(self._due),
            "deliveries": len(self._deliveries),
        }

    def add_alias(self, alias: str, task_id: str) -> None:
        """Let `task` find the task `task_id` under the name `alias`, too."""
        self._aliases[alias] = task_id

    def task(self, name: str) -> Task | None:
        """Return the task with this id or alias; None if there is none."""
        task = self._tasks.get(name)
        if task is not None or not self._aliases:
            return task
        return self._tasks.get(self._aliases.get(name, ""))

    def tasks(self) -> Iterator[Task]:
        """Yield all tasks in the order of their creation."""
        return iter(tuple(self._tasks.values()))

    def newest_tasks(self, most: int, skip: int = 0) -> Sequence[Task]:
        """Return at most `most` tasks, newest first, without the newest `skip` ones. Costs O(most + skip)."""
        return tuple(islice(reversed(self._tasks.values()), skip, skip + most))

    def tasks_held(self) -> tuple[int, int]:
        """Return the number of tasks, and the total size of their requests in bytes."""
        return len(self._tasks), self._task_bytes

    def schedule(self, at: float, work: str, subject: str) -> None:
        """Note that the work `work` on `subject` falls due at the sandbox time `at`."""
        self._scheduled += 1
        self._due.add((at, self._scheduled, work, subject))
        if subject in self._with_callback:
            heappush(self._callback_work, at)

    def enter_next_phase(self, now: float) -> tuple[Task, Transition] | None:
        """Let the task whose work is the first that is due by `now` start or end, record this, and schedule its end if it
        starts. Return the task and the record; None if nothing is due."""
        while self._due.earliest <= now:
            at, _, work, subject = self._due.take()
            task = self._tasks.get(subject)
            if task is None:
                continue
            if work == "start":
                entered = Transition(at, subject, QUEUED, RUNNING, task.cause)
                if task.ends_at is not None:
                    MemoryBox.schedule(self, task.ends_at, "end", subject)
            else:
                after = SUCCEEDED if task.failure is None else FAILED
                entered = Transition(at, subject, RUNNING, after, task.cause)
            MemoryBox.enter_phase(self, task, entered)
            return task, entered
        return None

    def take_due(self, now: float) -> None:
        """Remove the earliest work that is due by `now`. Logs of earlier builds have this fact, and the others that
        `enter_next_phase` stands for."""
        if self._due.earliest <= now:
            self._due.take()

    def next_due(self) -> float | None:
        """Return when the next work or delivery falls due; None if nothing is due."""
        due, work = self.next_delivery(), self._due.earliest
        if work == inf:
            return due
        return work if due is None else min(due, work)

    def next_delivery(self) -> float | None:
        """Return when the next unclaimed delivery falls due; None if none is due."""
        return self._deliveries.next_due()

    def next_callback_work(self) -> float | None:
        """Return when the next delivery, or the next work on a task with a callback, falls due; None if neither is
        due."""
        while self._callback_work and self._callback_work[0] < self._due.earliest:
            heappop(self._callback_work)
        due = self.next_delivery()
        if not self._callback_work:
            return due
        return self._callback_work[0] if due is None else min(due, self._callback_work[0])

    def put_delivery(self, delivery: Delivery) -> None:
        """Store a delivery, new or changed. Only a limited number of finished deliveries is kept."""
        self._deliveries.put(delivery)

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return the delivery with this id; None if there is none."""
        return self._deliveries.get(delivery_id)

    def deliveries(self) -> Sequence[Delivery]:
        """Return the deliveries in the order of their creation."""
        return self._deliveries.all()

    def claim_due(self, now: float, real: float, until: float, take: Callable[[str], bool]) -> Sequence[Delivery]:
        """Claim the deliveries that are due by the sandbox time `now`, and return them. No other sender gets them
        before the real time `until`."""
        return self._deliveries.claim_due(now, real, take, lambda delivery_id: self.lease(delivery_id, until))

    def claim(self, delivery_id: str, real: float, until: float) -> Delivery | None:
        """Claim one delivery, due or not, until the real time `until`, and return it. Return None if it is finished,
        or still claimed at the real time `real`."""
        return self.lease(delivery_id, until) if self._deliveries.may_claim(delivery_id, real) else None

    def lease(self, delivery_id: str, until: float) -> Delivery:
        """Claim an existing, unclaimed delivery until the real time `until`."""
        return self._deliveries.lease(delivery_id, until)

    def release_leases(self) -> None:
        """Make all claimed deliveries due again: their senders no longer run."""
        self._deliveries.expire_leases(inf)

    def post(self, entry: Entry) -> None:
        """Add an entry to the ledger. Raises `ledger.NotCovered` and changes nothing if the account does not cover
        it."""
        ledger.apply(self._balances, entry)
        self._entries.append(entry)

    def balance(self, account: Account) -> Millicredits:
        """Return the balance of an account, in millicredits."""
        return self._balances.get(account, 0)

    def entries(self) -> Sequence[Entry]:
        """Return the entries of the ledger, oldest first."""
        return tuple(self._entries)

    def newest_entries(self, most: int, skip: int = 0) -> Sequence[tuple[int, Entry]]:
        """Return at most `most` entries with their numbers, newest first, without the newest `skip` ones. Costs
        O(most)."""
        last = len(self._entries) - skip
        return tuple((index + 1, self._entries[index]) for index in range(last - 1, max(-1, last - 1 - most), -1))

    def take_rate(self, name: str, now: float, limit: RateLimit) -> float:
        """Count a call against the limit `name` at the sandbox time `now`. Return 0.0 if the call is allowed, else
        the seconds until the next call would be."""
        calls = self._counted_calls(name, now, limit.seconds)
        if len(calls) >= limit.calls:
            return calls[0] + limit.seconds - now if calls else limit.seconds
        calls.append(now)
        return 0.0

    def _counted_calls(self, name: str, now: float, seconds: float) -> deque[float]:
        """Return the times of the calls that a limit over `seconds` still counts."""
        calls = self._rates.setdefault(name, deque())
        while calls and calls[0] + seconds <= now:
            calls.popleft()
        return calls

    def count_call(self, name: str, now: float, seconds: float) -> None:
        """Count a call at the sandbox time `now` that `take_rate` has already allowed for the limit `name` over
        `seconds`."""
        self._counted_calls(name, now, seconds).append(now)

    def record(self, record: Record) -> None:
        """Add a record to the journal. The journal drops its oldest records when it has more records or bytes than
        allowed."""
        if type(record) is Transition and (task := self._tasks.get(record.task)) is not None:
            MemoryBox.enter_phase(self, task, record)
        else:
            self._journal.append(record)

    def enter_phase(self, task: Task, entered: Transition) -> None:
        """Record that a stored task has entered a phase."""
        phases = self._phase_counts[task.provider, task.kind]
        phases[entered.before] -= 1
        phases[entered.after] += 1
        self._journal.append(entered)

    def note_transfer(self, exchange: Exchange, transfer: Transfer) -> None:
        """Note what went over the connection for `exchange`, which is in the journal."""
        exchange.transfer = transfer

    def set_transfer(self, name: str, transfer: Transfer) -> None:
        """Note `transfer` for the exchange with the id `name`. Does nothing if the journal has dropped the exchange."""
        for record in self._journal.latest_first():
            if type(record) is Exchange and record.id == name:
                record.transfer = transfer
                return

    def records(self) -> Sequence[Record]:
        """Return the records, oldest first."""
        return self._journal.all()

    def latest(self) -> Record | None:
        """Return the newest record; None if there is none."""
        return self._journal.latest

    def forget_records(self) -> int:
        """Empty the journal, which then counts from 1 again, and return how many records it had."""
        return self._journal.clear()

    def dropped(self) -> int:
        """Return how many records the journal has dropped."""
        return self._journal.dropped

    def faults(self) -> Sequence[FaultRule]:
        """Return the fault rules in the order in which they are tried."""
        return tuple(self._faults.values()) if self._faults else ()

    def put_fault(self, rule: FaultRule) -> None:
        """Add a fault rule, or replace the one with its id."""
        self._faults[rule.id] = rule

    def drop_fault(self, rule_id: str) -> bool:
        """Remove a fault rule. Return whether there was one."""
        self._turns.pop(rule_id, None)
        self._rates.pop(f"fault {rule_id}", None)
        return self._faults.pop(rule_id, None) is not None

    def turns(self, rule_id: str) -> Turns:
        """Return how often a fault rule matched and was applied."""
        return self._turns.get(rule_id, Turns())

    def set_turns(self, rule_id: str, turns: Turns) -> None:
        """Store how often a fault rule matched and was applied."""
        self._turns[rule_id] = turns

    def queue(self) -> Sequence[Queued]:
        """Return the outcomes that are queued for tasks, in order."""
        return tuple(self._queue)

    def first_queued(self, provider: str, kind: str, operation: str, model: str) -> Queued | None:
        """Return the first queued outcome for a task with this `provider`, `kind`, `operation` and `model`; None if
        there is none."""
        return self._queue.first_fit((provider, kind, operation, model))

    def enqueue(self, item: Queued) -> None:
        """Queue an outcome."""
        self._queue.add(item)

    def dequeue(self, item_id: str) -> bool:
        """Remove a queued outcome. Return whether there was one."""
        return self._queue.remove(item_id)

    def put_file(self, file: File) -> None:
        """Store the record of an uploaded file, new or changed."""
        self._files.put(file)

    def file(self, name: str) -> File | None:
        """Return the record of an uploaded file; None if there is none."""
        return self._files.get(name)

    def newest_files(self, most: int) -> Sequence[File]:
        """Return at most `most` records of uploaded files, newest first. Costs O(most)."""
        return self._files.newest(most)

    def files_held(self) -> tuple[int, int]:
        """Return the number of uploaded files, and their total size in bytes."""
        return len(self._files), self._files.size

    def forget_files(self, now: float) -> Sequence[str]:
        """Remove the records of files that cannot be used any more at `now`, and return their names: files that have
        expired, and files that were not uploaded before their upload link expired."""
        return self._files.forget(now)


def _phase_before(task: Task, work: str | None) -> Phase:
    """Return the phase of a task, from the work that waits for it."""
    if work == "start":
        return QUEUED
    if work == "end" or task.ends_at is None:
        return RUNNING
    return SUCCEEDED if task.failure is None else FAILED
