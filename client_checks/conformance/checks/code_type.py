"""The body code has the type that the vendor writes it in: clients compare strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach, Evidence


@check("code.type", "a body code of the wrong type, or none")
def look(seen: ResponseContext) -> Iterator[Breach]:
    rows = seen.target.contract.behaviour.body_codes
    if not isinstance(seen.body, Mapping) or not rows or not (seen.wants_envelope or "code" in seen.body):
        return
    wanted = type(next(iter(rows)))
    evidence = Evidence.of_row(rows[seen.envelope.ok])
    if "code" not in seen.body:
        yield Breach("an envelope with `code`", seen.exchange.shown_answer(), evidence, place="missing")
    elif type(seen.body["code"]) is not wanted:
        yield Breach(f"`code` as {wanted.__name__}", repr(seen.body["code"])[:80], evidence, place="type")
