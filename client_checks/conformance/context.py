"""What a check is given to look at, and the register of checks: each is one file in `checks/`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Submission:
    """A task that was accepted: the number of its exchange, when it was sent, its body as parsed JSON, and its operation."""

    number: int
    at: float
    body: Any
    operation: str = ""


@dataclass
class History:
    """What earlier answers said: `phases` the last phase of each task by `(kind, id)`, `memory` what each check across
    exchanges keeps for itself, by its id. `examined` counts how often each check judged something. `submissions` are the
    accepted tasks by `(kind, id)`; `balance` is the last that was told, `bought_since_balance` whether a call that may cost
    was sent after it. `observed` is the number of the last exchange whose submission was remembered."""

    phases: dict[tuple[str, str], str] = field(default_factory=dict)
    memory: dict[str, dict[Any, Any]] = field(default_factory=lambda: defaultdict(dict))
    examined: Counter[str] = field(default_factory=Counter)
    submissions: dict[tuple[str, str], Submission] = field(default_factory=dict)
    balance: float | None = None
    bought_since_balance: bool = False
    observed: int = 0

    def forget(self, kind: str, name: str) -> None:
        """Drop what is known of a task: its name means another one from now on."""
        self.phases.pop((kind, name), None)
        self.submissions.pop((kind, name), None)
        for memory in self.memory.values():
            for key in [key for key in memory if isinstance(key, tuple) and key[:2] == (kind, name)]:
                del memory[key]


@dataclass(frozen=True)
class ResponseContext:
    """One answer of the target to a call of a known operation."""

    target: Target
    operation: Operation
    exchange: Exchange
    history: History

    @cached_property
    def body(self) -> Any:
        return self.exchange.json

    @cached_property
    def envelope(self) -> Envelope:
        return Envelope(self.target.contract)

    @property
    def code(self) -> Any:
        return self.envelope.code(self.exchange.status, self.body)

    @property
    def status(self) -> int:
        return self.exchange.status or 0

    @property
    def is_success(self) -> bool:
        """Whether the call was accepted: by its HTTP status and, where the contract has an envelope, by its code."""
        has_code = bool(self.envelope.member) and self.wants_json
        return 200 <= self.status < 300 and (not has_code or self.code == self.envelope.ok)

    @property
    def wants_json(self) -> bool:
        """Whether the contract has JSON for a success here; an upload's answer, for one, has no body."""
        success = self.operation.spec["responses"].get(success_status(self.operation), {})
        return "application/json" in self.target.contract.resolve(success).get("content", {})

    @property
    def evidence(self) -> Evidence:
        return Evidence.of(self.operation.evidence) or Evidence("inferred", "the operation says nothing of itself")

    def evidence_at(self, pointer: str) -> Evidence:
        """How well what stands at `pointer` of a success is known: by the field itself, else by the operation."""
        branch = branch_for(self.operation, success_status(self.operation), False)
        steps: list[str | int] = [0 if step == "*" or step.isdigit() else step for step in pointer.split("/")[1:]]
        known = None if branch is None else evidence_at(self.target.contract, branch.schema, steps)
        return known or self.evidence

    @cached_property
    def variants(self) -> Mapping[str, Any]:
        """The choices that this answer is held to. What is public is no part of the vendor's API: no variant is for it."""
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
        """Each kind of task that this answer tells of, with the word it has for its state."""
        for kind in self.target.profile.polled_by(self.operation.id, self.params):
            word = at(self.body, kind.state)
            if word is not None:
                yield kind, word

    def words(self, kind: Kind) -> Mapping[str, Any]:
        """Phase -> word of a kind of task."""
        row = kind.row_of_words(self.target.variants)
        found: Mapping[str, Any] = self.target.contract.behaviour.status_words[row]
        return found

    def phase(self, kind: Kind, word: Any) -> str | None:
        """The phase that a word stands for, whether it is a number or text; None if it is not one of the kind's."""
        return next((phase for phase, known in self.words(kind).items() if str(known) == str(word)), None)


#: What a check yields when it has judged something: then its silence means that it found nothing wrong.
EXAMINED = None

Look = Callable[[ResponseContext], Iterator[Deviation | None]]


@dataclass(frozen=True)
class Check:
    """Looks at one answer; yields EXAMINED for each thing that it judges, and a deviation for what is wrong."""

    id: str
    title: str
    look: Look

    def findings(self, context: ResponseContext) -> Iterator[Finding]:
        """What is wrong with an answer; how often the check judged something is counted in the history."""
        for deviation in self.look(context):
            context.history.examined[self.id] += 1
            if deviation is not None:
                yield to_finding(self, context.operation.id, deviation, context.exchange)


def to_finding(check: Check | Any, operation: str, deviation: Deviation, exchange: Exchange | None) -> Finding:
    """A deviation as a finding. `exchange` is None for what no single call shows."""
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


CHECKS: dict[str, Check] = {}


def check(id: str, title: str) -> Callable[[Look], Look]:
    """Register a check under its stable id; a second one of the same id is a mistake."""

    def register(look: Look) -> Look:
        if id in CHECKS:
            raise ValueError(f"a check named {id} exists already")
        CHECKS[id] = Check(id, title, look)
        return look

    return register


def all_checks() -> Mapping[str, Check]:
    """Every check of the folder `checks/`, by id."""
    _load_checks()
    return CHECKS


@cache
def _load_checks() -> None:
    package = import_module("swapmock.client_checks.conformance.checks")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
