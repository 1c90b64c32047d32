"""The body code has the type that the vendor uses: clients compare strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence


@check("code.type", "a body code of the wrong type, or none")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the code is missing or has another type than the contract's codes."""
    rows, member = context.target.contract.behaviour.body_codes, context.envelope.member
    if not isinstance(context.body, Mapping) or not member or not (context.wants_json or member in context.body):
        return
    yield EXAMINED
    wanted = type(next(iter(rows)))
    evidence = Evidence.of_row(rows[context.envelope.ok])
    if member not in context.body:
        yield Deviation(f"an envelope with `{member}`", context.exchange.shown_answer(), evidence, place="missing")
    elif type(context.code) is not wanted:
        yield Deviation(f"`{member}` as {wanted.__name__}", repr(context.code)[:80], evidence, place="type")
