"""A task has a result exactly when it has succeeded."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at


@check("task.result", "a result before success, or success without a result")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if a result is missing, comes too early, or belongs to a failed task."""
    for kind, word in context.polls():
        if not kind.result:
            continue
        yield EXAMINED
        phase, result = context.phase(kind, word), at(context.body, kind.result)
        media = at(context.body, kind.media) if kind.media else None
        if phase == "failed" and kind.reason and at(context.body, kind.reason) in (None, ""):
            evidence = context.evidence_at(kind.reason)
            yield Deviation("a reason for the failure", "none", evidence, place=f"{kind.name} reason")
        if phase in ("queued", "running") and (result or media):
            yield Deviation(
                f"no result while {word!r}",
                repr(result)[:200],
                context.evidence_at(kind.result),
                place=f"{kind.name} early",
            )
        elif phase == "succeeded" and (not result or (kind.media and not media)):
            yield Deviation(
                f"a result with {word!r}",
                repr(result)[:200],
                context.evidence_at(kind.result),
                place=f"{kind.name} missing",
            )
        elif phase == "failed" and (media or (result and not kind.failed_result)):
            yield Deviation(
                f"no media with {word!r}",
                repr(result)[:200],
                context.evidence_at(kind.result),
                place=f"{kind.name} failed",
            )
        elif (
            phase == "failed" and kind.failed_result and at(context.body, f"{kind.result}/code") == context.envelope.ok
        ):
            evidence = context.evidence_at(kind.result)
            yield Deviation(
                f"the code of a failure with {word!r}", repr(result)[:200], evidence, place=f"{kind.name} code"
            )
