"""What happened, as records that name their causes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from swapmock.mock_server.core.delivery import Attempt

#: The `operation` of a preflight of CORS, which belongs to no operation of a contract.
PREFLIGHT = "preflight"


@dataclass(slots=True)
class Exchange:
    """One request and its answer. Times are sandbox time; `target` is path and query as sent; `code` is the
    envelope's (None without one); `violations` are those of the request, `drift` those of our own answer."""

    id: str
    at: float
    provider: str
    operation: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    status: int = 0
    code: int | str | None = None
    answer_headers: tuple[tuple[str, str], ...] = ()
    answer: bytes = b""
    task: str = ""
    problem: str = ""
    violations: tuple[Breach, ...] = ()
    drift: tuple[Breach, ...] = ()
    fault: str = ""
    scenario: str = ""
    delay: float = 0.0
    base_url: str = ""


class Breach(NamedTuple):
    """A broken rule of the contract: where (`body`, `query`, `path` or `response`, then names and indexes), the JSON
    Schema keyword, what it asks for and what came."""

    place: tuple[str | int, ...]
    rule: str
    expected: Any = None
    got: Any = None


class Transition(NamedTuple):
    """A task that entered a phase. `cause` is the exchange that created the task."""

    at: float
    task: str
    before: str
    after: str
    cause: str


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file: declared, then filled (`size` bytes). Times are sandbox time."""

    name: str
    content_type: str
    signature: str
    link_expires_at: float
    expires_at: float
    cause: str
    size: int | None = None


#: What the journal holds. Its kind is told by its type.
Record = Exchange | Transition | Attempt
