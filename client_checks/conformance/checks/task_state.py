"""The state of a task is one of the words that the contract has for it."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach


@check("task.state", "a state word that the contract does not have")
def look(seen: ResponseContext) -> Iterator[Breach]:
    for kind, word in seen.polls():
        if seen.phase(kind, word) is None:
            known = ", ".join(str(word) for word in seen.words(kind).values())
            yield Breach(f"one of {known}", repr(word)[:80], seen.evidence, place=kind.name)
