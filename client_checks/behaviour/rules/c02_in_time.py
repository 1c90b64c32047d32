"""C2: a callback is answered in time, before the work."""

from swapmock.client_checks.behaviour.model import Findings, Observations, broken, kept
from swapmock.client_checks.behaviour.rule import SHOULD, Rule

#: Razorpay waits 5 seconds, Standard Webhooks names 15 to 30.
SECONDS = 5.0


def judge(case: Observations) -> Findings:
    """Judge how long the client took to answer each callback."""
    reached = [one for one in case.attempts if one.reached]
    late = [one for one in reached if one.seconds > SECONDS]
    if late:
        yield broken(f"a callback was answered after {late[0].seconds:.1f} s", late[0])
    elif any(one.status is not None for one in reached):
        yield kept(f"callbacks were answered within {max(one.seconds for one in reached):.1f} s")


RULE = Rule(
    id="C2",
    title="answers a callback in time, before it does the work",
    levels=SHOULD,
    sources={
        "crun": "Razorpay: 5 s; Standard Webhooks: 15 to 30 s",
        "imgopen": "Razorpay: 5 s; Standard Webhooks: 15 to 30 s",
    },
    looks_at="the seconds until the client answers a callback",
    good="put the callback into a queue, answer, and work afterwards",
    bad="c2_works_before_it_answers",
    judge=judge,
)
