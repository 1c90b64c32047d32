"""L3: the interval between polls is not too short, and does not become shorter."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import gaps, is_clean
from swapmock.client_checks.behaviour.rule import INFO, Rule

#: The shortest accepted interval in seconds. Clients of these APIs wait 2 to 30 seconds.
LOWEST = 1.0
#: The real seconds by which intervals differ because of the machine alone.
NOISE = 0.05


def judge(case: Observations) -> Findings:
    """Judge the intervals between polls."""
    if case.condition.scenario != "slow" or not is_clean(case):
        return
    for task in {one.task for one in case.of(Role.POLL, run=1) if one.task}:
        polls = [one for one in case.asking(task) if one.meaning is Meaning.RUNNING and one.run == 1]
        between = gaps(polls)
        if len(between) < 3:
            continue
        if min(between) < LOWEST:
            yield broken(f"polls come {min(between):.2f} s apart", *polls[:2])
        elif len(between) >= 9 and _grows_denser(sum(between[:3]) / 3, sum(between[-3:]) / 3, case.rate):
            yield broken(
                f"polls grow denser: {between[0]:.1f} s at first, {between[-1]:.1f} s at the end", polls[0], polls[-1]
            )
        else:
            yield kept(f"polls come {min(between):.1f} to {max(between):.1f} s apart", polls[0], polls[-1])


def _grows_denser(first: float, last: float, rate: float) -> bool:
    """Return whether the mean interval `last` is much shorter than `first`, by more than the machine's noise at `rate`."""
    return last < first * 0.5 and first - last > NOISE * rate


RULE = Rule(
    id="L3",
    title="the polling interval is at least a second and does not become shorter",
    levels=INFO,
    sources={
        "crun": "no interval is documented; clients use 2 to 30 s, the vendor's command-line tool 5 s",
        "imgopen": "no interval is documented; a client polls every 10 s",
    },
    looks_at="the intervals between the polls of a slow task",
    good="two to five seconds, growing for long jobs",
    bad="l3_polls_without_pause",
    judge=judge,
)
