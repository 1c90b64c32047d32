"""The state of a task is one of the words that the contract has for it."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation


@check("task.state", "a state word that the contract does not have")
def look(context: ResponseContext) -> Iterator[Deviation]:
    for kind, word in context.polls():
        if context.phase(kind, word) is None:
            known = ", ".join(str(word) for word in context.words(kind).values())
            yield Deviation(f"one of {known}", repr(word)[:80], context.evidence, place=kind.name)
