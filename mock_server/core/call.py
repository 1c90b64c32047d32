"""What passes between the web and the handlers: a Call in, a Reply or a Problem out."""

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
    """Digests of the body of an upload, in hexadecimal digits."""

    md5: str
    sha256: str


@dataclass(slots=True)
class Call:
    """One request to one operation, free of any web framework.

    `params` holds path and query parameters, typed as in the contract; `body` the parsed JSON (None without one),
    `raw` its bytes; header names are in lower case. `now` is the sandbox's time, `exchange` the id under which the
    journal keeps the call, `base_url` how the client reached us (no slash at the end); `own_url` is the same for a
    call to the admin API, whose `base_url` is that of the vendors' surfaces.
    A handler leaves the id of the task it touched in `task`, and that of the queued outcome it wants in `queued`.
    `client` is the address of the client, "" where it is not known.
    In `noted` it leaves what it took although the contract does not have it, for the journal.
    `client` is the address of the client, "" where it is not known. For a store behind links, `method` is that of the request,
    and `digests` are those of an upload, if they were computed before.
    `may_be_magic` is False where it is known that the body names no magic value.
    `callback_first` says that the callback of that task is to come before the answer. `has_left`, where known, tells whether
    the client is still there.
    """

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


def texts(value: Any, apart: Collection[str] = (), place: str = "") -> Iterator[tuple[str, str]]:
    """Every `(place, text)` of the JSON value `value` in its order. Top-level members named in `apart` are left out: those
    of callback URLs, which are no media."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, item in value.items():
            if place or name not in apart:
                yield from texts(item, apart, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, apart, f"{place}.{index}" if place else str(index))


#: How many URLs of magic values that clear by themselves a sandbox counts.
MOST_CLEARING = 10_000


def still_holds(box: Box, url: str, times: int | None) -> bool:
    """Whether the magic value `url` still has its effect in the sandbox, and count this call. `times` is for how many calls it does,
    None for all. Raises Problem `rate_limited` when the sandbox counts too many such URLs."""
    if times is None:
        return True
    number = box.next_number(f"magic {hexadecimal(16, url)}")
    if number == 1 and box.next_number("magic") > MOST_CLEARING:
        message = f"the sandbox counts {MOST_CLEARING} URLs that clear by themselves; reset it, or use another one"
        raise Problem("rate_limited", message=message)
    return number <= times


class Cacheable(NamedTuple):
    """An answer to a GET that stays the same up to the sandbox time `until`: it tells of `task` (None: of no task) and of
    nothing else that could change. `token` is that of the links in it."""

    task: Task | None = None
    until: float = inf
    token: str = ""

    @property
    def task_id(self) -> str:
        """The id of `task`, "" without one."""
        return "" if self.task is None else self.task.id


@immutable
class Reply:
    """A handler's answer in domain terms. `code` and `message` are for providers with an envelope; `status` is used
    as it stands by those without. With `cacheable`, the same request will get it again."""

    data: Any = None
    code: int | str = 200
    message: str = "success"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    is_empty: bool = False
    cacheable: Cacheable | None = None


class Problem(Exception):
    """A refusal in domain words; the provider's `wire` says it in the vendor's.

    `name` is a row of the contract's `refusals`; `details` goes into the answer where the row has a place for it:
    `errors` as a list of sentences, `balance` as an amount; `headers` go onto the answer. `code` and `message` stand
    in place of the row's own. `fault` names what refused on purpose, for the journal.
    """

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
    """A refusal of a store behind links. Its name is a row of contracts/store.yaml."""
