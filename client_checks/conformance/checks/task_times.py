"""Times of a task make sense: it does not end before it began, and ends only once it is over."""

from __future__ import annotations

from collections.abc import Iterator

from client_checks.conformance.findings import Breach
from client_checks.conformance.pointer import at
from client_checks.conformance.seen import Seen, check


@check("task.times", "a task that ended before it began")
def look(seen: Seen) -> Iterator[Breach]:
    for kind, _ in seen.polls():
        if not kind.times:
            continue
        begun, ended = (at(seen.body, pointer) for pointer in kind.times)
        if begun is None or ended is None or type(begun) is not type(ended):
            continue
        if ended < begun:
            yield Breach(f"an end at or after {begun}", repr(ended), seen.evidence, place=kind.name)
