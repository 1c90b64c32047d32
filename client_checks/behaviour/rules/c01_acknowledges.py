"""C1: a callback is acknowledged with JSON `code` "200"."""

from swapmock.client_checks.behaviour.model import Findings, Level, Observations, broken, kept
from swapmock.client_checks.behaviour.reading import is_clean
from swapmock.client_checks.behaviour.rule import Rule


def judge(case: Observations) -> Findings:
    """Judge whether the answers to callbacks are acknowledgements."""
    if not (is_clean(case) or case.condition.scenario == "callback_duplicate"):
        return
    reached = [one for one in case.attempts if one.reached and not (one.failure and case.ended_by_us)]
    failing = [one for one in reached if one.failure and one.status is not None]
    if failing:
        one = failing[0]
        yield broken(f"the callback was answered with HTTP {one.status} and {one.answer[:80]!r}: {one.failure}", one)
    elif reached:
        yield kept("the callback was acknowledged as documented", reached[0])


RULE = Rule(
    id="C1",
    title='acknowledges with JSON `code` "200"',
    levels={"imgopen": Level.MUST},
    sources={
        "imgopen": 'seed 004: only when the json string code = 200 is received is the request marked as successful, such as {"code":"200"}'
    },
    looks_at="the client's answers to callbacks",
    good='answer HTTP 200 with the body {"code": "200"}',
    bad="c1_acknowledges_with_ok",
    judge=judge,
)
