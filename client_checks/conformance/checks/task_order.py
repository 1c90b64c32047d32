"""A task never returns to an earlier state and never leaves its final state."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.tasks import asked_id

#: The rank of each phase. Both final phases have the same rank; a task must not change from one to the other.
PROGRESS = {"queued": 0, "running": 1, "succeeded": 2, "failed": 2}


@check("task.order", "a task that went back to an earlier state")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if a task went back or changed its final state."""
    for kind, word in context.polls():
        phase = context.phase(kind, word)
        name = asked_id(context, kind)
        if phase is None or name is None:
            continue
        yield EXAMINED
        before = context.history.phases.get((kind.name, name))
        if before is not None and before != phase and PROGRESS[phase] <= PROGRESS[before]:
            yield Deviation(
                f"{before} or what follows it",
                f"{phase} ({word!r}) after {before}",
                context.evidence_at(kind.state),
                place=f"{kind.name} {before}-{phase}",
            )
            continue
        context.history.phases[kind.name, name] = phase
