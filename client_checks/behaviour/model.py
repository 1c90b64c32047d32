"""What was observed of a client in one case, and what a rule says about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How binding a rule is. A broken `must` fails, a broken `should` warns, an `info` is only shown."""

    MUST = "must"
    SHOULD = "should"
    INFO = "info"


class Verdict(StrEnum):
    """The eight possible verdicts. Only `pass` is green."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    INFO = "info"
    NOT_EXERCISED = "not_exercised"
    NOT_DECLARED = "not_declared"
    NOT_APPLICABLE = "not_applicable"
    HARNESS_ERROR = "harness_error"


class Role(StrEnum):
    """The purpose of a request, whatever the provider calls the operation."""

    CREATE = "create"
    DETECT = "detect"
    POLL = "poll"
    DETECT_POLL = "detect_poll"
    BALANCE = "balance"
    PRICE = "price"
    UPLOAD_LINK = "upload_link"
    UPLOAD = "upload"
    MEDIA = "media"
    OTHER = "other"


class Meaning(StrEnum):
    """What the answer to a request says.

    `ambiguous`: no answer, or an answer that does not show whether the request took effect. `unknown`: a status
    word that no document lists. `read`: any other successful answer."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    READ = "read"


@dataclass(frozen=True)
class Exchange:
    """One request of the client and its answer.

    `at` and `answered` are seconds of the case's clock since its start. `status` is None if no HTTP answer came.
    `delivered` says how the answer reached the client: whole, cut or lost. `task` is the emulator's id of the
    task that the request made or asked for; `business_id` is the caller's own id in the request. `refusal` is the
    body code of an error as text. `fault` names what the case did to this exchange."""

    number: int
    run: int
    at: float
    answered: float
    role: Role
    operation: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: Any
    status: int | None
    answer_headers: Mapping[str, str]
    answer: Any
    answer_text: str
    meaning: Meaning
    refusal: str = ""
    task: str | None = None
    business_id: str | None = None
    asked: str | None = None
    fault: str = ""
    delivered: str = "whole"
    size: int = 0
    digest: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies a request: two exchanges with the same key are the same request, sent twice."""
        return self.method, self.target, repr(self.body)

    @property
    def is_submission(self) -> bool:
        """Whether the request submits a task."""
        return self.role in (Role.CREATE, Role.DETECT)

    @property
    def is_poll(self) -> bool:
        """Whether the request polls a task."""
        return self.role in (Role.POLL, Role.DETECT_POLL)

    @property
    def retry_after(self) -> str | None:
        """The value of the Retry-After header; None without one."""
        return self.answer_headers.get("retry-after")


@dataclass(frozen=True)
class Task:
    """A task of the emulator: its cost (`charge`, once it has ended), how it ended, and when, on the case's clock."""

    id: str
    operation: str
    role: Role
    model: str
    created: float
    ends: float | None
    phase: str
    charge: float
    reserved: float
    callback_url: str | None
    body: Mapping[str, Any]
    business_id: str | None

    @property
    def captured(self) -> float:
        """The credits that this task takes: the charge, or the credits that are still reserved for it."""
        return self.charge if self.phase in ("succeeded", "failed") else self.reserved


@dataclass(frozen=True)
class CallbackAttempt:
    """One attempt to send a callback. `status` is that of the client's answer. `failure` says why the answer was no
    acknowledgement, "" if it was one."""

    delivery: str
    number: int
    task: str
    event: str
    at: float
    seconds: float
    status: int | None
    answer: str
    failure: str
    fault: str
    body: Any

    @property
    def reached(self) -> bool:
        """Whether the client accepted the connection, with or without an answer."""
        return self.status is not None or not any(word in self.failure for word in ("refused", "blocked", "resolve"))


@dataclass(frozen=True)
class Claim:
    """The outcome that the client claims: `succeeded`, `failed` or `unknown`. `channel` says how the claim came."""

    outcome: str
    at: float
    run: int
    task: str | None = None
    reason: str | None = None
    channel: str = "claim"


@dataclass(frozen=True)
class EffectTold:
    """What the client reports that it did for its own user: `fulfil` or `refund`."""

    effect: str
    task: str
    id: str
    at: float
    run: int


@dataclass(frozen=True)
class Run:
    """One run of the client's command. `ended` is exit, killed (by the case), or timeout (by `--case-timeout`)."""

    number: int
    started: float
    finished: float
    ended: str
    status: int | None
    stdout: str
    stderr: str

    @property
    def ended_by_us(self) -> bool:
        """Whether the run was killed by the case or by a time-out."""
        return self.ended == "timeout"


@dataclass(frozen=True)
class SavedFile:
    """A file that the client left in its folders."""

    path: str
    size: int
    digest: str
    head: bytes


