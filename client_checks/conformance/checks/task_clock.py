"""The times of a task agree with each other and with the clock of this machine, or with the server's own Date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.profile import Kind
from swapmock.client_checks.conformance.tasks import polled

#: Seconds by which the clocks of two machines may differ.
CLOCKS_DIFFER = 300.0
#: Seconds by which a duration may differ from the time between two moments that are given in whole seconds.
ROUNDING = 1.0
#: The tolerance of a time against a sandbox's clock, which is known exactly, in seconds.
SANDBOX_OFF = 2.0
#: The largest difference of a time zone from UTC plus the tolerance of clocks, in seconds.
FURTHEST_ZONE = 14 * 3600 + CLOCKS_DIFFER


@check("task.clock", "a task whose times do not agree with its duration or with the clock")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each time that contradicts another one."""
    for kind, _, name in polled(context):
        if not kind.times:
            continue
        begun, ended = (_seconds(at(context.body, pointer)) for pointer in kind.times)
        if kind.duration:
            duration = _seconds(at(context.body, kind.duration))
            if duration is not None and begun is not None and ended is not None:
                yield EXAMINED
                if abs(ended - begun - duration) > ROUNDING:
                    evidence = context.evidence_at(kind.duration)
                    yield Deviation(
                        f"{ended - begun:g} s, from beginning to end", f"{duration:g} s", evidence, "duration"
                    )
        submission = context.history.submissions.get((kind.name, name))
        if submission is not None and not context.target.is_live:
            yield from _days(context, kind, submission.at)
        if submission is None or not context.exchange.origin.startswith("flow"):
            continue
        for pointer, moment, earliest in ((kind.times[0], begun, submission.at), (kind.times[1], ended, submission.at)):
            if moment is None or moment < 1e9 or moment > 1e11:
                continue  # a value that is no time is reported by `task.times`
            yield EXAMINED
            now = context.exchange.at
            off = CLOCKS_DIFFER if context.target.is_live else SANDBOX_OFF
            if not earliest - off <= moment <= now + off and not _agrees_with_date(context, moment, now - earliest):
                # Nothing guarantees that a live server's clock, or this machine's clock, is right.
                known = context.evidence_at(pointer)
                evidence = Evidence("inferred", known.source) if context.target.is_live else known
                expected = (
                    f"a moment between {earliest:.0f} and {now:.0f} (submission and poll, by this machine's clock)"
                )
                yield Deviation(expected, f"{moment:.0f}", evidence, place=f"{kind.name} {pointer}")


def _days(context: ResponseContext, kind: Kind, submitted: float) -> Iterator[Deviation | None]:
    """Yield a deviation if a time in words is not within a day of the submission. Such times have no time zone."""
    for pointer in kind.times:
        told = at(context.body, pointer)
        if not isinstance(told, str):
            continue
        try:
            moment = datetime.fromisoformat(told).replace(tzinfo=UTC).timestamp()
        except (ValueError, OverflowError):
            continue  # `answer.schema` reports the form
        yield EXAMINED
        if not submitted - FURTHEST_ZONE <= moment <= context.exchange.at + FURTHEST_ZONE:
            day = datetime.fromtimestamp(submitted, UTC).strftime("%Y-%m-%d")
            yield Deviation(f"a moment about {day}", told, context.evidence_at(pointer), place=f"{kind.name} {pointer}")


def _is_between(moment: float, earliest: float, latest: float) -> bool:
    return earliest - CLOCKS_DIFFER <= moment <= latest + CLOCKS_DIFFER


def _agrees_with_date(context: ResponseContext, moment: float, elapsed: float) -> bool:
    """Return whether the server's own Date confirms `moment`: then this machine's clock is wrong."""
    try:
        now = parsedate_to_datetime(context.exchange.header("Date") or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return False
    # The Date counts only if this machine's clock is far off. Otherwise a wrong Date could excuse a wrong time.
    if abs(now - context.exchange.at) <= CLOCKS_DIFFER:
        return False
    return _is_between(moment, now - elapsed, now)


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 else None
