"""The Store port over plain dictionaries, for one process. A lock a sandbox makes each opening atomic."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from threading import Lock, RLock
from types import TracebackType

from mock_server.core import ledger
from mock_server.core.clock import SandboxClock
from mock_server.core.credits import Millicredits
from mock_server.core.faults import FaultRule, Turns
from mock_server.core.journal import File, Record
from mock_server.core.ledger import Account, Entry
from mock_server.core.queue import Queued
from mock_server.core.sandbox import RateLimit, Sandbox
from mock_server.core.state import Due, State
from mock_server.core.task import Task


class MemoryBox:
    def __init__(self, sandbox: Sandbox, clock: SandboxClock, journal_size: int) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self._lock = RLock()
        self._journal_size = journal_size
        self.tokens: set[str] = set()
        self.load(State())

    def load(self, state: State) -> None:
        self._numbers = dict(state.numbers)
        self._tasks = dict(state.tasks)
        self._aliases = dict(state.aliases)
        self._due = list(state.due)
        heapify(self._due)
        self._scheduled = state.scheduled
        self._entries = list(state.entries)
        self._balances: dict[Account, Millicredits] = {}
        for entry in self._entries:
            ledger.apply(self._balances, entry)
        self._rates = {name: deque(calls) for name, calls in state.rates.items()}
        self._journal: deque[Record] = deque(state.journal, maxlen=self._journal_size)
        self._recorded = state.recorded
        self._files = dict(state.files)
        self._faults = dict(state.faults)
        self._turns = dict(state.turns)
        self._queue = {item.id: item for item in state.queue}

    def state(self) -> State:
        return State(
            numbers=dict(self._numbers),
            tasks=dict(self._tasks),
            aliases=dict(self._aliases),
            due=sorted(self._due),
            scheduled=self._scheduled,
            entries=list(self._entries),
            rates={name: list(calls) for name, calls in self._rates.items()},
            journal=list(self._journal),
            recorded=self._recorded,
            files=dict(self._files),
            faults=dict(self._faults),
            turns=dict(self._turns),
            queue=list(self._queue.values()),
        )

    def __enter__(self) -> MemoryBox:
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def next_number(self, sequence: str) -> int:
        number = self._numbers.get(sequence, 0) + 1
        self._numbers[sequence] = number
        return number

    def add_task(self, task: Task) -> None:
        self._tasks[task.id] = task

    def add_alias(self, alias: str, task_id: str) -> None:
        self._aliases[alias] = task_id

    def task(self, name: str) -> Task | None:
        return self._tasks.get(name) or self._tasks.get(self._aliases.get(name, ""))

    def tasks(self) -> Iterator[Task]:
        return iter(tuple(self._tasks.values()))

    def task_count(self) -> int:
        return len(self._tasks)

    def schedule(self, at: float, work: str, subject: str) -> None:
        self._scheduled += 1
        heappush(self._due, Due(at, self._scheduled, work, subject))

    def take_due(self, now: float) -> Due | None:
        return heappop(self._due) if self._due and self._due[0].at <= now else None

    def next_due(self) -> float | None:
        return self._due[0].at if self._due else None

    def post(self, entry: Entry) -> None:
        ledger.apply(self._balances, entry)
        self._entries.append(entry)

    def balance(self, account: Account) -> Millicredits:
        return self._balances.get(account, 0)

    def entries(self) -> Sequence[Entry]:
        return tuple(self._entries)

    def take_rate(self, name: str, now: float, limit: RateLimit) -> float:
        calls = self._rates.setdefault(name, deque())
        while calls and calls[0] <= now - limit.seconds:
            calls.popleft()
        if len(calls) >= limit.calls:
            return calls[0] + limit.seconds - now
        calls.append(now)
        return 0.0

    def record(self, record: Record) -> None:
        self._recorded += 1
        self._journal.append(record)

    def records(self) -> Sequence[Record]:
        return tuple(self._journal)

    def dropped(self) -> int:
        return self._recorded - len(self._journal)

    def faults(self) -> Sequence[FaultRule]:
        return tuple(self._faults.values()) if self._faults else ()

    def put_fault(self, rule: FaultRule) -> None:
        self._faults[rule.id] = rule

    def drop_fault(self, rule_id: str) -> bool:
        self._turns.pop(rule_id, None)
        self._rates.pop(f"fault {rule_id}", None)
        return self._faults.pop(rule_id, None) is not None

    def turns(self, rule_id: str) -> Turns:
        return self._turns.get(rule_id, Turns())

    def set_turns(self, rule_id: str, turns: Turns) -> None:
        self._turns[rule_id] = turns

    def queue(self) -> Sequence[Queued]:
        return tuple(self._queue.values()) if self._queue else ()

    def enqueue(self, item: Queued) -> None:
        self._queue[item.id] = item

    def dequeue(self, item_id: str) -> bool:
        return self._queue.pop(item_id, None) is not None

    def put_file(self, file: File) -> None:
        self._files[file.name] = file

    def file(self, name: str) -> File | None:
        return self._files.get(name)


class MemoryStore:
    """`journal_size` bounds the journal of each sandbox."""

    def __init__(self, journal_size: int = 1000) -> None:
        self._journal_size = journal_size
        self._lock = Lock()
        self._boxes: dict[str, MemoryBox] = {}
        self._credentials: dict[tuple[str, str], tuple[str, str, bool]] = {}
        self._tokens: dict[str, str] = {}
        self._ends: list[tuple[float, str]] = []

    def add(self, sandbox: Sandbox, clock: SandboxClock) -> None:
        keys = {(c.provider, c.key): (sandbox.id, c.secret, c.disabled) for c in sandbox.credentials}
        with self._lock:
            taken = [key for _, key in keys.keys() & self._credentials.keys()]
            if sandbox.id in self._boxes or taken:
                raise ValueError(f"sandbox {sandbox.id} or its credentials exist already")
            self._boxes[sandbox.id] = MemoryBox(sandbox, clock, self._journal_size)
            self._credentials.update(keys)

    def open(self, sandbox_id: str) -> MemoryBox:
        return self._boxes[sandbox_id]

    def find(self, provider: str, key: str) -> tuple[str, str, bool] | None:
        return self._credentials.get((provider, key))

    def ids(self) -> Sequence[str]:
        return tuple(self._boxes)

    def drop(self, sandbox_id: str) -> bool:
        with self._lock:
            box = self._boxes.pop(sandbox_id, None)
            if box is None:
                return False
            for credential in box.sandbox.credentials:
                self._credentials.pop((credential.provider, credential.key), None)
            for token in box.tokens:
                if self._tokens.get(token) == sandbox_id:
                    del self._tokens[token]
        return True

    def expire(self, sandbox_id: str, at: float) -> None:
        with self._lock:
            heappush(self._ends, (at, sandbox_id))

    def expired(self, real: float) -> Sequence[str]:
        if not self._ends or self._ends[0][0] > real:
            return ()
        with self._lock:
            found = []
            while self._ends and self._ends[0][0] <= real:
                found.append(heappop(self._ends)[1])
        return found

    def publish(self, token: str, sandbox_id: str) -> None:
        self._tokens[token] = sandbox_id
        self._boxes[sandbox_id].tokens.add(token)

    def owner(self, token: str) -> str | None:
        return self._tokens.get(token)
