"""A task that has ended in the answer to its submission is the same in every poll."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at, every
from swapmock.client_checks.conformance.schema import branch_for, documented
from swapmock.client_checks.conformance.strict_json import parsed
from swapmock.client_checks.conformance.tasks import difference, identity, polled, without_queries


@check("task.answer", "a task that its poll describes differently than its submission")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each value that differs."""
    memory = context.history.memory["task.answer"]
    if not context.is_success:
        return
    for kind in context.target.profile.kinds.values():
        word = at(context.body, kind.state) if kind.answered and context.operation.id in kind.submit else None
        if word is None or context.phase(kind, word) not in ("succeeded", "failed"):
            continue
        body = parsed(context.exchange.body)
        names = [at(context.body, kind.id), *(name for pointer in kind.callers for name in every(body, pointer))]
        for name in names:
            if name is not None:
                memory[kind.name, str(name)] = _told(context)
    for kind, _, asked in polled(context):
        known = identity(context, kind, asked)
        before = None if known is None else memory.get((kind.name, known))
        if before is None:
            continue
        yield EXAMINED
        now = _told(context)
        for name in [name for name in before if name in now]:
            changed = difference(before[name], now[name], f"/{name}")
            if changed is not None:
                place, was, got = changed
                evidence = context.evidence_at(f"{context.envelope.data}{place}")
                yield Deviation(f"{place} {was!r}, as answered at first"[:200], repr(got)[:120], evidence, place)


def _told(context: ResponseContext) -> dict[str, Any]:
    """Return the task in an answer: its documented fields, without the signatures of links."""
    branch = branch_for(context.operation, 200, False)
    body = context.body if branch is None else documented(context.target.contract, branch.schema, context.body)
    data = without_queries(at(body, context.envelope.data))
    return dict(data) if isinstance(data, dict) else {}
