"""The ports to the outside, as protocols: where things are kept, and what time it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from mock_server.core.clock import SandboxClock
from mock_server.core.credits import Millicredits
from mock_server.core.journal import Exchange, File, Transition
from mock_server.core.ledger import Account, Entry
from mock_server.core.sandbox import RateLimit, Sandbox
from mock_server.core.task import Task


class RealTime(Protocol):
    """Real time, that never runs backwards."""

    def now(self) -> float:
        """Epoch seconds."""


class Due(NamedTuple):
    """A piece of work and the sandbox time at which it falls due; `number` keeps the order of equal times."""

    at: float
    number: int
    work: str
    subject: str


class Box(Protocol):
    """What one sandbox holds, opened for one atomic step: `with store.open(id) as box`.

    Nobody else sees or changes the sandbox between entering and leaving. Every verb costs O(1), or O(log n) for due
    work, however much is stored.
    """

    sandbox: Sandbox
    clock: SandboxClock

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

    def task_count(self) -> int: ...

    def schedule(self, at: float, work: str, subject: str) -> None: ...

    def take_due(self, now: float) -> Due | None:
        """Remove and return the earliest work due by `now`."""

    def next_due(self) -> float | None: ...

    def post(self, entry: Entry) -> None:
        """Add to the ledger, or raise `ledger.NotCovered` and change nothing."""

    def balance(self, account: Account) -> Millicredits: ...

    def entries(self) -> Sequence[Entry]: ...

    def take_rate(self, now: float, limit: RateLimit) -> float:
        """Count a call against `limit`: 0.0 if it is let through, else the seconds until one would be."""

    def record(self, record: Exchange | Transition) -> None:
        """Into the journal, which drops its oldest record when full."""

    def records(self) -> Sequence[Exchange | Transition]:
        """Oldest first."""

    def dropped(self) -> int:
        """How many records the journal has lost."""

    def put_file(self, file: File) -> None: ...

    def file(self, name: str) -> File | None: ...


class Json(Protocol):
    """JSON text, strictly read and compactly written."""

    def loads(self, raw: bytes) -> Any:
        """The value, or ValueError with a sentence fit for a client."""

    def dumps(self, value: Any) -> bytes: ...


class Blobs(Protocol):
    """Bytes of uploaded files, by key."""

    def put(self, key: str, content: bytes) -> None:
        """Keep all of it or raise OSError and keep nothing."""

    def get(self, key: str) -> bytes | None: ...

    def drop(self, prefix: str) -> None:
        """Forget every key that starts with `prefix`."""


class Store(Protocol):
    """Sandboxes, and the two indexes that span them."""

    def add(self, sandbox: Sandbox, clock: SandboxClock) -> None:
        """Keep a new sandbox; ValueError if its id or one of its keys is taken."""

    def open(self, sandbox_id: str) -> Box:
        """KeyError if there is no such sandbox."""

    def find(self, provider: str, key: str) -> tuple[str, str, bool] | None:
        """`(sandbox id, secret, disabled)` for a credential."""

    def ids(self) -> Sequence[str]: ...

    def drop(self, sandbox_id: str) -> bool: ...

    def publish(self, token: str, sandbox_id: str) -> None:
        """Let a public link's `token` lead to a sandbox; the last one to publish it has it."""

    def owner(self, token: str) -> str | None: ...
