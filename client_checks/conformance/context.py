"""What a check receives about an answer, and the register of checks: each check is one file in `checks/`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from urllib.parse import unquote, urlsplit

from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.profile import Kind
from swapmock.client_checks.conformance.schema import branch_for, evidence_at, success_status
from swapmock.client_checks.conformance.target import Target
from swapmock.contracts import Operation
from swapmock.contracts.model import json_type


@dataclass(frozen=True)
class Submission:
    """An accepted task: the number of its exchange, when it was sent, its body as parsed JSON, and its operation."""

    number: int
    at: float
    body: Any
    operation: str = ""


@dataclass
class History:
    """What earlier answers of the run showed.

    `phases` maps `(kind, id)` of a task to its last phase. `memory` holds, by check id, what each check keeps for
    itself. `examined` counts how often each check judged something. `submissions` maps `(kind, id)` to the accepted
    tasks. `balance` is the last reported balance; `bought_since_balance` says whether a call that may cost was sent
    after it. `observed` is the number of the last exchange whose submission was remembered. `made` maps the link of
    a file, without its query, to the submission that made the file."""

    phases: dict[tuple[str, str], str] = field(default_factory=dict)
    memory: dict[str, dict[Any, Any]] = field(default_factory=lambda: defaultdict(dict))
    examined: Counter[str] = field(default_factory=Counter)
    submissions: dict[tuple[str, str], Submission] = field(default_factory=dict)
    balance: float | None = None
    bought_since_balance: bool = False
    observed: int = 0
    made: dict[str, Submission] = field(default_factory=dict)

    def forget(self, kind: str, name: str) -> None:
        """Remove what is known of the task `name` of this `kind`: the name is used for another task from now on."""
        self.phases.pop((kind, name), None)
        self.submissions.pop((kind, name), None)
        for memory in self.memory.values():
            for key in [key for key in memory if isinstance(key, tuple) and key[:2] == (kind, name)]:
                del memory[key]


@dataclass(frozen=True)
class ResponseContext:
    """One answer of the target to a call of an operation in the contract."""

    target: Target
    operation: Operation
    exchange: Exchange
    history: History

    @cached_property
    def body(self) -> Any:
        """The body of the answer as parsed JSON."""
        return self.exchange.json

    @cached_property
    def envelope(self) -> Envelope:
        """How answers of this contract say success or error."""
        return Envelope(self.target.contract)

    @property
    def code(self) -> Any:
        """The code of the answer: the body code, or the HTTP status of an error if there is no envelope."""
        return self.envelope.code(self.exchange.status, self.body)

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.exchange.status or 0

    @property
    def is_success(self) -> bool:
        """Whether the call succeeded, by the HTTP status and, if the contract has an envelope, by the body code."""
        has_code = bool(self.envelope.member) and self.wants_json
        return 200 <= self.status < 300 and (not has_code or self.code == self.envelope.ok)

    @property
    def wants_json(self) -> bool:
        """Whether the contract has a JSON body for a success here. The answer to an upload, for example, has no
        body."""
        success = self.operation.spec["responses"].get(success_status(self.operation), {})
        return json_type(self.target.contract.resolve(success).get("content", {})) is not None

    @property
    def evidence(self) -> Evidence:
        """How well the operation is known."""
        return Evidence.of(self.operation.evidence) or Evidence("inferred", "the operation says nothing of itself")

    def evidence_at(self, pointer: str) -> Evidence:
        """Return how well the value at `pointer` of a success is known: by the field itself, else by the operation."""
        branch = branch_for(self.operation, success_status(self.operation), False)
        steps: list[str | int] = [0 if step == "*" or step.isdigit() else step for step in pointer.split("/")[1:]]
        known = None if branch is None else evidence_at(self.target.contract, branch.schema, steps)
        return known or self.evidence

    @cached_property
    def variants(self) -> Mapping[str, Any]:
        """The choices that this answer is held to. Public operations are no part of the vendor's API and have no
        variants."""
        if self.operation.is_public:
            return self.target.contract.behaviour.defaults
        strangers = self.target.variants_of_strangers
        if strangers is None or self.exchange.has_our_credentials:
            return self.target.variants
        return strangers

    @cached_property
    def params(self) -> Mapping[str, str]:
        """The path parameters of the call."""
        prefix = urlsplit(self.target.base_url).path
        found = self.target.contract.find(self.exchange.method, unquote(self.exchange.path[len(prefix) :]))
        return {} if found is None else found[1]

    def polls(self) -> Iterator[tuple[Kind, Any]]:
        """Yield each kind of task that this answer reports, with the status word of the task. Without an envelope, an
        error answer reports none."""
        if not self.envelope.member and not self.is_success:
            return
        for kind in self.target.profile.polled_by(self.operation.id, self.params):
            word = at(self.body, kind.state)
            if word is not None:
                yield kind, word

    def words(self, kind: Kind) -> Mapping[str, Any]:
        """Return the status words of a `kind` of task, by phase."""
        row = kind.row_of_words(self.target.variants)
        found: Mapping[str, Any] = self.target.contract.behaviour.status_words[row]
        return found

    def phase(self, kind: Kind, word: Any) -> str | None:
        """Return the phase that `word` stands for, as a number or as text; None if `kind` has no such word."""
        return next((phase for phase, known in self.words(kind).items() if str(known) == str(word)), None)


#: A check yields this each time that it has judged something. If it yields nothing else, it found nothing wrong.
EXAMINED = None

Look = Callable[[ResponseContext], Iterator[Deviation | None]]


@dataclass(frozen=True)
class Check:
    """One check. It looks at an answer and yields EXAMINED for each thing that it judges, and a deviation for each
    mistake."""

    id: str
    title: str
    look: Look

    def findings(self, context: ResponseContext) -> Iterator[Finding]:
        """Yield what is wrong with an answer, and count in the history how often the check judged something."""
        for deviation in self.look(context):
            context.history.examined[self.id] += 1
            if deviation is not None:
                yield to_finding(self, context.operation.id, deviation, context.exchange)


def to_finding(check: Check | Any, operation: str, deviation: Deviation, exchange: Exchange | None) -> Finding:
    """Return `deviation` as a finding of `check` about `operation`. `exchange` is None if no single call shows it."""
    return Finding(
        id=check.id,
        title=check.title,
        operation=operation,
        place=deviation.place,
        expected=deviation.expected,
        source=deviation.evidence.source,
        level=deviation.evidence.level,
        got=deviation.got,
        curl="" if exchange is None else exchange.curl(),
        where="" if exchange is None else exchange.origin,
        exchange=0 if exchange is None else exchange.number,
    )


def shown_by(finding: Finding, exchange: Exchange) -> Finding:
    """Return `finding` with `exchange` as its evidence. A finding about a callback gets the last poll."""
    return replace(finding, curl=exchange.curl(), where=exchange.origin, exchange=exchange.number)


CHECKS: dict[str, Check] = {}


def check(id: str, title: str) -> Callable[[Look], Look]:
    """Register the decorated function as the check `id` with a `title`. Each id may be used once."""

    def register(look: Look) -> Look:
        if id in CHECKS:
            raise ValueError(f"a check named {id} exists already")
        CHECKS[id] = Check(id, title, look)
        return look

    return register


def all_checks() -> Mapping[str, Check]:
    """Return every check of the folder `checks/`, by id."""
    _load_checks()
    return CHECKS


@cache
def _load_checks() -> None:
    package = import_module("swapmock.client_checks.conformance.checks")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
