"""The HTTP status is one that the operation lists."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach


@check("answer.status", "an HTTP status that the contract does not list")
def look(seen: ResponseContext) -> Iterator[Breach]:
    listed = [str(status) for status in seen.operation.spec["responses"]]
    status = seen.exchange.status
    if status is None or str(status) in listed or "default" in listed or status in seen.target.declared_statuses:
        return
    yield Breach(f"one of {', '.join(listed)}", seen.exchange.shown_answer(), seen.evidence, place=str(status))
