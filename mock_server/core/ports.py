"""The ports to the outside, as protocols: the store, the clock, callbacks, JSON, metrics and uploaded files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.credits import Millicredits
from swapmock.mock_server.core.delivery import Delivery, SendResult
from swapmock.mock_server.core.faults import FaultRule, Turns
from swapmock.mock_server.core.inbox import Inbox
from swapmock.mock_server.core.journal import Exchange, File, Record, Transfer, Transition
from swapmock.mock_server.core.jsontext import JsonText
from swapmock.mock_server.core.ledger import Account, Entry
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.runs import Run
from swapmock.mock_server.core.sandbox import Credential, RateLimit, Sandbox
from swapmock.mock_server.core.state import State
from swapmock.mock_server.core.task import Task

__all__ = ["Blobs", "Box", "Json", "JsonQuery", "Meter", "RealTime", "Source", "Store", "StoreError", "Transport"]


class StoreError(Exception):
    """The content of a sandbox could not be stored or read. `is_away` says that the store cannot be reached: the
    same request may succeed later. The text is one line for an operator."""

    def __init__(self, text: str, *, is_away: bool = False) -> None:
        super().__init__(text)
        self.is_away = is_away


class RealTime(Protocol):
    """Real time, which never goes back."""

    def now(self) -> float:
        """Return epoch seconds."""

    def pause(self, seconds: float) -> None:
        """Block this thread for `seconds`."""


class Box(Protocol):
    """The content of one sandbox, opened for one atomic step: `with store.open(id) as box`.

    While the box is open, no other thread or process sees or changes the sandbox. Every method costs O(1), or
    O(log n) for due work, however much is stored. A store that outlives the process commits when the box is left,
    at most once. If the commit fails, StoreError is raised; then everything done since entering is undone, or it
    is unknown whether it is stored.

    `recovered` is the real time at which the store was opened after a crash: the journal may lack records of
    reads in the last second before. None if there was no crash."""

    sandbox: Sandbox
    clock: SandboxClock
    #: The inbox is not part of a snapshot.
    inbox: Inbox
    recovered: float | None

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def next_number(self, sequence: str) -> int:
        """Return the next number of the sequence with this name, from 1."""

    def add_task(self, task: Task) -> None:
        """Add a task."""

    def replace_task(self, task: Task, *, is_scheduled: bool) -> None:
        """Replace the task with the id of `task`. `is_scheduled` says whether work is scheduled for it: that is
        dropped."""

    def add_alias(self, alias: str, task_id: str) -> None:
        """Let `task` find the task `task_id` under the name `alias`, too."""

    def task(self, name: str) -> Task | None:
        """Return the task with this id or alias; None if there is none."""

    def tasks(self) -> Iterator[Task]:
        """Yield all tasks in the order of their creation."""

    def newest_tasks(self, most: int, skip: int = 0) -> Sequence[Task]:
        """Return at most `most` tasks, newest first, without the newest `skip` ones. Costs O(most + skip)."""

    def tasks_held(self) -> tuple[int, int]:
        """Return the number of tasks, and the total size of their requests in bytes."""

    def tasks_by_phase(self) -> Mapping[tuple[str, str, str], int]:
        """Return the number of tasks by (provider, kind, phase)."""

    def counts(self) -> Mapping[str, int]:
        """Return how much is stored of each kind: exchanges, tasks, journal, ledger, faults, queue, files, due,
        deliveries. Copies nothing."""

    def schedule(self, at: float, work: str, subject: str) -> None:
        """Note that the work `work` on `subject` falls due at the sandbox time `at`."""

    def enter_next_phase(self, now: float) -> tuple[Task, Transition] | None:
        """Let the task whose work is the first that is due by `now` start or end, record this, and schedule its end if it
        starts. Return the task and the record; None if nothing is due. The record and the next work follow from the
        task alone."""

    def next_due(self) -> float | None:
        """Return when the next work or delivery falls due; None if nothing is due."""

    def next_callback_work(self) -> float | None:
        """Return when the next delivery, or the next work on a task with a callback, falls due; None if neither is
        due."""

    def put_delivery(self, delivery: Delivery) -> None:
        """Store a delivery, new or changed. Only a limited number of finished deliveries is kept."""

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return the delivery with this id; None if there is none."""

    def deliveries(self) -> Sequence[Delivery]:
        """Return the deliveries in the order of their creation."""

    def next_delivery(self) -> float | None:
        """Return when the next unclaimed delivery falls due; None if none is due."""

    def claim_due(self, now: float, real: float, until: float, take: Callable[[str], bool]) -> Sequence[Delivery]:
        """Claim the deliveries that are due by the sandbox time `now`, and return them. No other sender gets them
        before the real time `until`.

        `take(host)` is called before each claim; if it returns False, no further delivery to this host is
        claimed. `real` is the real time: claims that have expired by then are released first."""

    def claim(self, delivery_id: str, real: float, until: float) -> Delivery | None:
        """Claim one delivery, due or not, until the real time `until`, and return it. Return None if it is finished,
        or still claimed at the real time `real`."""

    def post(self, entry: Entry) -> None:
        """Add an entry to the ledger. Raises `ledger.NotCovered` and changes nothing if the account does not cover
        it."""

    def balance(self, account: Account) -> Millicredits:
        """Return the balance of an account, in millicredits."""

    def entries(self) -> Sequence[Entry]:
        """Return the entries of the ledger, oldest first."""

    def newest_entries(self, most: int, skip: int = 0) -> Sequence[tuple[int, Entry]]:
        """Return at most `most` entries with their numbers, newest first, without the newest `skip` ones. Costs
        O(most)."""

    def take_rate(self, name: str, now: float, limit: RateLimit) -> float:
        """Count a call against the limit `name` at the sandbox time `now`. Return 0.0 if the call is allowed, else
        the seconds until the next call would be."""

    def record(self, record: Record) -> None:
        """Add a record to the journal. The journal drops its oldest records when it has more records or bytes than
        allowed."""

    def enter_phase(self, task: Task, entered: Transition) -> None:
        """Record that the stored `task` has entered a phase, and count it there."""

    def note_transfer(self, exchange: Exchange, transfer: Transfer) -> None:
        """Note what went over the connection for `exchange`, which is in the journal."""

    def records(self) -> Sequence[Record]:
        """Return the records, oldest first."""

    def latest(self) -> Record | None:
        """Return the newest record; None if there is none."""

    def forget_records(self) -> int:
        """Empty the journal, which then counts from 1 again, and return how many records it had."""

    def dropped(self) -> int:
        """Return how many records the journal has dropped."""

    def faults(self) -> Sequence[FaultRule]:
        """Return the fault rules in the order in which they are tried."""

    def put_fault(self, rule: FaultRule) -> None:
        """Add a fault rule, or replace the one with its id."""

    def drop_fault(self, rule_id: str) -> bool:
        """Remove a fault rule. Return whether there was one."""

    def turns(self, rule_id: str) -> Turns:
        """Return how often a fault rule matched and was applied."""

    def set_turns(self, rule_id: str, turns: Turns) -> None:
        """Store how often a fault rule matched and was applied."""

    def queue(self) -> Sequence[Queued]:
        """Return the outcomes that are queued for tasks, in order."""

    def first_queued(self, provider: str, kind: str, operation: str, model: str) -> Queued | None:
        """Return the first queued outcome for a task with this `provider`, `kind`, `operation` and `model`; None if
        there is none."""

    def enqueue(self, item: Queued) -> None:
        """Queue an outcome."""

    def dequeue(self, item_id: str) -> bool:
        """Remove a queued outcome. Return whether there was one."""

    def put_file(self, file: File) -> None:
        """Store the record of an uploaded file, new or changed."""

    def file(self, name: str) -> File | None:
        """Return the record of an uploaded file; None if there is none."""

    def newest_files(self, most: int) -> Sequence[File]:
        """Return at most `most` records of uploaded files, newest first. Costs O(most)."""

    def files_held(self) -> tuple[int, int]:
        """Return the number of uploaded files, and their total size in bytes."""

    def forget_files(self, now: float) -> Sequence[str]:
        """Remove the records of files that cannot be used any more at `now`, and return their names: files that have
        expired, and files that were not uploaded before their upload link expired."""

    def copy(self) -> Callable[[], State]:
        """Copy the whole content quickly. The returned function makes the State of that time. It takes longer, and
        may be called when the box is closed."""

    def loader(self, state: State) -> Callable[[], None]:
        """Prepare to replace the whole content by `state`; the box need not be open for this. The returned function
        makes the change quickly. It may be called once, while the box is open."""

    def state(self) -> State:
        """Return the State: `copy` and its result in one step."""

    def load(self, state: State) -> None:
        """Replace the content by `state`: `loader` and its result in one step."""


