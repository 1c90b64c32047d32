"""A result is there exactly when the task has succeeded."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach
from swapmock.client_checks.conformance.pointer import at


@check("task.result", "a result before success, or success without a result")
def look(seen: ResponseContext) -> Iterator[Breach]:
    for kind, word in seen.polls():
        if not kind.result:
            continue
        phase, result = seen.phase(kind, word), at(seen.body, kind.result)
        media = at(seen.body, kind.media) if kind.media else None
        if phase in ("queued", "running") and (result or media):
            yield Breach(f"no result while {word!r}", repr(result)[:200], seen.evidence, place=f"{kind.name} early")
        elif phase == "succeeded" and (not result or (kind.media and not media)):
            yield Breach(f"a result with {word!r}", repr(result)[:200], seen.evidence, place=f"{kind.name} missing")
        elif phase == "failed" and (media or (result and not kind.failed_result)):
            yield Breach(f"no media with {word!r}", repr(result)[:200], seen.evidence, place=f"{kind.name} failed")
