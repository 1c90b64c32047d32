"""Deliveries: a callback, its attempts, its retry schedule, and the answers that acknowledge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import cycle, islice
from typing import Annotated, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from swapmock.mock_server.core.codec import AddedIn, StoredAs

#: The most finished deliveries that a sandbox keeps.
DELIVERIES_KEPT = 10_000

#: The most bytes of a receiver's answer that an attempt keeps.
KEPT_ANSWER = 2048

#: How many bytes an attempt keeps of a head: the first line of a message and its headers.
KEPT_HEAD = 4096


class DeliveryState(StrEnum):
    """The state of a delivery. `dead`: no retry is left. `blocked`: the receiver may not be called. `withheld`:
    never sent, because of a callback fault."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    DEAD = "dead"
    BLOCKED = "blocked"
    WITHHELD = "withheld"


class SendResult(NamedTuple):
    """The result of one attempt to send.

    `status` and `body` are the answer's HTTP status (None without an answer) and the beginning of its body. `error` says
    why there is no answer, or why the rest of its body is missing. `blocked` says that nothing was sent, because the
    receiver may not be called. `timed_out` says that the receiver did not answer in time. `request_head` and `answer_head`
    are the first line and the headers of the request and of the answer, as they went over the connection: b"" for a message
    that was not sent or did not come.
    """

    status: int | None
    body: bytes = b""
    error: str = ""
    blocked: bool = False
    timed_out: bool = False
    request_head: bytes = b""
    answer_head: bytes = b""


class Attempt(NamedTuple):
    """One attempt to send a delivery; `attempt` counts from 1.

    `due`, `sent` and `next_due` are sandbox time. `latency` is in seconds of sandbox time, so it is 0 on a frozen
    clock. `failure` says why the attempt is not acknowledged ("" if it is). `answer` is the beginning of the
    receiver's body. `cause` is the id of the exchange that created the task. `request_head` and `answer_head` are the
    first KEPT_HEAD bytes of the heads of a `SendResult`."""

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
    request_head: Annotated[bytes, AddedIn("0.2")] = b""
    answer_head: Annotated[bytes, AddedIn("0.2")] = b""

    @property
    def at(self) -> float:
        """The sandbox time at which it was sent."""
        return self.sent


class Head(NamedTuple):
    """The first line of a message, and its headers: names as they were sent, values without the space around them."""

    line: str
    headers: tuple[tuple[str, str], ...]


