"""P6: reads are retried after temporary errors, a limited number of times."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept, not_declared
from swapmock.client_checks.behaviour.reading import (
    TRANSIENT,
    ended_at_its_deadline,
    ended_with_success,
    is_over_deadline,
)
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client retries a read after a temporary error."""
    for run in case.runs:
        polls = case.of(Role.POLL, Role.DETECT_POLL, run=run.number)
        failing = [one for one in polls if one.status in TRANSIENT]
        if not failing or run.ended == "killed":
            continue
        first = failing[0]
        more = [one for one in polls if one.number > first.number]
        if run.ended_by_us:
            over = is_over_deadline(case, run)
            if over:
                yield broken(
                    f"it was still asking after {len(failing)} answers with HTTP {first.status}", first, failing[-1]
                )
            elif over is None:
                yield not_declared("deadline")
        elif not more and not ended_with_success(case, run.number):
            if ended_at_its_deadline(case, run):
                continue
            yield broken(f"one HTTP {first.status} to a poll ended the job", first, losses={"results_lost": 1})
        else:
            yield kept(f"HTTP {first.status} was met with another try", first, *more[:1])


RULE = Rule(
    id="P6",
    title="reads are retried after 408, 429, 500, 502, 503, 504, a limited number of times",
    levels=SHOULD,
    sources={
        "crun": "the vendor's command-line tool retries safe calls on 408, 429, 500, 502, 503, 504",
        "imgopen": "practice; RFC 9110 15.6",
    },
    looks_at="polls answered with such a status, and whether another one follows",
    good="keep the job, wait, and poll again until the job's deadline",
    bad="p6_gives_up_on_503",
    judge=judge,
)
