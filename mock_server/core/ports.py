"""The ports to the outside, as protocols: where things are kept, and what time it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.credits import Millicredits
from swapmock.mock_server.core.delivery import Delivery, SendResult
from swapmock.mock_server.core.faults import FaultRule, Turns
from swapmock.mock_server.core.inbox import Inbox
from swapmock.mock_server.core.journal import File, Record
from swapmock.mock_server.core.jsontext import JsonText
from swapmock.mock_server.core.ledger import Account, Entry
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.runs import Run
from swapmock.mock_server.core.sandbox import Credential, RateLimit, Sandbox
from swapmock.mock_server.core.state import State
from swapmock.mock_server.core.task import Task

__all__ = ["Blobs", "Box", "Json", "JsonQuery", "Meter", "RealTime", "Source", "Store", "StoreError", "Transport"]


class StoreError(Exception):
    """What a sandbox holds could not be kept or read. `is_away` says that the store cannot be reached: the same request
    may succeed later. The text is one line for an operator."""

    def __init__(self, text: str, *, is_away: bool = False) -> None:
        super().__init__(text)
        self.is_away = is_away


class RealTime(Protocol):
    """Real time, that never runs backwards."""

    def now(self) -> float:
        """Epoch seconds."""

    def pause(self, seconds: float) -> None:
        """Hold this thread."""


class Box(Protocol):
    """What one sandbox holds, opened for one atomic step: `with store.open(id) as box`.

    Nobody else sees or changes the sandbox between entering and leaving. Every verb costs O(1), or O(log n) for due
    work, however much is stored. A store that keeps its sandboxes beyond this process commits when the box is left, at most once.
    StoreError says that this failed; what was done since entering is then undone, or it is not known whether it is kept.

    `recovered` is the real time at which the store was opened after a crash: records of reads of the last second before may
    be missing in the journal. None if there was no crash.
    """

    sandbox: Sandbox
    clock: SandboxClock
    #: It is no part of a snapshot.
    inbox: Inbox
    recovered: float | None

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def next_number(self, sequence: str) -> int:
        """The next number of a named sequence, from 1."""

    def add_task(self, task: Task) -> None: ...

    def add_alias(self, alias: str, task_id: str) -> None:
        """A second name under which `task` finds it."""

    def task(self, name: str) -> Task | None:
        """By id or by alias."""

    def tasks(self) -> Iterator[Task]:
        """In the order of their creation."""

    def newest_tasks(self, most: int, skip: int = 0) -> Sequence[Task]:
        """At most `most` tasks, newest first, without the newest `skip` ones. Costs O(most + skip)."""

    def tasks_held(self) -> tuple[int, int]:
        """How many tasks there are, and the bytes of their requests in total."""

    def tasks_by_phase(self) -> Mapping[tuple[str, str, str], int]:
        """The number of tasks by (provider, kind, phase)."""

    def counts(self) -> Mapping[str, int]:
        """How much is held, by kind: exchanges, tasks, journal, ledger, faults, queue, files, due, deliveries. Copies nothing."""

    def schedule(self, at: float, work: str, subject: str) -> None: ...

    def take_due(self, now: float) -> tuple[str, str, float] | None:
        """Remove the earliest work due by `now`: what it is, its subject, and when it fell due."""

    def next_due(self) -> float | None:
        """When the next work or delivery falls due."""

    def next_callback_work(self) -> float | None:
        """When the next delivery, or the next work on a task with a callback, falls due; None if neither."""

    def put_delivery(self, delivery: Delivery) -> None:
        """Store a delivery, new or changed. Of those that are over, a bounded number is kept."""

    def delivery(self, delivery_id: str) -> Delivery | None: ...

    def deliveries(self) -> Sequence[Delivery]:
        """In the order of their creation."""

    def next_delivery(self) -> float | None:
        """When the next unclaimed delivery falls due."""

    def claim_due(self, now: float, real: float, until: float, take: Callable[[str], bool]) -> Sequence[Delivery]:
        """Claim the deliveries that are due by the sandbox time `now`: until the real time `until` nobody else gets them.

        `take(host)` is called before each claim; if it returns False, the rest of that host is not claimed. `real` is the
        real time: claims that have expired by then are due again first.
        """

    def claim(self, delivery_id: str, real: float, until: float) -> Delivery | None:
        """Claim one delivery, due or not, until the real time `until`. None if it is over, or claimed at the real time `real`."""

    def post(self, entry: Entry) -> None:
        """Add to the ledger, or raise `ledger.NotCovered` and change nothing."""

    def balance(self, account: Account) -> Millicredits: ...

    def entries(self) -> Sequence[Entry]: ...

    def newest_entries(self, most: int, skip: int = 0) -> Sequence[tuple[int, Entry]]:
        """At most `most` entries with their numbers, newest first, without the newest `skip` ones. Costs O(most)."""

    def take_rate(self, name: str, now: float, limit: RateLimit) -> float:
        """Count a call against the limit `name`. Returns 0.0 if it is allowed, else the seconds until the next one would be."""

    def record(self, record: Record) -> None:
        """Add to the journal. It drops its oldest records when it holds more records or bytes than it may."""

    def records(self) -> Sequence[Record]:
        """Oldest first."""

    def latest(self) -> Record | None:
        """The newest record, if any is held."""

    def forget_records(self) -> int:
        """Empty the journal, which counts from 1 again; how many records it held."""

    def dropped(self) -> int:
        """How many records the journal has lost."""

    def faults(self) -> Sequence[FaultRule]:
        """In the order in which they are tried."""

    def put_fault(self, rule: FaultRule) -> None: ...

    def drop_fault(self, rule_id: str) -> bool: ...

    def turns(self, rule_id: str) -> Turns:
        """How often a fault rule matched and was applied."""

    def set_turns(self, rule_id: str, turns: Turns) -> None: ...

    def queue(self) -> Sequence[Queued]:
        """Outcomes waiting for tasks, in their order."""

    def first_queued(self, provider: str, kind: str, operation: str, model: str) -> Queued | None:
        """The first of them that is for such a task."""

    def enqueue(self, item: Queued) -> None: ...

    def dequeue(self, item_id: str) -> bool: ...

    def put_file(self, file: File) -> None: ...

    def file(self, name: str) -> File | None: ...

    def newest_files(self, most: int) -> Sequence[File]:
        """At most `most` uploaded files, newest first. Costs O(most)."""

    def files_held(self) -> tuple[int, int]:
        """How many files there are, and their bytes in total."""

    def forget_files(self, now: float) -> Sequence[str]:
        """Forget the files that are of no use any more by `now`: expired, or never filled while their link lived. Their
        names."""

    def copy(self) -> Callable[[], State]:
        """Copy everything that is held, quickly. The returned function makes the State of that moment; it takes longer,
        and may be called when the box is no longer open."""

    def loader(self, state: State) -> Callable[[], None]:
        """Prepare to hold `state` in place of everything that is held; the box need not be open for that. The returned
        function makes the change, quickly, and may be called once, while the box is open."""

    def state(self) -> State:
        """`copy` and its result in one step."""

    def load(self, state: State) -> None:
        """`loader` and its result in one step."""


class Transport(Protocol):
    """Sends HTTP requests to receivers of callbacks."""

    @property
    def timeout(self) -> float:
        """The most real seconds that one send takes."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, asker: str = "") -> SendResult:
        """Send once. Whatever the receiver does becomes a SendResult, within `timeout` real seconds.

        `asker` is the address of the client that submitted the task, "" for one on this machine.
        """


