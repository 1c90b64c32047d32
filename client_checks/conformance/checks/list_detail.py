"""The call for one item reports the same values as the list does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.schema import branch_for, documented
from swapmock.client_checks.conformance.tasks import difference, shared_part


@check("list.detail", "an item that differs from its entry in a list")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each value that differs."""
    if not context.is_success:
        return
    memory = context.history.memory["list.detail"]
    branch = branch_for(context.operation, 200, False)
    body = context.body if branch is None else documented(context.target.contract, branch.schema, context.body)
    for detail, rules in context.target.profile.details.items():
        listed = context.target.profile.lists[rules["list"]]
        if context.operation.id == rules["list"]:
            items = at(body, listed["items"])
            for item in items if isinstance(items, list) else ():
                if isinstance(item, Mapping) and item.get(listed["key"]) is not None:
                    memory[str(item[listed["key"]])] = item
        elif context.operation.id == detail:
            data = at(body, rules["at"])
            known = memory.get(str(data.get(listed["key"]))) if isinstance(data, Mapping) else None
            if known is None:
                continue
            yield EXAMINED
            differs = difference(*shared_part(known, data))
            if differs is not None:
                place, was, now = differs
                evidence = context.evidence_at(f"{rules['at']}{place}")
                yield Deviation(f"{place} {was!r}, as the list says"[:200], repr(now)[:120], evidence, place=place)
