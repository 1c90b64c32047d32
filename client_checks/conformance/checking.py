"""Runs every check on an answer."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, all_checks
from swapmock.client_checks.conformance.findings import Finding
from swapmock.client_checks.conformance.tasks import observe


def check_response(context: ResponseContext) -> Iterator[Finding]:
    """Yield the findings of all checks for one answer. First, a task that the answer reports as new is remembered."""
    observe(context)
    for one in all_checks().values():
        yield from one.findings(context)
