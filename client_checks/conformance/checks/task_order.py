"""A task never goes back to an earlier state, and never leaves its end."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.envelope import parsed
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import every
from swapmock.client_checks.conformance.tasks import asked_id

#: How far along each phase is; the two ends are the same height and not to be changed for one another.
HEIGHT = {"queued": 0, "running": 1, "succeeded": 2, "failed": 2}


@check("task.order", "a task that went back to an earlier state")
def look(context: ResponseContext) -> Iterator[Deviation]:
    _forget_renewed(context)
    for kind, word in context.polls():
        phase = context.phase(kind, word)
        name = asked_id(context, kind)
        if phase is None or name is None:
            continue
        before = context.history.phases.get((kind.name, name))
        if before is not None and before != phase and HEIGHT[phase] <= HEIGHT[before]:
            yield Deviation(
                f"{before} or what follows it",
                f"{phase} ({word!r}) after {before}",
                context.evidence,
                place=f"{kind.name} {before}-{phase}",
            )
            continue
        context.history.phases[kind.name, name] = phase


def _forget_renewed(context: ResponseContext) -> None:
    """A submission under the caller's own id may make a new task of that name."""
    body = parsed(context.exchange.body)
    for kind in context.target.profile.kinds.values():
        if context.operation.id in kind.submit:
            for pointer in kind.callers:
                for name in every(body, pointer):
                    context.history.phases.pop((kind.name, str(name)), None)
