"""Callbacks as facts: what is to be sent, when it is due, which answer acknowledges it, what can go wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import cycle, islice
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

#: The most of a receiver's answer that is remembered, in bytes.
KEPT_ANSWER = 2048


class DeliveryState(StrEnum):
    """`dead`: no retry is left. `blocked`: the receiver may not be called. `withheld`: never sent, on purpose."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    DEAD = "dead"
    BLOCKED = "blocked"
    WITHHELD = "withheld"


class Outcome(NamedTuple):
    """What sending came to: the answer's HTTP status and body (its beginning), and the `error` in place of an answer, or
    of the rest of its body. `blocked` says that nothing was sent."""

    status: int | None
    body: bytes = b""
    error: str = ""
    blocked: bool = False
    timed_out: bool = False


class Attempt(NamedTuple):
    """The `attempt`-th sending of a delivery. Times are sandbox time, `latency` too: 0 on a clock that stands still. `failure` is
    why it did not count as acknowledged ("" if it did); `answer` is the beginning of the receiver's body;
    `cause` is the exchange that created the task."""

    delivery: str
    attempt: int
    task: str
    provider: str
    event: str
    url: str
    due: float
    sent: float
    latency: float
    status: int | None
    answer: bytes
    failure: str
    next_due: float | None
    cause: str

    @property
    def at(self) -> float:
        return self.sent


class Standing(NamedTuple):
    """How a delivery stood before it was sent again by hand."""

    state: DeliveryState
    next_due: float | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A callback and its attempts.

    `event` is the phase that it tells of, `host` where it goes (name and port), `waits` the seconds from each attempt
    to the next. `next_due` is sandbox time (None: nothing is due any more). A worker that sends it holds it until
    the real time `leased_until`, under the number `claim`.
    """

    id: str
    number: int
    task: str
    provider: str
    operation: str
    event: str
    url: str
    host: str
    body: bytes
    created_at: float
    waits: tuple[float, ...]
    cause: str
    adversity: str = ""
    spoil: str = ""
    alone: bool = False
    state: DeliveryState = DeliveryState.PENDING
    next_due: float | None = None
    rung: int = 0
    attempts: tuple[Attempt, ...] = ()
    claim: int = 0
    leased_until: float | None = None
    before_redelivery: Standing | None = None

    @property
    def is_over(self) -> bool:
        return self.next_due is None

    def payload(self) -> bytes:
        """The bytes of the next attempt."""
        cut = self.spoil == "truncated" and not self.attempts
        return self.body[: len(self.body) // 2] if cut else self.body

    def claimed(self, until: float) -> Delivery:
        return replace(self, claim=self.claim + 1, leased_until=until)

    def asked_again(self, now: float) -> Delivery:
        """Due now, beside its ladder; if that attempt fails too, it stands as it stood."""
        before = self.before_redelivery or Standing(self.state, self.next_due)
        return replace(self, state=DeliveryState.PENDING, next_due=now, before_redelivery=before)

    def attempted(self, sent: float, answered: float, outcome: Outcome, failure: str) -> tuple[Delivery, Attempt]:
        """The delivery after an attempt, and the attempt. A retry is due a rung after its predecessor was due, however
        late that was sent, so that due times follow the ladder exactly."""
        due = sent if self.next_due is None else self.next_due
        state, next_due, rung = self._after(due, outcome, failure)
        attempt = Attempt(
            delivery=self.id,
            attempt=len(self.attempts) + 1,
            task=self.task,
            provider=self.provider,
            event=self.event,
            url=self.url,
            due=due,
            sent=sent,
            latency=max(0.0, answered - sent),
            status=outcome.status,
            answer=outcome.body[:KEPT_ANSWER],
            failure=failure,
            next_due=next_due,
            cause=self.cause,
        )
        after = replace(
            self,
            state=state,
            next_due=next_due,
            rung=rung,
            attempts=(*self.attempts, attempt),
            leased_until=None,
            before_redelivery=None,
        )
        return after, attempt

    def _after(self, due: float, outcome: Outcome, failure: str) -> tuple[DeliveryState, float | None, int]:
        if not failure:
            return DeliveryState.ACKNOWLEDGED, None, self.rung
        before = self.before_redelivery
        if before is not None:
            return before.state, before.next_due, self.rung
        if outcome.blocked:
            return DeliveryState.BLOCKED, None, self.rung
        if self.rung < len(self.waits):
            return DeliveryState.PENDING, due + self.waits[self.rung], self.rung + 1
        return DeliveryState.DEAD, None, self.rung


def host_of(url: str) -> str:
    """Name and port of a receiver; deliveries to one host wait for each other, those to different ones do not."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or parts.scheme}"
    except ValueError:
        return url[:200]


class LadderRow(Protocol):
    @property
    def intervals(self) -> tuple[float, ...]: ...
    @property
    def retries(self) -> int: ...
    @property
    def then(self) -> str: ...


def waits(ladder: LadderRow) -> tuple[float, ...]:
    """Seconds from each attempt to the next, one for every retry."""
    given, retries = tuple(map(float, ladder.intervals)), ladder.retries
    if not given or retries <= len(given) or ladder.then == "stop":
        return given[:retries]
    if ladder.then == "restart":
        return tuple(islice(cycle(given), retries))
    return given + given[-1:] * (retries - len(given))


class Acknowledgement(Protocol):
    """What acknowledges: a status within `statuses`; where `code` has values, a JSON object whose `code` is one."""

    @property
    def statuses(self) -> tuple[int, int]: ...
    @property
    def code(self) -> tuple[Any, ...]: ...


#: In place of a document where an answer's body is no JSON.
NO_JSON = object()


def why_not_acknowledged(demand: Acknowledgement, outcome: Outcome, document: Any) -> str:
    """Why an answer does not acknowledge, "" if it does. `document` is its body as JSON, or NO_JSON."""
    if outcome.blocked:
        return f"blocked: {outcome.error}"
    if outcome.status is None:
        return outcome.error
    low, high = demand.statuses
    if not low <= outcome.status <= high:
        redirect = ", and redirects are not followed" if 300 <= outcome.status < 400 else ""
        return f"answered HTTP {outcome.status}{redirect}"
    if not demand.code:
        return ""
    if document is NO_JSON:
        return f"the answer is not JSON: {outcome.error}" if outcome.error else "the answer is not JSON"
    if not isinstance(document, dict) or "code" not in document:
        return "the answer has no `code`"
    code = document["code"]
    if any(code == wanted and type(code) is type(wanted) for wanted in demand.code):
        return ""
    return f"the answer's `code` is {code!r:.40}, not {demand.code[0]!r}"
