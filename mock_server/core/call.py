"""What the web layer and the handlers exchange: a Call goes in, a Reply or a Problem comes out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from swapmock.mock_server.core.immutable import immutable
from swapmock.mock_server.core.journal import Breach
from swapmock.mock_server.core.seeded import hexadecimal
from swapmock.mock_server.core.task import Task

if TYPE_CHECKING:
    from swapmock.mock_server.core.ports import Box


class Digests(NamedTuple):
    """Digests of the body of an upload, in hexadecimal digits; `checksums` are further ones that its headers ask for, by name."""

    md5: str
    sha256: str
    checksums: Mapping[str, bytes] = {}


@dataclass(slots=True)
class Call:
    """One request to one operation, independent of any web framework.

    `params` has the path and query parameters, typed as in the contract. `body` is the parsed JSON (None without
    one), `raw` its bytes. `whole` is the body that came, if `raw` was shortened; a task keeps it. Header names are in lower case. `now` is the sandbox's time. `exchange` is the id under
    which the journal records the call. `base_url` is the URL by which the client reached the emulator, without a
    final slash. `own_url` is the same for a call to the admin API, whose `base_url` is that of the vendors' APIs.
    `client` is the address of the client, "" if unknown. For a file store, `method` is that of the request, and
    `digests` are those of an upload, if they were computed before. `may_be_magic` is False if the body certainly
    contains no magic value. `has_left`, if known, returns whether the client has disconnected. `received` is the
    machine's time in epoch seconds at which the request came, infinity if unknown.

    A handler sets `task` to the id of the task that the call concerns, `queued` to the id of the queued outcome
    that it uses, and `callback_first` if the callback of that task must come before the answer. It adds to
    `noted`, for the journal, what it accepted although the contract does not allow it."""

    operation: str
    params: Mapping[str, Any]
    body: Any
    raw: bytes
    headers: Mapping[str, str]
    box: Box
    now: float
    variants: Mapping[str, Any]
    base_url: str
    exchange: str
    provider: str
    task: str = ""
    queued: str = ""
    callback_first: bool = False
    own_url: str = ""
    has_left: Callable[[], bool] | None = None
    client: str = ""
    noted: tuple[Breach, ...] = ()
    may_be_magic: bool = True
    method: str = ""
    digests: Digests | None = None
    received: float = inf
    whole: bytes | None = None

    def machine_time_before(self, at: float | None) -> float | None:
        """Return `received`, if the sandbox's clock runs and shows the later time `at`; None otherwise. The records of a
        sandbox with a frozen clock are the same in every run."""
        if at is None or self.received >= at or self.box.clock.rate == 0.0:
            return None
        return self.received


def texts(value: Any, apart: Collection[str] = (), place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every `(place, text)` in the JSON value `value`, in order. Top-level members named in `apart` are left
    out: they hold callback URLs, which are not media."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, item in value.items():
            if place or name not in apart:
                yield from texts(item, apart, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, apart, f"{place}.{index}" if place else str(index))


#: The most URLs of temporary magic values that a sandbox counts.
MOST_CLEARING = 10_000


def still_holds(box: Box, url: str, times: int | None) -> bool:
    """Count this call, and return whether the magic value `url` still has its effect in the sandbox.

    `times` is the number of calls for which it has the effect, None for all. Raises Problem `rate_limited` if the
    sandbox counts too many such URLs."""
    if times is None:
        return True
    number = box.next_number(f"magic {hexadecimal(16, url)}")
    if number == 1 and box.next_number("magic") > MOST_CLEARING:
        message = f"the sandbox counts {MOST_CLEARING} URLs that clear by themselves; reset it, or use another one"
        raise Problem("rate_limited", message=message)
    return number <= times


class Cacheable(NamedTuple):
    """An answer to a GET that does not change before the sandbox time `until`, because it depends on `task` only
    (None: on no task). `token` is the token of the links in it."""

    task: Task | None = None
    until: float = inf
    token: str = ""

    @property
    def task_id(self) -> str:
        """The id of `task`; "" without one."""
        return "" if self.task is None else self.task.id


@immutable
class Reply:
    """A handler's answer in domain terms. `code` and `message` are for providers with an envelope; providers without
    one send `status` unchanged. With `cacheable`, the same request may get the same answer from the cache."""

    data: Any = None
    code: int | str = 200
    message: str = "success"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    is_empty: bool = False
    cacheable: Cacheable | None = None


class Problem(Exception):
    """An error in domain terms; the provider's `wire` puts it into the vendor's format.

    `name` is a row of the contract's `refusals`. `details` goes into the answer if the row has a place for it:
    `errors` as a list of sentences, `balance` as an amount. `headers` are added to the answer. `code` and
    `message` replace those of the row. `fault` names, for the journal, the fault that caused the error."""

    def __init__(
        self,
        name: str,
        *,
        errors: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        http: int | None = None,
        code: int | str | None = None,
        message: str | None = None,
        fault: str = "",
    ) -> None:
        super().__init__(name, *errors)
        self.name = name
        self.errors = tuple(errors)
        self.details: Mapping[str, Any] = details or {}
        self.headers = headers
        self.http = http
        self.code = code
        self.message = message
        self.fault = fault


class StoreProblem(Problem):
    """An error response of a file store. Its name is a row of contracts/store.yaml."""
