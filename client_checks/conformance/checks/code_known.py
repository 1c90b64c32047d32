"""The body code is one of the contract's, and of its type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from client_checks.conformance.findings import Breach, Evidence
from client_checks.conformance.seen import Seen, check


@check("code.known", "a body code that the contract does not list")
def look(seen: Seen) -> Iterator[Breach]:
    rows = seen.target.contract.behaviour.body_codes
    if not isinstance(seen.body, Mapping) or "code" not in seen.body:
        return
    code = seen.code
    if not isinstance(code, str | int) or isinstance(code, bool) or str(code) in map(str, rows):
        return
    source = next(iter(rows.values())).source if rows else "no list of codes"
    yield Breach(
        f"one of {', '.join(map(str, rows))}", repr(code), Evidence("documented", source), place=str(code)[:40]
    )
