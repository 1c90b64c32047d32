"""Walks the flows and refusals of a profile: rows of data in, exchanges and findings out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from swapmock.client_checks.clock import Clock
from swapmock.client_checks.conformance.budget import LeftOut
from swapmock.client_checks.conformance.context import History, ResponseContext, check_response, to_finding
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding, Findings
from swapmock.client_checks.conformance.media import IMAGE, fits, kind_of
from swapmock.client_checks.conformance.pointer import at, filled
from swapmock.client_checks.conformance.profile import Kind, applies
from swapmock.client_checks.conformance.sender import Sender
from swapmock.client_checks.conformance.target import Target, standing_credentials
from swapmock.contracts import Operation


@dataclass(frozen=True)
class Rule:
    """The id and title of what a flow, not a single answer, shows."""

    id: str
    title: str


STEP = Rule("flow.step", "a step of a flow that did not succeed")
STUCK = Rule("flow.stuck", "a task that did not end")
OUTCOME = Rule("flow.outcome", "a task that ended otherwise than it should")
DOWNLOAD = Rule("media.download", "a medium that cannot be downloaded")
MEDIUM = Rule("media.kind", "a medium that is not what it should be")
REFUSAL = Rule("refusal.expected", "a call that was not refused as it should be")
ACCEPTED = Rule("refusal.missing", "a call that should be refused and was accepted")
MENTION = Rule("refusal.names", "a refusal that does not name the field")
SETTLED = Rule("credits.settled", "a charge that is not what the task or the refusal says")
AMBIGUOUS = Rule("paid.ambiguous", "a call that may have been charged, without a clear answer")


@dataclass(frozen=True)
class PollTiming:
    """How polls wait: seconds between the first two of a task, by how much each wait is longer than the one before, and
    seconds in all."""

    interval: float
    timeout: float
    growth: float = 1.0


class FlowAborted(Exception):
    """The rest of a flow makes no sense; what is wrong is reported already."""


@dataclass
class FlowRunner:
    """Walks rows of a profile on a target. `values` are what `$names` stand for; `advance(by)` moves the target's
    clock past a lifetime or by seconds, where that can be had; `callbacks` looks at what a receiver got."""

    target: Target
    sender: Sender
    clock: Clock
    poll_timing: PollTiming
    values: Mapping[str, Any]
    findings: Findings
    history: History = field(default_factory=History)
    advance: Callable[[str | float], None] | None = None
    callbacks: Any = None
    completed: list[str] = field(default_factory=list)
    rows: int = 0

    def can(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is for this target."""
        have = {
            "emulator": not self.target.is_live and self.target.is_ours,
            "clock": self.advance is not None,
            "callback": self.callbacks is not None and self.target.contract.behaviour.callbacks is not None,
        }
        if row.get("needs") and not have[row["needs"]]:
            return False
        return applies(row.get("when"), self.target.variants)

    def run(self, flow: Mapping[str, Any]) -> None:
        """One flow to its end, or to the step that makes the rest senseless."""
        for _ in self.steps_of(flow, f"flow {flow['name']}"):
            pass

    def steps_of(
        self, flow: Mapping[str, Any], name: str, polled: list[Mapping[str, Any]] | None = None
    ) -> Iterator[None]:
        """The same step by step. The polls that were answered are added to `polled`, to be asked again."""
        known = {**self.values, "unique": self.unique()}
        if self.callbacks is not None and flow.get("needs") == "callback":
            known["callback_url"] = self.callbacks.url_for(flow["name"])
        state: dict[str, Any] = {"known": known, "polled": [] if polled is None else polled}
        try:
            self.sender.budget.need_calls(least_calls(flow))
            for step in flow["steps"]:
                if "call" in step and not self.target.profile.present([step["call"]], self.target.variants):
                    continue
                self._step(step, state, name)
                yield
        except LeftOut as why:
            self.sender.budget.note(name, str(why))
        except FlowAborted:
            pass
        else:
            self.completed.append(name)

    def unique(self) -> str:
        """A name that no other row of this run, or of another, has."""
        self.rows += 1
        return f"check-{int(self.clock.now())}-{self.rows}"

    def ask_again(self, row: Mapping[str, Any], origin: str) -> None:
        """Repeat a poll; every check looks at the answer."""
        self._send(row, {}, origin, expects_refusal=False)

    def _step(self, step: Mapping[str, Any], state: dict[str, Any], origin: str) -> None:
        known = state["known"]
        if "refused" in step:
            self._refused(step, known, origin)
        elif "call" in step:
            self._call(step, state, origin)
        elif "poll" in step:
            self._poll(step, state, origin)
        elif "put" in step:
            self._put(step, known, origin)
        elif "download" in step:
            self._download(step, known, origin)
        elif "callback" in step:
            kind = self.target.profile.kinds[step["callback"]]
            self.findings.extend(self.callbacks.findings(kind, filled(step["id"], known), state.get("last"), origin))
        elif "advance" in step and self.advance is not None:
            self.advance(step["advance"])

    # --- one call

    def request(
        self, row: Mapping[str, Any], known: Mapping[str, Any]
    ) -> tuple[str, str, list[tuple[str, str]], bytes]:
        """Method, URL, headers and body of a row with `call`."""
        operation = self.target.contract.operations[row["call"]]
        path = operation.path
        for name, value in filled(row.get("path", {}), known).items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe="/"))
        query = filled(row.get("query", {}), known)
        url = self.sender.url(path) + (f"?{urlencode(query)}" if query else "")
        headers = self._credentials(row)
        body = b""
        if "content" in row:
            body = str(row["content"]).encode()
        elif "body" in row:
            body = json.dumps(filled(row["body"], known), ensure_ascii=False).encode()
        if operation.takes_json:
            headers.append(("Content-Type", "application/json"))
        return operation.method, url, headers, body

    def _credentials(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        chosen = row.get("credentials", "default")
        if chosen == "none":
            return []
        if row.get("account"):
            return list(standing_credentials(self.target.contract, self.target.profile, row["account"]).items())
        headers = dict(self.target.credentials)
        if isinstance(chosen, Mapping):
            headers.update(chosen)
        return list(headers.items())

    def _send(
        self, row: Mapping[str, Any], known: Mapping[str, Any], origin: str, expects_refusal: bool
    ) -> ResponseContext:
        method, url, headers, body = self.request(row, known)
        exchange = self.sender.send(method, url, headers, body, origin=origin, expects_refusal=expects_refusal)
        return self.look(exchange, self.target.contract.operations[row["call"]])

    def look(self, exchange: Exchange, operation: Operation) -> ResponseContext:
        """Let every check look at an answer."""
        context = ResponseContext(self.target, operation, exchange, self.history)
        self.findings.extend(check_response(context))
        return context

    def _call(self, step: Mapping[str, Any], state: dict[str, Any], origin: str) -> None:
        known = state["known"]
        costs = self.target.profile.may_cost(step["call"])
        if costs and not self.target.is_live:
            state["before"] = self.sender.balance(origin)
        context = self._send(step, known, origin, expects_refusal=False)
        if not self._succeeded(context):
            self._report(STEP, context, Deviation("a success", context.exchange.shown_answer(), context.evidence))
            if costs and self.target.is_live and _is_ambiguous(context):
                why = Deviation(
                    "an answer that says whether it was charged; it is not sent again",
                    context.exchange.shown_answer(),
                    Evidence("inferred", "the provider has no idempotency key"),
                )
                self._report(AMBIGUOUS, context, why)
            raise FlowAborted
        self._save(step, context, known)

    def _succeeded(self, context: ResponseContext) -> bool:
        return 200 <= context.status < 300 and (not context.wants_envelope or context.code == context.envelope.ok)

    def _save(self, step: Mapping[str, Any], context: ResponseContext, known: dict[str, Any]) -> None:
        for name, pointer in step.get("save", {}).items():
            value = at(context.body, pointer)
            if value is None or value == []:
                self._report(
                    STEP,
                    context,
                    Deviation(f"a value at {pointer}", context.exchange.shown_answer(), context.evidence, pointer),
                )
                raise FlowAborted
            known[name] = value

    def _report(self, rule: Rule, context: ResponseContext, deviation: Deviation) -> None:
        self.findings.add(to_finding(rule, context.operation.id, deviation, context.exchange))

    # --- polls

    def _poll(self, step: Mapping[str, Any], state: dict[str, Any], origin: str) -> None:
        kind = self.target.profile.kinds[step["poll"]]
        known = state["known"]
        name = str(filled(step["id"], known))
        wanted = step.get("until", "succeeded")
        give_up, wait = self.clock.now() + self.poll_timing.timeout, self.poll_timing.interval
        growth = self.poll_timing.growth
        if "every" in step and not self.target.is_live:
            wait, growth = step["every"], 1.0
        while True:
            context = self._send(self.poll_row(kind, name, step), known, origin, expects_refusal=False)
            word = at(context.body, kind.state)
            phase = None if word is None else context.phase(kind, word)
            if phase in ("succeeded", "failed"):
                break
            if word is None or phase is None:
                self._report(
                    STEP, context, Deviation("the state of the task", context.exchange.shown_answer(), context.evidence)
                )
                raise FlowAborted
            if self.clock.now() >= give_up:
                expected = f"an end within {self.poll_timing.timeout:g} s"
                self._report(STUCK, context, Deviation(expected, f"still {word!r}", context.evidence, kind.name))
                raise FlowAborted
            self.clock.pause(wait)
            wait *= growth
        state["last"] = context.body
        state["polled"].append(self.poll_row(kind, name, step))
        with suppress(LeftOut):
            # What has ended stays as it is.
            self.ask_again(state["polled"][-1], origin)
        self._check_settled(kind, context, phase, state, origin)
        if phase != wanted:
            self._report(
                OUTCOME,
                context,
                Deviation(wanted, context.exchange.shown_answer(), context.evidence, f"{kind.name} {origin}"),
            )
            raise FlowAborted
        self._save(step, context, known)

    def poll_row(self, kind: Kind, name: str, step: Mapping[str, Any]) -> dict[str, Any]:
        place = "query" if kind.ask["in"] == "query" else "body"
        return {"call": kind.poll, place: {kind.ask["name"]: name}, "path": {**kind.path, **step.get("path", {})}}

    def _check_settled(
        self, kind: Kind, context: ResponseContext, phase: str, state: dict[str, Any], origin: str
    ) -> None:
        """The balance fell by what the task says it cost."""
        before = state.pop("before", None)
        if not kind.credits or before is None:
            return
        told, after = at(context.body, kind.credits), self.sender.balance(origin)
        if after is None or isinstance(told, bool) or not isinstance(told, int | float):
            return
        fallen = round(before - after, 6)
        # Amounts that are rounded to whole credits may be one off.
        if abs(fallen - told) > (1 if float(before).is_integer() and float(after).is_integer() else 0.001):
            source = "spec: task-info" if phase == "succeeded" else "spec: task-info implies the refund"
            evidence = Evidence("documented" if phase == "succeeded" else "inferred", source)
            self._report(
                SETTLED,
                context,
                Deviation(f"the balance to fall by {told:g}", f"it fell by {fallen:g}", evidence, phase),
            )

    # --- media

    def _put(self, step: Mapping[str, Any], known: Mapping[str, Any], origin: str) -> None:
        url = str(filled(step["put"], known))
        exchange = self.sender.send("PUT", url, [("Content-Type", step["type"])], IMAGE, origin=origin)
        operation = self.target.contract.operations.get(exchange.operation)
        if operation is not None:
            self.look(exchange, operation)
        if exchange.status is None or not 200 <= exchange.status < 300:
            deviation = Deviation("any 2xx", exchange.shown_answer(), Evidence("documented", "cli"))
            self.findings.add(to_finding(STEP, exchange.operation or "PUT of a file", deviation, exchange))
            raise FlowAborted

    def _download(self, step: Mapping[str, Any], known: Mapping[str, Any], origin: str) -> None:
        links = filled(step["download"], known)
        for link in links if isinstance(links, list) else [links]:
            exchange = self.sender.send("GET", str(link), origin=origin)
            self.findings.extend(self._medium(step, exchange, origin))

    def _medium(self, step: Mapping[str, Any], exchange: Exchange, origin: str) -> Iterator[Finding]:
        evidence = Evidence("documented", "the answer links to it")
        if exchange.status != 200:
            yield to_finding(DOWNLOAD, origin, Deviation("HTTP 200", exchange.shown_answer(), evidence), exchange)
            return
        declared = (exchange.header("Content-Type") or "").split(";")[0].strip().lower()
        kind = kind_of(exchange.answer)
        if not fits(step["kind"], declared, kind, exchange.path):
            got = f"{declared or 'no type'}, {kind or 'unknown'} bytes, at {exchange.path}"
            yield to_finding(MEDIUM, origin, Deviation(f"a file that is {step['kind']}", got, evidence), exchange)
        elif step.get("equals") and exchange.answer != IMAGE:
            yield to_finding(
                MEDIUM, origin, Deviation("the bytes that were put there", "other bytes", evidence, "bytes"), exchange
            )

    # --- refusals

    def refuse(self, row: Mapping[str, Any]) -> None:
        """One call that must be refused."""
        name = f"refusal {row['name']}"
        if "call" in row and not self.target.profile.present([row["call"]], self.target.variants):
            return
        try:
            self._refused(row, {**self.values, "unique": self.unique()}, name)
        except LeftOut as why:
            self.sender.budget.note(name, str(why))
        else:
            self.completed.append(name)

    def _refused(self, row: Mapping[str, Any], known: Mapping[str, Any], origin: str) -> None:
        if "raw" in row:
            before = None
            exchange = self.sender.send(
                row["raw"]["method"], self.sender.url(row["raw"]["path"]), self._credentials(row), b"", origin=origin
            )
            operation = next(iter(self.target.contract.operations.values()))
            context = ResponseContext(self.target, operation, exchange, self.history)
        else:
            before = self._balance_before(row, origin)
            context = self._send(row, known, origin, expects_refusal=True)
            if self.target.is_live and self.target.profile.may_cost(row["call"]):
                before = self.sender.balance_before
        self.findings.extend(self._about_refusal(row, context, origin))
        self._check_not_charged(context, before, origin)

    def _balance_before(self, row: Mapping[str, Any], origin: str) -> float | None:
        """The balance before a call that may cost; the sender reads that of a live target itself."""
        if self.target.is_live or not self.target.profile.may_cost(row["call"]):
            return None
        return self.sender.balance(origin)

    def _check_not_charged(self, context: ResponseContext, before: float | None, origin: str) -> None:
        """A refusal takes nothing, where the contract says so of its code."""
        row = (
            self.target.contract.behaviour.body_codes.get(context.code) if isinstance(context.code, str | int) else None
        )
        if before is None or row is None or row.charged:
            return
        after = self.sender.balance(origin)
        if after is not None and before - after > 0.001:
            got = f"it fell by {round(before - after, 6):g}: {context.exchange.shown_answer(120)}"
            expected = f"the balance to stay where it is with code {context.code}"
            self._report(SETTLED, context, Deviation(expected, got, Evidence.of_row(row), "refused"))

    def _about_refusal(self, row: Mapping[str, Any], context: ResponseContext, origin: str) -> Iterator[Finding]:
        refusal = self.target.contract.behaviour.refusals[row["refused"]]
        code = expected_code(row, refusal.code, context.variants)
        evidence = Evidence.of(row.get("evidence")) or Evidence.of_row(self.target.contract.behaviour.body_codes[code])
        where = row.get("call", origin)
        got = context.exchange.shown_answer()
        if self._succeeded(context):
            yield to_finding(
                ACCEPTED,
                where,
                Deviation(f"a refusal with code {code}", got, evidence, row.get("name", origin)),
                context.exchange,
            )
        elif context.code != code:
            yield to_finding(
                REFUSAL, where, Deviation(f"code {code!r}", got, evidence, row.get("name", origin)), context.exchange
            )
        elif row.get("mentions") and row["mentions"] not in context.exchange.answer.decode("utf-8", "replace"):
            source = Evidence("inferred", "every 422 that was seen names the field")
            yield to_finding(
                MENTION,
                where,
                Deviation(f"a message that names {row['mentions']}", got, source, row.get("name", origin)),
                context.exchange,
            )


def expected_code(row: Mapping[str, Any], usual: Any, variants: Mapping[str, Any]) -> Any:
    """The body code of a refusal; `codes` of the row has others for some choices: `{variant: {choice: code}}`."""
    for name, codes in row.get("codes", {}).items():
        if variants.get(name) in codes:
            return codes[variants[name]]
    return usual


def least_calls(flow: Mapping[str, Any]) -> int:
    """The fewest calls in which a flow can reach its end: two for each poll, one for every other step."""
    return sum(2 if "poll" in step else 0 if {"advance", "callback"} & step.keys() else 1 for step in flow["steps"])


def _is_ambiguous(context: ResponseContext) -> bool:
    return (
        context.exchange.status is None
        or context.status >= 500
        or not (context.status >= 400 or context.envelope.refuses(context.body))
    )
