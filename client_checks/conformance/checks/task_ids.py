"""Ids have the forms that were seen, and a poll answers for the task that it asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach, Evidence
from swapmock.client_checks.conformance.pointer import every
from swapmock.client_checks.conformance.profile import Kind, applies
from swapmock.client_checks.conformance.tasks import asked_id


@check("task.ids", "an id of the wrong form, or of another task")
def look(seen: ResponseContext) -> Iterator[Breach]:
    if seen.code != seen.envelope.ok:
        return
    for kind in seen.target.profile.kinds.values():
        yield from _forms(seen, kind)
        if kind.poll == seen.operation.id and kind.echo:
            asked = asked_id(seen, kind)
            for echoed in every(seen.body, kind.echo):
                if asked is not None and echoed != asked:
                    yield Breach(
                        f"the id that was asked for, {asked}",
                        repr(echoed)[:80],
                        seen.evidence,
                        place=f"{kind.name} echo",
                    )


def _forms(seen: ResponseContext, kind: Kind) -> Iterator[Breach]:
    for form in kind.forms:
        if seen.operation.id not in form["of"] or not applies(form.get("when"), seen.target.variants):
            continue
        evidence = Evidence(form["evidence"], form["source"])
        for value in every(seen.body, form["at"]):
            if value is not None and not re.fullmatch(form["pattern"], str(value)):
                yield Breach(f"{form['at']} as {form['pattern']}", repr(value)[:80], evidence, place=form["at"])
