"""The state of a task is one of the contract's status words."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation


@check("task.state", "a status word that the contract does not list")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the contract does not list the word."""
    for kind, word in context.polls():
        yield EXAMINED
        if context.phase(kind, word) is None:
            known = ", ".join(str(word) for word in context.words(kind).values())
            yield Deviation(f"one of {known}", repr(word)[:80], context.evidence_at(kind.state), place=kind.name)