class BoundedQuery(Protocol):
    """The conditions of one call. Both methods raise `faults.TooMuchWork` when the call has done all that it may."""

    def find(self, path: str, document: Any) -> Sequence[Any]:
        """The values at a path of either kind; empty where there is nothing."""

    def text(self, value: Any) -> str:
        """The text of a value."""


class JsonQuery(Protocol):
    """JSONPath and JSON Pointer."""

    def find(self, path: str, document: Any) -> Sequence[Any]:
        """The values at a path of either kind; empty where there is nothing."""

    def searches(self, path: str) -> bool:
        """Whether it looks at many values, and not only along its own steps."""

    def bounded(self) -> BoundedQuery:
        """`find` and `text` for the conditions of one call."""

    def check(self, path: str) -> None:
        """ValueError with a sentence fit for a client if `path` is neither."""


class Meter(Protocol):
    """Counts what a process does."""

    def answered(self, provider: str, operation: str, code: str, seconds: float) -> None: ...

    def attempted(self, provider: str, outcome: str) -> None: ...

    def drifted(self, provider: str, operation: str) -> None: ...

    def lagged(self, seconds: float) -> None: ...

    def held(self, seconds: float) -> None: ...

    def text(self, tasks: Mapping[tuple[str, str, str], int], sandboxes: int) -> str:
        """All counts in the text form of Prometheus; tasks by (provider, kind, phase)."""


