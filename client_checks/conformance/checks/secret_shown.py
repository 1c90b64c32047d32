"""No answer contains a key, in any encoding: answers end up in logs and caches."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence


@check("secret.shown", "an answer that shows a key")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the answer contains a secret of the run."""
    yield EXAMINED
    name = context.exchange.shown_secret
    if name:
        evidence = Evidence("documented", "a key is a secret: it belongs in no answer (CWE-200)")
        yield Deviation("an answer without any key", f"the value of {name}", evidence)