@dataclass
class Observations:
    """Everything that was observed of a client in one case. `plain` has the observations of the case without faults."""

    case: str
    provider: str
    declaration: Any
    condition: Any
    exchanges: Sequence[Exchange] = ()
    tasks: Sequence[Task] = ()
    attempts: Sequence[CallbackAttempt] = ()
    claims: Sequence[Claim] = ()
    effects: Sequence[EffectTold] = ()
    runs: Sequence[Run] = ()
    files: Sequence[SavedFile] = ()
    redirected: Sequence[Exchange] = ()
    secrets: Sequence[str] = ()
    coupling: str = "real"
    rate: float = 1.0
    slowest: float = 0.0
    plain: Observations | None = None
    ledger: Sequence[Mapping[str, Any]] = field(default_factory=list)
    texts_of_files: str = ""

    def of(self, *roles: Role, run: int | None = None) -> list[Exchange]:
        """Return the exchanges of these `roles` in order; only those of one `run` if given."""
        return [one for one in self.exchanges if one.role in roles and (run is None or one.run == run)]

    def after(self, exchange: Exchange, *roles: Role) -> list[Exchange]:
        """Return the exchanges of these `roles` that began after the answer to `exchange` had come."""
        return [one for one in self.of(*roles) if one.number > exchange.number and one.at >= exchange.at]

    def asking(self, task: str | None) -> list[Exchange]:
        """Return the polls of one `task`."""
        return [one for one in self.exchanges if one.is_poll and one.task == task and task is not None]

    def task(self, task: str | None) -> Task | None:
        """Return the task with this id; None if there is none."""
        return next((one for one in self.tasks if one.id == task), None)

    @property
    def paid(self) -> list[Task]:
        """Return the paid tasks that take credits, without detections, oldest first."""
        return [one for one in self.tasks if one.role is Role.CREATE and one.captured > 0]

    @property
    def jobs(self) -> int | None:
        """Return how many paid tasks one run makes if nothing fails: as declared, else as in the plain case."""
        declared: int | None = self.declaration.jobs
        if declared is not None:
            return declared
        plain = self if self.plain is None else self.plain
        made = len([one for one in plain.tasks if one.role is Role.CREATE])
        return made if plain.case == "plain" and made else None

    @property
    def last_claim(self) -> Claim | None:
        """The last claim of any run; None without one."""
        return self.claims[-1] if self.claims else None

    def claim_of(self, run: int) -> Claim | None:
        """Return the last claim of one `run`; None without one."""
        return next((one for one in reversed(self.claims) if one.run == run), None)

    @property
    def succeeded_seen(self) -> list[Exchange]:
        """Return the answers that reported a success to the client: of a poll, or of a submission that is answered
        at once."""
        return [one for one in self.exchanges if one.meaning is Meaning.SUCCEEDED and one.delivered == "whole"]

    @property
    def ended_by_us(self) -> bool:
        """Whether any run was killed by the case or by a time-out."""
        return any(run.ended_by_us for run in self.runs)


class Mark(StrEnum):
    """What a rule found at one place."""

    BROKEN = "broken"
    KEPT = "kept"
    NOT_DECLARED = "not_declared"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found: a sentence, the exchanges and deliveries that prove it, and the loss.

    `losses` maps `credits_paid_twice`, `results_lost`, `false_successes` and `callbacks_acted_on_twice` to
    numbers."""

    mark: Mark
    text: str
    evidence: tuple[int, ...] = ()
    losses: Mapping[str, float] = field(default_factory=dict)
    capped: Level | None = None
    deliveries: tuple[CallbackAttempt, ...] = ()


Evidence = Exchange | CallbackAttempt


def broken(
    text: str, *evidence: Evidence, losses: Mapping[str, float] | None = None, at_most: Level | None = None
) -> Finding:
    """Return a finding that the rule is broken. `at_most` lowers the rule's level if this place does not justify the
    full one."""
    return Finding(Mark.BROKEN, text, _numbers(evidence), losses or {}, at_most, _deliveries(evidence))


def kept(text: str, *evidence: Evidence) -> Finding:
    """Return a finding that the rule was tested and kept."""
    return Finding(Mark.KEPT, text, _numbers(evidence), deliveries=_deliveries(evidence))


def _numbers(evidence: Sequence[Evidence]) -> tuple[int, ...]:
    return tuple(one.number for one in evidence if isinstance(one, Exchange))


def _deliveries(evidence: Sequence[Evidence]) -> tuple[CallbackAttempt, ...]:
    return tuple(one for one in evidence if isinstance(one, CallbackAttempt))


def not_declared(what: str) -> Finding:
    """Return a finding that the rule needs `what`, which the client's declaration does not say."""
    return Finding(Mark.NOT_DECLARED, what)


def not_applicable(why: str) -> Finding:
    """Return a finding that the rule is about something that this client does not do."""
    return Finding(Mark.NOT_APPLICABLE, why)


Findings = Iterator[Finding]
