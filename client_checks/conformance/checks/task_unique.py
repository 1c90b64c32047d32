"""No two tasks have the same id, and no two results have the same file."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at, every
from swapmock.client_checks.conformance.tasks import identity, polled


@check("task.unique", "an id or a link that two tasks share")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each id or file that occurs twice."""
    yield from _ids(context)
    yield from _links(context)


def _ids(context: ResponseContext) -> Iterator[Deviation | None]:
    given = context.history.memory["task.unique"]
    if not context.is_success:
        return
    for pointer in context.target.profile.handed_out.get(context.operation.id, ()):
        link = str(at(context.body, pointer)).partition("?")[0]
        yield EXAMINED
        before = given.setdefault(("handed out", link), context.exchange.number)
        if before != context.exchange.number:
            got = f"{link[:100]}, which exchange {before} was given already"
            yield Deviation("a place of its own for each upload", got, context.evidence_at(pointer), place=pointer)
    seen = set()
    for kind in context.target.profile.kinds.values():
        if context.operation.id not in kind.submit or kind.id in seen:
            continue
        seen.add(kind.id)
        name = at(context.body, kind.id)
        if name is None:
            continue
        yield EXAMINED
        number = context.exchange.number
        before = given.setdefault(("id", str(name)), number)
        if before != number:
            got = f"{name!r}, which exchange {before} was given already"
            yield Deviation("a different id for each task", got[:160], context.evidence_at(kind.id), f"{kind.name} id")


def _links(context: ResponseContext) -> Iterator[Deviation | None]:
    owners = context.history.memory["task.unique"]
    for kind, word, name in polled(context):
        if context.phase(kind, word) != "succeeded":
            continue
        known_name = identity(context, kind, name)
        if known_name is None:
            continue
        submission = context.history.submissions.get((kind.name, name))
        made = f"of exchange {submission.number}" if submission is not None else ""
        for pointer in kind.unique:
            for value in every(context.body, pointer):
                yield EXAMINED
                mine = made or known_name
                known = owners.setdefault(("own", pointer, str(value)), mine)
                if known != mine:
                    got = f"{str(value)[:60]!r}, which task {known[:40]} has as well"
                    expected, evidence = "an id of its own for each task", context.evidence_at(pointer)
                    yield Deviation(expected, got, evidence, f"{kind.name} {pointer}")
        owner = made or str((at(context.body, kind.own) if kind.own else None) or known_name)
        for pointer in kind.links:
            links = [str(link).partition("?")[0] for link in every(context.body, pointer) if isinstance(link, str)]
            if links:
                yield EXAMINED
            repeated = next((link for link in links if links.count(link) > 1), None)
            if repeated is not None:
                expected = "a different file at each place of a result"
                yield Deviation(expected, repeated[:120], context.evidence_at(pointer), f"{kind.name} {pointer} twice")
            for link in links:
                known = owners.setdefault(("link", link), owner)
                if known != owner:
                    got = f"{link[:100]}, which task {known[:40]} has as well"
                    yield Deviation(
                        "different files for each task", got, context.evidence_at(pointer), f"{kind.name} {pointer}"
                    )