class Transport(Protocol):
    """Sends HTTP requests to receivers of callbacks."""

    @property
    def timeout(self) -> float:
        """The most real seconds that one send takes."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, asker: str = "") -> SendResult:
        """Send one request and return its result. Whatever the receiver does becomes a SendResult, within `timeout`
        real seconds.

        `asker` is the address of the client that submitted the task, "" for a client on this machine."""


class BoundedQuery(Protocol):
    """The conditions of one call. Both methods raise `faults.TooMuchWork` when the call has used up its allowed
    work."""

    def find(self, path: str, document: Any) -> Sequence[Any]:
        """Return the values in `document` at a JSONPath or JSON Pointer; empty if there are none."""

    def text(self, value: Any) -> str:
        """Return the text of a value."""


class JsonQuery(Protocol):
    """JSONPath and JSON Pointer."""

    def find(self, path: str, document: Any) -> Sequence[Any]:
        """Return the values in `document` at a JSONPath or JSON Pointer; empty if there are none."""

    def searches(self, path: str) -> bool:
        """Return whether `path` looks at many values, and not only at those along its own steps."""

    def bounded(self) -> BoundedQuery:
        """Return `find` and `text` for the conditions of one call, with a limit on their work."""

    def check(self, path: str) -> None:
        """Raise ValueError with a sentence for the client if `path` is neither."""


class Meter(Protocol):
    """Counts what a process does, for metrics."""

    def answered(self, provider: str, operation: str, code: str, seconds: float) -> None:
        """Count an answer of an operation with this code, which took `seconds`."""

    def attempted(self, provider: str, outcome: str) -> None:
        """Count an attempt to send a callback."""

    def drifted(self, provider: str, operation: str) -> None:
        """Count an answer that broke the contract."""

    def lagged(self, seconds: float) -> None:
        """Note by how many seconds the event loop was late."""

    def held(self, seconds: float) -> None:
        """Note for how many seconds a sandbox was open."""

    def text(self, tasks: Mapping[tuple[str, str, str], int], sandboxes: int) -> str:
        """Return all counts in the text format of Prometheus. `tasks` has numbers by (provider, kind, phase);
        `sandboxes` is their number."""


class Json(Protocol):
    """Reads JSON text strictly, and writes it compactly."""

    def loads(self, raw: bytes) -> Any:
        """Return the parsed value. Raises ValueError with a sentence for the client."""

    def dumps(self, value: Any) -> bytes:
        """Return the value as compact JSON text."""

    def write_large(self, value: Any, depth: int, encode: Callable[[Any], Any]) -> JsonText:
        """Return the JSON text of a large value, written in pieces: its first `depth` levels are mappings, lists and
        iterators; everything below is written by `encode`."""


class Source(Protocol):
    """The bytes of a file, which can be read in pieces from any position."""

    @property
    def size(self) -> int:
        """The size of the whole file in bytes."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """Yield the bytes from `start` to `stop` (exclusive; by default the end), in pieces."""


class Blobs(Protocol):
    """The bytes of uploaded files, by key."""

    def put(self, key: str, content: bytes) -> None:
        """Store all of `content`. If this fails, raise OSError and store nothing."""

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`; None if there are none."""

    def open(self, key: str) -> Source | None:
        """Return the current bytes under `key` without reading them; None if there are none. Later changes of the
        key do not affect them."""

    def remove(self, key: str) -> None:
        """Remove one key, if it exists."""

    def drop(self, prefix: str) -> None:
        """Remove every key that starts with `prefix`."""


