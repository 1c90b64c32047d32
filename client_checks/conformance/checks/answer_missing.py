"""Every call is answered."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence


@check("answer.missing", "a call got no answer")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if no answer came."""
    yield EXAMINED
    if context.exchange.status is None and not context.exchange.broken_bound:
        yield Deviation("an HTTP answer", context.exchange.error, Evidence("documented", "HTTP: RFC 9110"))
