"""A sandbox: an isolated account with its own credentials, clock, seed, balance, tasks and journal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from swapmock.mock_server.core.codec import AddedIn
from swapmock.mock_server.core.credits import Millicredits
from swapmock.mock_server.core.timetext import parse_duration

#: The rate limits of a sandbox: of the vendors' APIs, of downloads, of the upload store.
RATE_LIMITS = ("rate_limit", "download_rate_limit", "upload_rate_limit")


class Credential(NamedTuple):
    """What authenticates a request. `key` identifies the sandbox; if a provider has a `secret`, it must be equal."""

    provider: str
    key: str
    secret: str = ""
    disabled: bool = False


class RateLimit(NamedTuple):
    """At most `calls` calls in any `seconds` of sandbox time. `retry_after` is the form of that header: none,
    seconds, date."""

    calls: int
    seconds: float
    retry_after: str = "none"

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> RateLimit:
        """Read a limit from JSON. `seconds` is a number or text such as `10s`; the default is 60."""
        return cls(raw["calls"], parse_duration(raw.get("seconds", 60.0)), raw.get("retry_after", "none"))


class ParallelPosts(NamedTuple):
    """At most `limit` POSTs to a provider at the same time. Each takes `seconds` of real time: its answer is delayed
    by this time, as a live service needs some time for it."""

    limit: int
    seconds: float = 0.5

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> ParallelPosts:
        """Read a limit from JSON. `seconds` is a number or text such as `500ms`."""
        return cls(raw["limit"], parse_duration(raw.get("seconds", 0.5)))


def retry_after(form: str, seconds: float, date: float) -> tuple[tuple[str, str], ...]:
    """Return the header `Retry-After` (RFC 9110 10.2.3) for a wait of `seconds`. `form` is `seconds` (rounded up),
    `date` or `none`.

    `date` is the answer's own Date in epoch seconds: a client compares the two dates, or uses its own clock."""
    whole = math.ceil(seconds)
    if form == "seconds":
        return (("retry-after", str(whole)),)
    return (("retry-after", http_date(math.floor(date) + whole)),) if form == "date" else ()


def http_date(at: float) -> str:
    """Return the epoch seconds `at` as a date of RFC 9110 5.6.7, in every locale."""
    moment = datetime.fromtimestamp(at, UTC)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day}, {moment.day:02} {months[moment.month - 1]} {moment:%Y %H:%M:%S} GMT"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The settings of a sandbox. `variants` has every choice of every provider. `expires_at` is real time. `start`
    is the first time that a frozen clock shows. `client_clock` is the clock for the Date of answers: `machine` or
    `sandbox`. `max_in_flight` is the most tasks that may be queued or running, None for no limit. `rate_limit`
    counts calls of the vendors' APIs, `download_rate_limit` and `upload_rate_limit` those of the file stores."""

    id: str
    seed: int
    credentials: tuple[Credential, ...]
    variants: Mapping[str, Mapping[str, Any]]
    grant: Millicredits
    created_at: float
    scenario: str | None = None
    rate_limit: RateLimit | None = None
    expires_at: float | None = None
    start: float | None = None
    evidence_header: bool = False
    prefer_header: bool = False
    client_clock: Annotated[str, AddedIn("0.2")] = "machine"
    max_in_flight: Annotated[int | None, AddedIn("0.2")] = None
    parallel_posts: Annotated[ParallelPosts | None, AddedIn("0.2")] = None
    download_rate_limit: Annotated[RateLimit | None, AddedIn("0.2")] = None
    upload_rate_limit: Annotated[RateLimit | None, AddedIn("0.2")] = None
    labels: Mapping[str, str] = field(default_factory=dict)
