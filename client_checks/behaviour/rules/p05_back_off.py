"""P5: after 429 or a maintenance error the client waits, as long as Retry-After says."""

from collections.abc import Iterable

from swapmock.client_checks.behaviour.model import Exchange, Findings, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import equal_in_batch, gaps, later_same, refused
from swapmock.client_checks.behaviour.rule import SHOULD, Rule

BUSY = {"crun": ("429", "455"), "imgopen": ("429", "503")}
#: A retry within fewer seconds does not count as waiting. Waits of this length need not grow.
AT_ONCE, LONG = 0.5, 30.0
#: The real seconds that a client needs for a retry without a wait. In scaled time they look like a wait: a short gap is then
#: first taken for none, and the case is repeated at a slower rate.
OVERHEAD = 0.03


def judge(case: Observations) -> Findings:
    """Judge how long the client waits before it retries."""
    for role in (Role.CREATE, Role.POLL):
        busy = refused(case, BUSY[case.provider], role)
        untold = [one for one in busy if one.retry_after is None]
        for one in busy:
            told = _seconds(case, one, role)
            following = _following(case, one, role)
            waited = None if following is None else following.at - one.answered
            if told and following is not None and waited is not None and waited < told * 0.9:
                text = f"Retry-After said {told:g} s, the next request came after {waited:.1f} s"
                yield broken(text, one, following)
            elif told:
                yield kept("it waited as Retry-After says" if waited is not None else "it was not sent again", one)
        if untold and len(untold) == len(busy) and equal_in_batch(case, untold[0]) == 1:
            yield from _growing(case, untold, role)


def _following(case: Observations, one: Exchange, role: Role) -> Exchange | None:
    """Return the next request of the same job: the next submission of a run that makes one, else the same submission
    sent again."""
    if role is Role.CREATE and case.jobs != 1:
        return next(iter(later_same(case, one)), None)
    later = (other for other in case.of(role, run=one.run) if other.number > one.number)
    return next((other for other in later if other.asked == one.asked), None)


def _seconds(case: Observations, one: Exchange, role: Role) -> float:
    """Return the seconds of Retry-After. If it is a date, the case's row has the seconds, because the distance
    depends on the answer's Date."""
    if one.retry_after is None:
        return 0.0
    if one.retry_after.isdigit():
        return float(one.retry_after)
    rows = [row for row in case.condition.faults if role in row["role"] and "retry_after" in row["effect"]]
    return float(rows[0]["effect"]["retry_after"]["seconds"]) if rows else 0.0


def _growing(case: Observations, busy: list[Exchange], role: Role) -> Findings:
    same = [one for one in case.of(role, run=busy[0].run) if one.key == busy[0].key and one.number >= busy[0].number]
    waited = gaps(same)
    at_once = AT_ONCE + OVERHEAD * (case.rate - 1)
    if any(gap < at_once for gap in waited):
        yield broken("refused as too many, and sent again at once", *_ends(same))
    elif len(waited) >= 3 and waited[2] <= waited[0] * 1.1 and waited[0] < LONG:
        yield broken(f"the gaps do not grow: {', '.join(f'{gap:.1f}' for gap in waited[:4])} s", *_ends(same))
    else:
        yield kept("it came later, and ever later", *_ends(same))


def _ends(same: Iterable[Exchange]) -> list[Exchange]:
    return list(same)[:4]


RULE = Rule(
    id="P5",
    title="after 429 and maintenance, waits as Retry-After says (in both forms), and waits longer each time",
    levels=SHOULD,
    sources={
        "crun": "seed 000: 429, 455; RFC 9110 10.2.3 (Retry-After: seconds or a date); RFC 6585; AWS REL05-BP03",
        "imgopen": "RFC 9110 10.2.3; RFC 6585; AWS REL05-BP03",
    },
    looks_at="the time from an error for too many requests to the next request of the same kind",
    good="wait as Retry-After says (both forms); without it, double the wait each time up to a limit",
    bad="p5_ignores_retry_after",
    judge=judge,
)