class Json(Protocol):
    """JSON text, strictly read and compactly written."""

    def loads(self, raw: bytes) -> Any:
        """The value, or ValueError with a sentence fit for a client."""

    def dumps(self, value: Any) -> bytes: ...

    def write_large(self, value: Any, depth: int, encode: Callable[[Any], Any]) -> JsonText:
        """The JSON text of a large value, written in pieces: its first `depth` levels are mappings, lists and iterators,
        what lies below is written by `encode`."""


class Source(Protocol):
    """The bytes of a file, to be read piece by piece from any place of it."""

    @property
    def size(self) -> int:
        """Bytes of the whole file."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """The bytes from `start` up to `stop` (the end unless given), in pieces."""


class Blobs(Protocol):
    """Bytes of uploaded files, by key."""

    def put(self, key: str, content: bytes) -> None:
        """Keep all of it or raise OSError and keep nothing."""

    def get(self, key: str) -> bytes | None: ...

    def open(self, key: str) -> Source | None:
        """The bytes under `key` as they are now, without reading them; None if there are none. What is put or removed later
        does not change them."""

    def remove(self, key: str) -> None:
        """Forget one key, if it is there."""

    def drop(self, prefix: str) -> None:
        """Forget every key that starts with `prefix`."""


class Store(Protocol):
    """Sandboxes, and the two indexes that span them.

    `next_end` is the earliest noted end of a sandbox in real time, infinity if none is noted: what every request asks.
    """

    next_end: float
    #: Whether the state outlives this process. Such a store may fail: each use of it may raise StoreError.
    is_durable: bool

    def add(self, sandbox: Sandbox, clock: SandboxClock, entries: Sequence[Entry] = ()) -> None:
        """Keep a new sandbox with the first entries of its ledger; ValueError if its id or one of its keys is taken."""

    def open(self, sandbox_id: str) -> Box:
        """KeyError if there is no such sandbox; `placement.HeldElsewhere` if another process holds it."""

    def find(self, provider: str, key: str) -> tuple[str, str, bool] | None:
        """`(sandbox id, secret, disabled)` for a credential; `placement.HeldElsewhere` if another process holds it."""

    def ids(self) -> Sequence[str]: ...

    def sandbox_of(self, sandbox_id: str) -> Sandbox:
        """The settings of a sandbox, whichever process holds it. KeyError if there is none."""

    def set_credentials(self, sandbox_id: str, credentials: Sequence[Credential]) -> None:
        """Replace the credentials of a sandbox; ValueError if another one has one of the keys."""

    def drop(self, sandbox_id: str) -> bool: ...

    def expire(self, sandbox_id: str, at: float) -> None:
        """Note that a sandbox ends at a real time, in place of what was noted before."""

    def expired(self, real: float) -> Sequence[str]:
        """The sandboxes whose noted end has come by `real`; each is named once."""

    def publish(self, token: str, sandbox_id: str, *, behind: bool = False) -> None:
        """Let a public link's `token` lead to a sandbox; the last one to publish it has it, the others as long as
        they exist, should it be dropped. `behind` lets it be the last of the others. Of a sandbox that was dropped nothing
        is kept."""

    def claim(self, token: str, sandbox_id: str) -> bool:
        """Publish a token that no sandbox has published, in any process. False if one has; nothing is changed then."""

    def withdraw(self, sandbox_id: str) -> None:
        """Take back every token that leads to a sandbox."""

    def unpublish(self, token: str, sandbox_id: str) -> None:
        """Take back one token that leads to a sandbox, if it does."""

    def owner(self, token: str) -> str | None: ...

    def add_run(self, at: float, kind: str, document: Any) -> Run:
        """Keep the report of a run of checks, in place of the oldest one if there are `runs.MOST_RUNS`."""

    def runs(self) -> Sequence[Run]:
        """The runs, newest first."""

    def runs_added(self) -> int:
        """How many runs were ever added."""

    def wait_until_durable(self) -> Callable[[], None] | None:
        """What has to be called, and may take long, before that is acknowledged which was committed in this thread. None if
        it can be acknowledged at once."""

    def close(self) -> None:
        """Keep all that waits, and let another process open the store."""

    def reopen(self) -> None:
        """Open the store again after `close`. Raises StoreError."""
