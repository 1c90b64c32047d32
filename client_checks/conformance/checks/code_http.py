"""The HTTP status goes with the body code as the policy has it that the server is held to."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach
from swapmock.client_checks.conformance.status_policy import evidence_of, is_hidden, statuses_for


@check("code.http", "an HTTP status that does not go with the body code")
def look(seen: ResponseContext) -> Iterator[Breach]:
    row = seen.target.contract.behaviour.body_codes.get(seen.code) if isinstance(seen.code, str | int) else None
    if row is None or seen.exchange.status is None or is_hidden(seen):
        return
    if row.name == "ok" and seen.status >= 400:
        return  # a refusal that says yes: `refusal.hidden` has it
    allowed = statuses_for(seen.target, seen.code, seen.variants)
    if seen.status not in allowed:
        expected = f"HTTP {' or '.join(map(str, sorted(allowed)))} with code {seen.code}"
        yield Breach(
            expected,
            f"HTTP {seen.status} with code {seen.code}",
            evidence_of(seen.target, seen.code),
            place=str(seen.code),
        )
