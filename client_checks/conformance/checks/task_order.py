"""A task never goes back to an earlier state, and never leaves its end."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.envelope import parsed
from swapmock.client_checks.conformance.findings import Breach
from swapmock.client_checks.conformance.pointer import every
from swapmock.client_checks.conformance.tasks import asked_id

#: How far along each phase is; the two ends are the same height and not to be changed for one another.
HEIGHT = {"queued": 0, "running": 1, "succeeded": 2, "failed": 2}


@check("task.order", "a task that went back to an earlier state")
def look(seen: ResponseContext) -> Iterator[Breach]:
    _forget_renewed(seen)
    for kind, word in seen.polls():
        phase = seen.phase(kind, word)
        name = asked_id(seen, kind)
        if phase is None or name is None:
            continue
        before = seen.history.phases.get((kind.name, name))
        if before is not None and before != phase and HEIGHT[phase] <= HEIGHT[before]:
            yield Breach(
                f"{before} or what follows it",
                f"{phase} ({word!r}) after {before}",
                seen.evidence,
                place=f"{kind.name} {before}-{phase}",
            )
            continue
        seen.history.phases[kind.name, name] = phase


def _forget_renewed(seen: ResponseContext) -> None:
    """A submission under the caller's own id may make a new task of that name."""
    body = parsed(seen.exchange.body)
    for kind in seen.target.profile.kinds.values():
        if seen.operation.id in kind.submit:
            for pointer in kind.callers:
                for name in every(body, pointer):
                    seen.history.phases.pop((kind.name, str(name)), None)
