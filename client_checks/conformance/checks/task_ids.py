"""Ids have the documented form, and the answer to a poll is about the task that was requested."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import every
from swapmock.client_checks.conformance.profile import Kind, applies
from swapmock.client_checks.conformance.tasks import asked_id


@check("task.ids", "an id of the wrong form, or of another task")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each id that has the wrong form or belongs to another task."""
    if not context.is_success:
        return
    for kind in context.target.profile.kinds.values():
        yield from _forms(context, kind)
        if kind.poll == context.operation.id and kind.echo:
            asked = asked_id(context, kind)
            yield EXAMINED
            for echoed in every(context.body, kind.echo):
                if asked is not None and echoed != asked:
                    yield Deviation(
                        f"the id that was asked for, {asked}",
                        repr(echoed)[:80],
                        context.evidence_at(kind.echo),
                        place=f"{kind.name} echo",
                    )


def _forms(context: ResponseContext, kind: Kind) -> Iterator[Deviation | None]:
    for form in kind.forms:
        if context.operation.id not in form["of"] or not applies(form.get("when"), context.target.variants):
            continue
        evidence = Evidence(form["evidence"], form["source"])
        for value in every(context.body, form["at"]):
            yield EXAMINED
            if value is not None and not re.fullmatch(form["pattern"], str(value)):
                yield Deviation(f"{form['at']} as {form['pattern']}", repr(value)[:80], evidence, place=form["at"])