def read_head(head: bytes) -> Head:
    """Return the parts of an attempt's `request_head` or `answer_head`. A line without a colon is a header without a value."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    line, *rest = text.removesuffix("\r\n\r\n").split("\r\n")
    pairs = (field.partition(":") for field in rest if field)
    return Head(line, tuple((name.strip(), value.strip()) for name, _, value in pairs))


class Standing(NamedTuple):
    """The state and the due time of a delivery before a redelivery was requested."""

    state: DeliveryState
    next_due: float | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A callback and its attempts.

    `event` is the phase that the callback reports. `host` is the receiver's name and port. `waits` is the retry
    schedule: the seconds from each attempt to the next. `callback_fault` is a key of `CALLBACK_FAULTS`,
    `corruption` is the `PlannedSend.corruption` of this callback. A delivery that is `alone` does not wait for
    the others of its task. `next_due` is sandbox time (None: nothing is due). `retries` counts the retries that
    were scheduled. The sender of a delivery holds it until the real time `leased_until`, under the number
    `claim`."""

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
    callback_fault: Annotated[str, StoredAs("adversity")] = ""
    corruption: Annotated[str, StoredAs("spoil")] = ""
    alone: bool = False
    state: DeliveryState = DeliveryState.PENDING
    next_due: float | None = None
    retries: Annotated[int, StoredAs("rung")] = 0
    attempts: tuple[Attempt, ...] = ()
    claim: int = 0
    leased_until: float | None = None
    before_redelivery: Standing | None = None

    @property
    def is_over(self) -> bool:
        """Whether no further attempt is due."""
        return self.next_due is None

    def payload(self, attempt: int | None = None) -> bytes:
        """Return the bytes of the body that the attempt number `attempt` sends; by default, of the next attempt."""
        number = len(self.attempts) + 1 if attempt is None else attempt
        cut = self.corruption == "truncated" and number == 1
        return self.body[: len(self.body) // 2] if cut else self.body

    def claimed(self, until: float) -> Delivery:
        """Return the delivery claimed until the real time `until`."""
        return replace(self, claim=self.claim + 1, leased_until=until)

    def for_redelivery(self, now: float) -> Delivery:
        """Return the delivery due at `now`, outside its retry schedule. If this attempt fails, the earlier state
        returns."""
        before = self.before_redelivery or Standing(self.state, self.next_due)
        return replace(self, state=DeliveryState.PENDING, next_due=now, before_redelivery=before)

    def attempted(self, sent: float, answered: float, outcome: SendResult, failure: str) -> tuple[Delivery, Attempt]:
        """Return the delivery after an attempt, and the attempt.

        `sent` and `answered` are sandbox time. `outcome` is the result of sending, `failure` is the text of
        `why_not_acknowledged`. A retry is due one wait after the time at which the last attempt was *due*, not
        after it was sent, so that due times follow the retry schedule exactly."""
        due = sent if self.next_due is None else self.next_due
        state, next_due, retries = self._after(due, outcome, failure)
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
            request_head=outcome.request_head[:KEPT_HEAD],
            answer_head=outcome.answer_head[:KEPT_HEAD],
        )
        after = replace(
            self,
            state=state,
            next_due=next_due,
            retries=retries,
            attempts=(*self.attempts, attempt),
            leased_until=None,
            before_redelivery=None,
        )
        return after, attempt

    def _after(self, due: float, outcome: SendResult, failure: str) -> tuple[DeliveryState, float | None, int]:
        if not failure:
            return DeliveryState.ACKNOWLEDGED, None, self.retries
        before = self.before_redelivery
        if before is not None:
            return before.state, before.next_due, self.retries
        if outcome.blocked:
            return DeliveryState.BLOCKED, None, self.retries
        if self.retries < len(self.waits):
            return DeliveryState.PENDING, due + self.waits[self.retries], self.retries + 1
        return DeliveryState.DEAD, None, self.retries


def host_of(url: str) -> str:
    """Return the host name and the port of a receiver's URL. Only a few deliveries to one host are sent at the same
    time."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or parts.scheme}"
    except ValueError:
        return url[:200]


class RetrySchedule(Protocol):
    """A retry schedule: `retries` retries after the waits `intervals`. `then` says what follows the last interval:
    stop, repeat, restart."""

    @property
    def intervals(self) -> tuple[float, ...]:
        """The seconds from one attempt to the next."""

    @property
    def retries(self) -> int:
        """The number of retries."""

    @property
    def then(self) -> str:
        """`stop`, `repeat` or `restart`."""


def waits(schedule: RetrySchedule) -> tuple[float, ...]:
    """Return the seconds from each attempt to the next, one number for each retry of `schedule`."""
    given, retries = tuple(map(float, schedule.intervals)), schedule.retries
    if not given or retries <= len(given) or schedule.then == "stop":
        return given[:retries]
    if schedule.then == "restart":
        return tuple(islice(cycle(given), retries))
    return given + given[-1:] * (retries - len(given))


class Acknowledgement(Protocol):
    """Which answers acknowledge a callback: a status from the first to the last of `statuses`; if `code` has values,
    also a JSON object whose member `member` is one of them."""

    @property
    def statuses(self) -> tuple[int, int]:
        """The lowest and the highest HTTP status."""

    @property
    def code(self) -> tuple[Any, ...]:
        """The accepted values of the member; empty if none is needed."""

    @property
    def member(self) -> str:
        """The name of the member."""


#: The value for `document` if the body of an answer is not JSON.
NO_JSON = object()


def why_not_acknowledged(demand: Acknowledgement, outcome: SendResult, document: Any) -> str:
    """Return why an answer does not acknowledge a callback; "" if it does. `demand` is the contract's rule,
    `outcome` the result of sending, `document` the body as parsed JSON, or NO_JSON."""
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
    if not isinstance(document, dict) or demand.member not in document:
        return f"the answer has no `{demand.member}`"
    code = document[demand.member]
    if any(code == wanted and type(code) is type(wanted) for wanted in demand.code):
        return ""
    return f"the answer's `{demand.member}` is {code!r:.40}, not {demand.code[0]!r}"
