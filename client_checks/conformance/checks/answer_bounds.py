"""An answer comes within a time and a size that a client can handle."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence


@check("answer.bounds", "an answer that is too slow or too large")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the answer was too slow or too large."""
    yield EXAMINED
    if context.exchange.broken_bound:
        evidence = Evidence("documented", "a client has to bound what it reads (RFC 9110, 17)")
        yield Deviation("a whole answer in time", context.exchange.broken_bound, evidence)
