"""Runs the flows of a profile: takes rows of data, yields exchanges and findings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from swapmock.client_checks.clock import Clock
from swapmock.client_checks.conformance.budget import LeftOut
from swapmock.client_checks.conformance.checking import check_response
from swapmock.client_checks.conformance.context import History, ResponseContext, to_finding
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Findings
from swapmock.client_checks.conformance.pointer import at, filled
from swapmock.client_checks.conformance.profile import Kind, applies
from swapmock.client_checks.conformance.rules import AMBIGUOUS, LIFETIME, OUTCOME, STEP, Rule
from swapmock.client_checks.conformance.sender import Quote, Sender
from swapmock.client_checks.conformance.target import Target, standing_credentials
from swapmock.contracts import Operation


@dataclass(frozen=True)
class PollTiming:
    """How polls wait, in seconds: the first wait, how much longer each further wait is, and the total."""

    interval: float
    timeout: float
    growth: float = 1.0


class FlowAborted(Exception):
    """The rest of a flow cannot run; the cause is already reported. The text names the step."""


@dataclass
class Purchase:
    """The paid call of a flow: its exchange number, the balance before it, its prices, and the largest amount that its
    task reserved before its end."""

    operation: str
    number: int
    balance: float | None
    quote: Quote | None
    reserved: float | None = None


@dataclass
class FlowState:
    """The state of one flow.

    `known` has the values of its `$names`, `polled` the polls that were answered, `last` the body of the last
    poll, `purchase` the paid call whose cost is not settled yet, and `again` the links that were fetched twice."""

    name: str
    known: dict[str, Any]
    polled: list[Mapping[str, Any]] = field(default_factory=list)
    last: Any = None
    purchase: Purchase | None = None
    again: set[str] = field(default_factory=set)

    @property
    def is_alone(self) -> bool:
        """Whether no other flow buys anything meanwhile, so that only this flow's charges change the balance."""
        return not self.name.startswith("stateful")


StepHandler = Callable[["FlowRunner", Mapping[str, Any], FlowState], None]


