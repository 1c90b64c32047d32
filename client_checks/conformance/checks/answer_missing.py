"""Every call is answered."""

from __future__ import annotations

from collections.abc import Iterator

from client_checks.conformance.findings import Breach, Evidence
from client_checks.conformance.seen import Seen, check


@check("answer.missing", "a call got no answer")
def look(seen: Seen) -> Iterator[Breach]:
    if seen.exchange.status is None:
        yield Breach("an HTTP answer", seen.exchange.error, Evidence("documented", "HTTP: RFC 9110"))
