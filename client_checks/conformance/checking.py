"""Lets every check look at an answer."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, all_checks
from swapmock.client_checks.conformance.findings import Finding
from swapmock.client_checks.conformance.tasks import observe


def check_response(context: ResponseContext) -> Iterator[Finding]:
    """Everything that any check finds in one answer. What the answer says of a new task is remembered first."""
    observe(context)
    for one in all_checks().values():
        yield from one.findings(context)
