"""C10: a truncated or mistyped callback does no harm and is not acknowledged."""

from swapmock.client_checks.behaviour.model import Findings, Observations, broken, kept
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge the client's answer to a damaged callback, and its effects."""
    if case.condition.scenario != "callback_truncated":
        return
    first = [one for one in case.attempts if one.number == 1 and one.reached]
    for one in first:
        if one.failure == "":
            yield broken(
                f"a callback whose body breaks off was acknowledged with HTTP {one.status}",
                one,
                losses={"results_lost": 1},
            )
        elif one.status is None and case.ended_by_us:
            continue
        elif one.status is None:
            yield broken("a callback whose body breaks off got no answer at all", one)
        else:
            yield kept(f"it was refused with HTTP {one.status}", one)


RULE = Rule(
    id="C10",
    title="does not crash on, and does not acknowledge, a truncated or mistyped callback",
    levels=SHOULD,
    sources={
        "crun": "practice: what is acknowledged does not come again",
        "imgopen": "seed 004: only what is acknowledged is done with; the rest comes again",
    },
    looks_at="the answers to a callback whose body ends early",
    good="parse first, acknowledge afterwards; answer 400 if the body cannot be parsed",
    bad="c10_acknowledges_rubbish",
    judge=judge,
)