@dataclass
class FlowRunner:
    """Runs rows of a profile on a target.

    `values` are the values of `$names`. `advance(by)` moves the target's clock past a lifetime or by seconds, if
    the target allows that. `handlers` maps the member that names a kind of step to its function. `callbacks`
    judges what a receiver got. `accounts` maps the name of a further account to its headers. `completed` has the
    names of the rows that ran to their end; `broken` maps each other row to the step at which it ended."""

    target: Target
    sender: Sender
    clock: Clock
    poll_timing: PollTiming
    values: Mapping[str, Any]
    handlers: Mapping[str, StepHandler]
    findings: Findings
    history: History = field(default_factory=History)
    advance: Callable[[str | float], None] | None = None
    callbacks: Any = None
    accounts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    rows: int = 0

    def can(self, row: Mapping[str, Any]) -> bool:
        """Return whether `row` can run on this target."""
        return not self.lacks(row) and applies(row.get("when"), self.target.variants)

    def lacks(self, row: Mapping[str, Any]) -> str:
        """Return what `row` needs and this target does not have; "" if nothing is missing."""
        have = {
            "emulator": not self.target.is_live and self.target.is_ours,
            "clock": self.advance is not None,
            "callback": self.callbacks is not None and self.target.contract.behaviour.callbacks is not None,
        }
        needs = row.get("needs") or ()
        return next((need for need in ([needs] if isinstance(needs, str) else needs) if not have[need]), "")

    def run(self, flow: Mapping[str, Any]) -> None:
        """Run one flow to its end, or to the first step after which the rest cannot run."""
        for _ in self.steps_of(flow, f"flow {flow['name']}"):
            pass

    def steps_of(
        self, flow: Mapping[str, Any], name: str, polled: list[Mapping[str, Any]] | None = None
    ) -> Iterator[None]:
        """Run `flow` under `name`, and yield after each step. Each poll that was answered is added to `polled`, so
        that it can be repeated."""
        state = FlowState(name, {**self.values, "unique": self.unique()}, [] if polled is None else polled)
        if self.callbacks is not None and "callback" in str(flow.get("needs")):
            state.known["callback_url"] = self.callbacks.url_for(flow["name"])
        try:
            self.sender.budget.need_calls(least_calls(flow))
            for step in flow["steps"]:
                if not self._is_present(step):
                    continue
                self._step(step, state)
                yield
        except LeftOut as why:
            self.sender.budget.note(name, str(why), is_chosen=why.is_chosen)
        except FlowAborted as why:
            self.broken.setdefault(name, str(why))
        else:
            self.completed.append(name)

    def _is_present(self, step: Mapping[str, Any]) -> bool:
        """Return whether a step applies to this target: its operation exists and the condition in `when` holds."""
        if not applies(step.get("when"), self.target.variants):
            return False
        if step.get("needs") and self.lacks(step):
            return False
        return "call" not in step or bool(self.target.profile.present([step["call"]], self.target.variants))

    def unique(self) -> str:
        """Return a name that is used by no other row of this run or of another run."""
        self.rows += 1
        return f"check-{int(self.clock.now())}-{self.rows}"

    def ask_again(self, row: Mapping[str, Any], origin: str) -> ResponseContext:
        """Repeat a poll; every check looks at the answer."""
        return self.send(row, {}, origin, expects_refusal=False)

    def _step(self, step: Mapping[str, Any], state: FlowState) -> None:
        handler = next(handler for name, handler in self.handlers.items() if name in step)
        handler(self, step, state)

    # --- one call

    def request(
        self, row: Mapping[str, Any], known: Mapping[str, Any]
    ) -> tuple[str, str, list[tuple[str, str]], bytes]:
        """Return method, URL, headers and body of a `row` with `call`."""
        operation = self.target.contract.operations[row["call"]]
        path = operation.path
        for name, value in filled(row.get("path", {}), known).items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe="/"))
        query = filled(row.get("query", {}), known)
        url = self.sender.url(path) + (f"?{urlencode(query)}" if query else "")
        headers = self.credentials(row)
        body = b""
        if "content" in row:
            body = str(row["content"]).encode()
        elif "body" in row:
            body = json.dumps(filled(row["body"], known), ensure_ascii=False).encode()
        if operation.takes_json:
            headers.append(("Content-Type", "application/json"))
        return operation.method, url, headers, body

    def credentials(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the credential headers of a row: the run's own, none, those of a standing account, or the run's own
        with some replaced."""
        chosen = row.get("credentials", "default")
        if chosen == "none":
            return []
        if row.get("account") in self.accounts:
            return list(self.accounts[row["account"]].items())
        if row.get("account"):
            return list(standing_credentials(self.target.contract, self.target.profile, row["account"]).items())
        headers = dict(self.target.credentials)
        if isinstance(chosen, Mapping):
            headers.update(chosen)
        return list(headers.items())

    def send(
        self, row: Mapping[str, Any], known: Mapping[str, Any], origin: str, expects_refusal: bool
    ) -> ResponseContext:
        """Send a `row` with `call`; every check looks at the answer."""
        method, url, headers, body = self.request(row, known)
        exchange = self.sender.send(method, url, headers, body, origin=origin, expects_refusal=expects_refusal)
        return self.look(exchange, self.target.contract.operations[row["call"]])

    def look(self, exchange: Exchange, operation: Operation) -> ResponseContext:
        """Let every check look at an answer."""
        context = ResponseContext(self.target, operation, exchange, self.history)
        self.findings.extend(check_response(context))
        return context

    def call(self, step: Mapping[str, Any], state: FlowState) -> None:
        """Send a call that must succeed, and keep the values that later steps need."""
        costs = self.target.may_cost(step["call"])
        before, quote = None, None
        if costs and not self.target.is_live and state.is_alone:
            _, _, headers, body = self.request(step, state.known)
            before = self.sender.balance(state.name)
            quote = self._quoted(step["call"], headers, body, state.name)
        context = self.send(step, state.known, state.name, expects_refusal=False)
        if not context.is_success:
            evidence = context.evidence
            if "within" in step:
                row = self.target.contract.behaviour.lifetimes[step["within"]]
                evidence = Evidence(str(row["evidence"]), str(row["source"]))
            rule = LIFETIME if "within" in step else STEP
            self.report(rule, context, Deviation("a success", context.exchange.shown_answer(), evidence))
            if costs and self.target.is_live and _is_ambiguous(context):
                why = Deviation(
                    "an answer that says whether it was charged; it is not sent again",
                    context.exchange.shown_answer(),
                    Evidence("inferred", "the provider has no idempotency key"),
                )
                self.report(AMBIGUOUS, context, why)
            raise FlowAborted(f"{step['call']} did not succeed")
        if costs and state.is_alone:
            number = context.exchange.number
            if self.target.is_live:
                before, quote = self.sender.balance_before, self.sender.quotes.get(number)
            state.purchase = Purchase(step["call"], number, before, quote)
        self.expect(step, context, state.known)
        self.save(step, context, state.known)

    def _quoted(self, operation: str, headers: list[tuple[str, str]], body: bytes, origin: str) -> Quote | None:
        """Return the prices of a call to an emulator; None if the emulator gives none."""
        try:
            return self.sender.quote(operation, headers, body, origin)
        except LeftOut:
            return None

    def save(self, step: Mapping[str, Any], context: ResponseContext, known: dict[str, Any]) -> None:
        """Keep in `known` the values of an answer that later steps need. Raises FlowAborted if one is missing."""
        for name, pointer in step.get("save", {}).items():
            value = at(context.body, pointer)
            if value is None or value == []:
                got = context.exchange.shown_answer()
                self.report(STEP, context, Deviation(f"a value at {pointer}", got, context.evidence, pointer))
                raise FlowAborted(f"{context.operation.id} answered nothing at {pointer}")
            known[name] = value

    def expect(self, step: Mapping[str, Any], context: ResponseContext, known: Mapping[str, Any]) -> None:
        """Judge what a step says that its answer holds: `expect` maps places to values."""
        for pointer, value in filled(step.get("expect", {}), known).items():
            got = at(context.body, pointer)
            if got != value or isinstance(got, bool) != isinstance(value, bool):
                evidence = Evidence.of(step.get("evidence")) or context.evidence_at(pointer)
                deviation = Deviation(f"{value!r} at {pointer}", repr(got)[:120], evidence, pointer)
                self.report(OUTCOME, context, deviation)

    def report(self, rule: Rule, context: ResponseContext, deviation: Deviation) -> None:
        """Add `deviation` as a finding of `rule`."""
        self.findings.add(to_finding(rule, context.operation.id, deviation, context.exchange))

    def poll_row(self, kind: Kind, name: str, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return the call that polls the task `name`. The task's name is in the query, the body or the path."""
        path = {**kind.path, **step.get("path", {})}
        row: dict[str, Any] = {"call": kind.poll, "path": path}
        place = kind.asked_at(self.target.contract)
        if place.place == "path":
            path[place.name] = name
        else:
            row[place.place] = {place.name: name}
        return row


def least_calls(flow: Mapping[str, Any]) -> int:
    """Return the fewest calls in which `flow` can end: two for each poll, one for every other step."""
    return sum(2 if "poll" in step else 0 if {"advance", "callback"} & step.keys() else 1 for step in flow["steps"])


def _is_ambiguous(context: ResponseContext) -> bool:
    return (
        context.exchange.status is None
        or context.status >= 500
        or not (context.status >= 400 or context.envelope.refuses(context.body))
    )
