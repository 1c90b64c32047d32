"""The HTTP status is one that the operation lists."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation


@check("answer.status", "an HTTP status that the contract does not list")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the status is not listed."""
    yield EXAMINED
    listed = [str(status) for status in context.operation.spec["responses"]]
    status = context.exchange.status
    if status is None:
        return
    if context.operation.files and 200 <= status < 300:
        return  # a file store: it may answer with any 2xx
    if context.operation.answer_key(status) is not None or status in context.target.declared_statuses:
        return
    yield Deviation(f"one of {', '.join(listed)}", context.exchange.shown_answer(), context.evidence, place=str(status))
