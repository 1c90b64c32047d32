"""P11: the client reads the price or the balance before expensive work."""

from swapmock.client_checks.behaviour.model import Findings, Level, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.rule import Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client reads the price or the balance before its first paid task."""
    first = next(iter(case.of(Role.CREATE)), None)
    if first is None or case.case != "plain":
        return
    asked = [one for one in case.of(Role.PRICE, Role.BALANCE) if one.number < first.number]
    if asked:
        yield kept("it asks before it submits", asked[0], first)
    else:
        yield broken("it submits without asking the price or the balance", first)


RULE = Rule(
    id="P11",
    title="asks the price before expensive work",
    levels={"crun": Level.INFO},
    sources={"crun": "the vendor's command-line tool refuses to create what is not affordable"},
    looks_at="estimates and balance before the first submission of the plain case",
    good="get one estimate for each job, and compare it with your own limit",
    bad="p11_never_asks",
    judge=judge,
)
