"""The body of an answer matches the contract's schema for a success, or for an error, of its operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.schema import Branch, branch_for, evidence_at

#: The limit on reported violations: high enough that every violation in an answer is reported.
EVERY = 1 << 30


@check("answer.schema", "an answer outside its schema")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each place in the body that breaks the schema."""
    body = context.body
    if not isinstance(body, Mapping):
        is_null = body is None and context.exchange.answer.strip() == b"null"
        if (body is not None or is_null) and context.wants_json:
            yield Deviation("an object", context.exchange.shown_answer(), context.evidence)
        return
    yield EXAMINED
    branch = _branch(context, body)
    if branch is None:
        return
    for violation in branch.validator.violations(body, "response", most=EVERY):
        place = violation.pointer
        if place in (f"/{context.envelope.member}", ""):
            continue  # the body code is judged by the checks `code.*`
        if isinstance(violation.got, float) and not isfinite(violation.got):
            continue  # reported by `answer.form`: JSON has no such number
        evidence = evidence_at(context.target.contract, branch.schema, violation.place[1:]) or context.evidence
        expected = violation.rule if violation.expected is None else f"{violation.rule} {_short(violation.expected)}"
        got = "nothing" if violation.rule == "required" else _short(violation.got)
        yield Deviation(f"{place}: {expected}", got, evidence, place=_general(violation.place[1:]))


def _branch(context: ResponseContext, body: Mapping[str, Any]) -> Branch | None:
    refuses = context.status >= 300 or context.envelope.refuses(body)
    return branch_for(context.operation, context.status, refuses)


def _general(place: tuple[str | int, ...]) -> str:
    """Return `place` with `*` for each index, so that ten faces give one finding."""
    return "".join("/*" if isinstance(step, int) else f"/{step}" for step in place)


def _short(value: Any, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."
