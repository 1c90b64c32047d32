"""The Store port over plain dictionaries, for one process. A lock a sandbox makes each opening atomic."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from threading import Lock, RLock
from types import TracebackType

from mock_server.core import ledger
from mock_server.core.clock import SandboxClock
from mock_server.core.credits import Millicredits
from mock_server.core.journal import Exchange, File, Transition
from mock_server.core.ledger import Account, Entry
from mock_server.core.ports import Due
from mock_server.core.sandbox import RateLimit, Sandbox
from mock_server.core.task import Task


class MemoryBox:
    def __init__(self, sandbox: Sandbox, clock: SandboxClock, journal_size: int) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self._lock = RLock()
        self._numbers: dict[str, int] = {}
        self._tasks: dict[str, Task] = {}
        self._aliases: dict[str, str] = {}
        self._due: list[Due] = []
        self._scheduled = 0
        self._balances: dict[Account, Millicredits] = {}
        self._entries: list[Entry] = []
        self._calls: deque[float] = deque()
        self._journal: deque[Exchange | Transition] = deque(maxlen=journal_size)
        self._recorded = 0
        self._files: dict[str, File] = {}

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

    def take_rate(self, now: float, limit: RateLimit) -> float:
        calls = self._calls
        while calls and calls[0] <= now - limit.seconds:
            calls.popleft()
        if len(calls) >= limit.calls:
            return calls[0] + limit.seconds - now
        calls.append(now)
        return 0.0

    def record(self, record: Exchange | Transition) -> None:
        self._recorded += 1
        self._journal.append(record)

    def records(self) -> Sequence[Exchange | Transition]:
        return tuple(self._journal)

    def dropped(self) -> int:
        return self._recorded - len(self._journal)

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
            self._tokens = {token: owner for token, owner in self._tokens.items() if owner != sandbox_id}
        return True

    def publish(self, token: str, sandbox_id: str) -> None:
        self._tokens[token] = sandbox_id

    def owner(self, token: str) -> str | None:
        return self._tokens.get(token)
