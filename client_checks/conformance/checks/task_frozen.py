"""A task that has ended never changes again in any documented member."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.schema import branch_for, documented
from swapmock.client_checks.conformance.tasks import difference, identity, polled, without_queries


@check("task.frozen", "an ended task that changed")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for the first place that changed after the end."""
    memory = context.history.memory["task.frozen"]
    branch = branch_for(context.operation, 200, False)
    for kind, word, asked in polled(context):
        name = identity(context, kind, asked)
        phase = context.phase(kind, word)
        if phase not in ("succeeded", "failed") or branch is None or name is None:
            continue
        data = context.envelope.data
        body = documented(context.target.contract, branch.schema, context.body)
        value = without_queries(at(body, data))
        yield EXAMINED
        was_phase, before = memory.setdefault((kind.name, name), (phase, value))
        if was_phase != phase:
            continue  # reported by `task.order`
        changed = difference(before, value)
        if changed is not None:
            place, was, now = changed
            evidence = context.evidence_at(f"{data}{place}")
            general = "".join("/*" if step.isdigit() else f"/{step}" for step in place.split("/")[1:])
            yield Deviation(f"{place} as it was: {was!r}"[:200], repr(now)[:120], evidence, f"{kind.name} {general}")
