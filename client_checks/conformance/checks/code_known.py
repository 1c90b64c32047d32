"""The body code is listed in the contract and has the right type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.contracts.behaviour import LEVELS


@check("code.known", "a body code that the contract does not list")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the contract does not list the code."""
    rows = context.target.contract.behaviour.body_codes
    member = context.envelope.member
    if not isinstance(context.body, Mapping) or not member or member not in context.body:
        return
    code = context.code
    yield EXAMINED
    if not isinstance(code, str | int) or isinstance(code, bool) or str(code) in map(str, rows):
        return
    refusals = [row for row in rows.values() if row.name != "ok"]
    # The list of codes is as certain as the most certain of its error responses.
    best = min(refusals, key=lambda row: LEVELS.index(row.evidence), default=rows[context.envelope.ok])
    yield Deviation(f"one of {', '.join(map(str, rows))}", repr(code), Evidence.of_row(best), place=str(code)[:40])
