"""Every call is answered."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach, Evidence


@check("answer.missing", "a call got no answer")
def look(seen: ResponseContext) -> Iterator[Breach]:
    if seen.exchange.status is None:
        yield Breach("an HTTP answer", seen.exchange.error, Evidence("documented", "HTTP: RFC 9110"))
