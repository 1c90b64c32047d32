"""Times of a task are seconds since the epoch, and the task does not end before it began."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at

#: The range of plausible seconds since the epoch, from 2001. Milliseconds since the epoch are above this range.
SECONDS = (1_000_000_000, 100_000_000_000)


@check("task.times", "a task with impossible times")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each time that is not plausible, and for an end before the beginning."""
    for kind, word in context.polls():
        if not kind.times:
            continue
        yield EXAMINED
        duration = at(context.body, kind.duration) if kind.duration else None
        if duration is not None and context.phase(kind, word) in ("queued", "running"):
            expected, evidence = "no duration before the end", context.evidence_at(kind.duration)
            yield Deviation(expected, repr(duration)[:60], evidence, place=f"{kind.name} {kind.duration}")
        begun, ended = (at(context.body, pointer) for pointer in kind.times)
        for pointer, time in zip(kind.times, (begun, ended), strict=True):
            if isinstance(time, int | float) and not SECONDS[0] <= time < SECONDS[1]:
                yield Deviation(
                    "seconds since the epoch", repr(time), context.evidence_at(pointer), place=f"{kind.name} {pointer}"
                )
        if begun is None or ended is None or type(begun) is not type(ended):
            continue
        if ended < begun:
            yield Deviation(
                f"an end at or after {begun}", repr(ended), context.evidence_at(kind.times[1]), place=kind.name
            )
