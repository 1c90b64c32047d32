"""The HTTP status matches the body code, by the status policy that the server is held to."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.status_policy import evidence_of, is_hidden, statuses_for


@check("code.http", "an HTTP status that does not match the body code")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the status is not one that the policy allows for the code."""
    row = (
        context.target.contract.behaviour.body_codes.get(context.code) if isinstance(context.code, str | int) else None
    )
    if row is None or context.exchange.status is None or is_hidden(context):
        return
    if row.name == "ok" and context.status >= 400:
        return  # an error with the status of a success: reported by `refusal.hidden`
    yield EXAMINED
    allowed = statuses_for(context.target, context.code, context.variants)
    if context.status not in allowed:
        expected = f"HTTP {' or '.join(map(str, sorted(allowed)))} with code {context.code}"
        yield Deviation(
            expected,
            f"HTTP {context.status} with code {context.code}",
            evidence_of(context.target, context.code),
            place=str(context.code),
        )
