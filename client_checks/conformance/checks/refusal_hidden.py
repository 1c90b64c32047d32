"""A refusal is not dressed as a success: neither by HTTP 200, where the policy has another status, nor by its code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach
from swapmock.client_checks.conformance.status_policy import evidence_of, is_hidden, statuses_for


@check("refusal.hidden", "a refusal that looks like a success")
def look(seen: ResponseContext) -> Iterator[Breach]:
    if not isinstance(seen.body, Mapping) or seen.exchange.status is None:
        return
    code, ok = seen.code, seen.envelope.ok
    if is_hidden(seen):
        allowed = " or ".join(map(str, sorted(statuses_for(seen.target, code, seen.variants))))
        hint = "" if seen.target.are_declared else "; if that is how this server works, declare the variant http_status"
        expected = f"HTTP {allowed} for code {code}{hint}"
        yield Breach(expected, seen.exchange.shown_answer(), evidence_of(seen.target, code), place=f"http {code}")
    elif code == ok and seen.status >= 400:
        got = seen.exchange.shown_answer()
        yield Breach(
            f"a code other than {ok} beside HTTP {seen.status}", got, evidence_of(seen.target, ok), place="code"
        )
    elif code == ok and "errors" in seen.body and seen.body["errors"]:
        expected = f"no errors beside code {ok}"
        yield Breach(expected, seen.exchange.shown_answer(), evidence_of(seen.target, ok), place="errors")
