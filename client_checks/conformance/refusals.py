"""Calls that must be refused: rows of a profile's `refusals`, and steps of flows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.conformance.budget import LeftOut
from swapmock.client_checks.conformance.context import ResponseContext, to_finding
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding
from swapmock.client_checks.conformance.flow import FlowRunner
from swapmock.client_checks.conformance.rules import ACCEPTED, MENTION, REFUSAL, SETTLED


def refuse(runner: FlowRunner, row: Mapping[str, Any]) -> None:
    """Send one call that must be refused, and judge the answer."""
    name = f"refusal {row['name']}"
    if "call" in row and not runner.target.profile.present([row["call"]], runner.target.variants):
        return
    try:
        refused_step(runner, row, {**runner.values, "unique": runner.unique()}, name)
    except LeftOut as why:
        runner.sender.budget.note(name, str(why), is_chosen=why.is_chosen)
    else:
        runner.completed.append(name)


def refused_step(runner: FlowRunner, row: Mapping[str, Any], known: Mapping[str, Any], origin: str) -> None:
    """Send a row, and judge the error response and that nothing was charged."""
    target = runner.target
    if "raw" in row:
        before = None
        raw = row["raw"]
        exchange = runner.sender.send(
            raw["method"], runner.sender.url(raw["path"]), runner.credentials(row), b"", origin=origin
        )
        operation = next(iter(target.contract.operations.values()))
        context = ResponseContext(target, operation, exchange, runner.history)
    else:
        costs = target.may_cost(row["call"])
        before = runner.sender.balance(origin) if costs and not target.is_live else None
        context = runner.send(row, known, origin, expects_refusal=True)
        if target.is_live and costs:
            before = runner.sender.balance_before
    runner.findings.extend(_judged(runner, row, context, origin))
    _check_not_charged(runner, context, before, origin)


def _check_not_charged(runner: FlowRunner, context: ResponseContext, before: float | None, origin: str) -> None:
    """Check that a refused call costs nothing, if the contract says so for its code."""
    code = context.code
    row = runner.target.contract.behaviour.body_codes.get(code) if isinstance(code, str | int) else None
    if before is None or (row is None and context.envelope.member) or (row is not None and row.charged):
        return
    after = runner.sender.balance(origin)
    if after is not None and before - after > 0.001:
        got = f"it fell by {round(before - after, 6):g}: {context.exchange.shown_answer(120)}"
        expected = f"the balance to stay where it is with code {code}"
        evidence = Evidence("inferred", "what is refused costs nothing") if row is None else Evidence.of_row(row)
        runner.report(SETTLED, context, Deviation(expected, got, evidence, "refused"))


def _judged(runner: FlowRunner, row: Mapping[str, Any], context: ResponseContext, origin: str) -> Iterator[Finding]:
    behaviour = runner.target.contract.behaviour
    allowed = [
        behaviour.refusals[one] for one in ([row["refused"]] if isinstance(row["refused"], str) else row["refused"])
    ]
    codes = [expected_code(row, refusal.code, context.variants) for refusal in allowed]
    evidence = Evidence.of(row.get("evidence")) or Evidence.of_row(behaviour.body_codes.get(codes[0], allowed[0]))
    where, place = row.get("call", origin), row.get("name", origin)
    got = context.exchange.shown_answer()
    word = "code" if context.envelope.member else "HTTP status"
    told = f"{word} {' or '.join(repr(code) for code in codes)}"
    if context.is_success:
        yield to_finding(ACCEPTED, where, Deviation(f"a refusal with {told}", got, evidence, place), context.exchange)
    elif context.code not in codes:
        yield to_finding(REFUSAL, where, Deviation(told, got, evidence, place), context.exchange)
    elif row.get("mentions") and row["mentions"] not in context.exchange.answer.decode("utf-8", "replace"):
        source = Evidence("inferred", "every 422 that was seen names the field")
        expected = f"a message that names {row['mentions']}"
        yield to_finding(MENTION, where, Deviation(expected, got, source, place), context.exchange)


def expected_code(row: Mapping[str, Any], usual: Any, variants: Mapping[str, Any]) -> Any:
    """Return the body code of a refusal. `codes` of the row has other codes for some choices: `{variant: {choice:
    code}}`."""
    for name, codes in row.get("codes", {}).items():
        if variants.get(name) in codes:
            return codes[variants[name]]
    return usual
