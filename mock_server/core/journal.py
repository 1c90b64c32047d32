"""The journal: what happened, as records that name their causes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from swapmock.mock_server.core.codec import AddedIn
from swapmock.mock_server.core.delivery import Attempt

#: The `operation` of a CORS preflight, which belongs to no operation of a contract.
PREFLIGHT = "preflight"


@dataclass(slots=True)
class Exchange:
    """One request and its answer. Times are sandbox time. `target` is path and query as sent. `code` is the
    envelope's code (None without one). `violations` are those of the request, `drift` those of the emulator's own
    answer."""

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
    transfer: Annotated[Transfer | None, AddedIn("0.2")] = None


class Transfer(NamedTuple):
    """The file of a download or an upload. The journal keeps only its first bytes.

    `length` is the size of the whole file in bytes. `digest` is the SHA-256 of the whole file in hexadecimal
    digits ("" if unknown, such as for a video that was not sent whole). `range` is the Content-Range of the
    answer ("" for none). `sent` is the number of body bytes that went over the connection: of the answer to a
    download, of the request of an upload."""

    length: int
    digest: str = ""
    range: str = ""
    sent: int = 0


class Breach(NamedTuple):
    """A broken rule of the contract: the place (`body`, `query`, `path` or `response`, then names and indexes), the
    JSON Schema keyword, what it requires and what came."""

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
    """An uploaded file: first declared, then stored (`size` bytes). Times are sandbox time.

    `etag` is the MD5 of its bytes in hexadecimal digits, as in object stores; `digest` is their SHA-256.
    `stored_at` is when the bytes came, by the sandbox's clock or the machine's, whichever is earlier."""

    name: str
    content_type: str
    signature: str
    link_expires_at: float
    expires_at: float
    cause: str
    size: int | None = None
    etag: Annotated[str, AddedIn("0.2")] = ""
    digest: Annotated[str, AddedIn("0.2")] = ""
    stored_at: Annotated[float | None, AddedIn("0.2")] = None


#: A record of the journal. The type says what kind of record it is.
Record = Exchange | Transition | Attempt
