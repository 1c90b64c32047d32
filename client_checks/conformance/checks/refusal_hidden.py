"""An error does not look like a success: not by HTTP 200, if the policy has another status, and not by its code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.status_policy import evidence_of, is_hidden, statuses_for


@check("refusal.hidden", "a refusal that looks like a success")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if an error looks like a success."""
    if not isinstance(context.body, Mapping) or context.exchange.status is None or not context.envelope.member:
        return
    yield EXAMINED
    code, ok = context.code, context.envelope.ok
    if is_hidden(context):
        allowed = " or ".join(map(str, sorted(statuses_for(context.target, code, context.variants))))
        hint = (
            "" if context.target.are_declared else "; if that is how this server works, declare the variant http_status"
        )
        expected = f"HTTP {allowed} for code {code}{hint}"
        yield Deviation(
            expected, context.exchange.shown_answer(), evidence_of(context.target, code), place=f"http {code}"
        )
    elif code == ok and context.status >= 400:
        got = context.exchange.shown_answer()
        yield Deviation(
            f"a code other than {ok} beside HTTP {context.status}", got, evidence_of(context.target, ok), place="code"
        )
    elif code == ok and "errors" in context.body and context.body["errors"]:
        expected = f"no errors in addition to code {ok}"
        yield Deviation(expected, context.exchange.shown_answer(), evidence_of(context.target, ok), place="errors")
