"""The state of a task is one of the contract's status words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.profile import Kind

#: The phases of a task for which a contract has words.
PHASES = ("queued", "running", "succeeded", "failed")


@check("task.state", "a status word that the contract does not list")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the contract does not list the word."""
    for kind, word in context.polls():
        yield EXAMINED
        if context.phase(kind, word) is None:
            known = ", ".join(str(word) for word in context.words(kind).values())
            yield Deviation(f"one of {known}", repr(word)[:80], context.evidence_at(kind.state), place=kind.name)
        elif kind.text:
            yield from _described(context, kind, word)


def _described(context: ResponseContext, kind: Kind, word: Any) -> Iterator[Deviation | None]:
    """Yield a deviation if the words for the state are those that the contract has for another state. Other words are
    left open."""
    told, phase = at(context.body, kind.text), context.phase(kind, word)
    rows = context.target.contract.behaviour.rest.get("descriptions", {}).values()
    others = {text: other for row in rows if isinstance(row, Mapping) for other, text in row.items() if other in PHASES}
    ours = {row[phase] for row in rows if isinstance(row, Mapping) and phase in row}
    if told in others and told not in ours:
        yield EXAMINED
        got = f"{told!r}, the words for {others[told]}"
        yield Deviation(f"words for {phase}", got, context.evidence_at(kind.text), place=f"{kind.name} {kind.text}")
