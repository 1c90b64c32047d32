"""The body code is one of the contract's, and of its type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach, Evidence
from swapmock.contracts.behaviour import LEVELS


@check("code.known", "a body code that the contract does not list")
def look(seen: ResponseContext) -> Iterator[Breach]:
    rows = seen.target.contract.behaviour.body_codes
    if not isinstance(seen.body, Mapping) or "code" not in seen.body:
        return
    code = seen.code
    if not isinstance(code, str | int) or isinstance(code, bool) or str(code) in map(str, rows):
        return
    refusals = [row for row in rows.values() if row.name != "ok"]
    # The list is as well known as the best known of its refusals.
    best = min(refusals, key=lambda row: LEVELS.index(row.evidence), default=rows[seen.envelope.ok])
    yield Breach(f"one of {', '.join(map(str, rows))}", repr(code), Evidence.of_row(best), place=str(code)[:40])
