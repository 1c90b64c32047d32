"""The values that a task has from its beginning are the same in every poll."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.tasks import difference, identity, polled, without_queries


@check("task.stable", "a task whose beginning changes between two polls")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each such value that changed."""
    memory = context.history.memory["task.stable"]
    for kind, _, asked in polled(context):
        name = identity(context, kind, asked)
        if name is None:
            continue
        for pointer in kind.fixed:
            value = without_queries(at(context.body, pointer))
            if value is None:
                continue
            yield EXAMINED
            before = memory.setdefault((kind.name, name, pointer), value)
            changed = difference(before, value, pointer)
            if changed is not None:
                place, was, now = changed
                evidence = context.evidence_at(pointer)
                yield Deviation(f"{place} as in an earlier poll: {was!r}"[:200], repr(now)[:120], evidence, pointer)