class Store(Protocol):
    """All sandboxes, with the two indexes over them: credentials and public links.

    `next_end` is the earliest noted end of a sandbox in real time, infinity if none is noted. Every request reads
    it."""

    next_end: float
    #: Whether the state outlives this process. Such a store may fail: each method may raise StoreError.
    is_durable: bool

    def add(self, sandbox: Sandbox, clock: SandboxClock, entries: Sequence[Entry] = ()) -> None:
        """Add a new sandbox with the first entries of its ledger. Raises ValueError if its id or one of its keys is
        taken."""

    def open(self, sandbox_id: str) -> Box:
        """Return the box of a sandbox. Raises KeyError if there is none, and `placement.HeldElsewhere` if another
        process holds it."""

    def find(self, provider: str, key: str) -> tuple[str, str, bool] | None:
        """Return `(sandbox id, secret, disabled)` for a credential; None for an unknown one. Raises
        `placement.HeldElsewhere` if another process holds the sandbox."""

    def ids(self) -> Sequence[str]:
        """Return the ids of all sandboxes."""

    def sandbox_of(self, sandbox_id: str) -> Sandbox:
        """Return the settings of a sandbox, whichever process holds it. Raises KeyError if there is none."""

    def set_credentials(self, sandbox_id: str, credentials: Sequence[Credential]) -> None:
        """Replace the credentials of a sandbox. Raises ValueError if another sandbox has one of the keys."""

    def drop(self, sandbox_id: str) -> bool:
        """Remove a sandbox. Return whether there was one."""

    def expire(self, sandbox_id: str, at: float) -> None:
        """Note that a sandbox ends at the real time `at`. This replaces an earlier note."""

    def expired(self, real: float) -> Sequence[str]:
        """Return the sandboxes whose noted end has come by `real`. Each is returned once."""

    def publish(self, token: str, sandbox_id: str, *, behind: bool = False) -> None:
        """Let a public link's `token` lead to a sandbox.

        If several sandboxes publish one token, it leads to the last one; when that is removed, to the one before.
        With `behind`, the sandbox becomes the last alternative instead. Nothing is kept of a removed sandbox."""

    def claim(self, token: str, sandbox_id: str) -> bool:
        """Publish a token that no sandbox of any process has published, and return True. If one has, change nothing
        and return False."""

    def withdraw(self, sandbox_id: str) -> None:
        """Remove every token that leads to a sandbox."""

    def unpublish(self, token: str, sandbox_id: str) -> None:
        """Remove one token that leads to a sandbox, if it does."""

    def owner(self, token: str) -> str | None:
        """Return the sandbox to which a token leads; None if there is none."""

    def add_run(self, at: float, kind: str, document: Any) -> Run:
        """Store the report `document` of a run of checks of this `kind`, made at the real time `at`. If there are
        `runs.MOST_RUNS` already, it replaces the oldest."""

    def runs(self) -> Sequence[Run]:
        """Return the runs, newest first."""

    def runs_added(self) -> int:
        """Return how many runs were ever added."""

    def wait_until_durable(self) -> Callable[[], None] | None:
        """Return a function to call before the commits of this thread are acknowledged; the call may take long. None
        if they can be acknowledged at once."""

    def when_emptied(self, make: Callable[[], object]) -> None:
        """Call `make()` if the storage turns out to be empty later on, for example after a restart of a Redis that stores
        nothing on the disk. `make` adds the sandboxes that are always there."""

    def close(self) -> None:
        """Store everything that is not stored yet, and let another process open the store."""

    def reopen(self) -> None:
        """Open the store again after `close`. Raises StoreError."""
