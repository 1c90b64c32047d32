"""What a check is given to look at, and the register of checks: each is one file in `checks/`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from urllib.parse import unquote, urlsplit

from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.profile import Kind
from swapmock.client_checks.conformance.target import Target
from swapmock.contracts import Operation


@dataclass
class History:
    """What earlier answers said: the last phase of each task by `(kind, id)`."""

    phases: dict[tuple[str, str], str] = field(default_factory=dict)


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
        return self.envelope.code(self.body)

    @property
    def status(self) -> int:
        return self.exchange.status or 0

    @property
    def wants_envelope(self) -> bool:
        """Whether the contract has JSON for a success here; an upload's answer, for one, has no body."""
        ok = self.operation.spec["responses"].get("200", self.operation.spec["responses"].get(200, {}))
        return "application/json" in self.target.contract.resolve(ok).get("content", {})

    @property
    def evidence(self) -> Evidence:
        return Evidence.of(self.operation.evidence) or Evidence("inferred", "the operation says nothing of itself")

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


Look = Callable[[ResponseContext], Iterator[Deviation]]


@dataclass(frozen=True)
class Check:
    """Looks at one answer and yields what is wrong with it."""

    id: str
    title: str
    look: Look

    def findings(self, context: ResponseContext) -> Iterator[Finding]:
        for deviation in self.look(context):
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
    package = import_module("swapmock.client_checks.conformance.checks")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return CHECKS


def check_response(context: ResponseContext) -> Iterator[Finding]:
    """Everything that any check finds in one answer."""
    for one in all_checks().values():
        yield from one.findings(context)
