"""P3: after 402 the same request is not repeated."""

from swapmock.client_checks.behaviour.model import Exchange, Findings, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import later_same, refused
from swapmock.client_checks.behaviour.rule import MUST_BY_CODE, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client repeats a request that was refused for missing credits."""
    seen: set[tuple[str, str, str]] = set()
    for one in refused(case, ("402",), Role.CREATE):
        if one.key in seen:
            continue
        seen.add(one.key)
        again = [other for other in later_same(case, one) if not _saw_enough(case, one, other)]
        if again:
            yield broken(
                f"refused for lack of credits, and sent {len(again)} more times with the balance unchanged",
                one,
                again[0],
            )
        else:
            yield kept("it was not sent again", one)


def _saw_enough(case: Observations, one: Exchange, again: Exchange) -> bool:
    """Return whether the client read the balance before it repeated a submission that the account can pay in this case."""
    between = [read for read in case.of(Role.BALANCE) if one.number < read.number < again.number]
    return case.condition.balance is None and bool(between)


RULE = Rule(
    id="P3",
    title="after 402 the same request is not repeated until the balance has changed",
    levels=MUST_BY_CODE,
    sources={
        "crun": "seed 000: 402 Insufficient Credits, the account does not have enough credits",
        "imgopen": "no code is documented for an exhausted quota, so that this only warns",
    },
    looks_at="submissions refused with 402 and the same request afterwards, within one run",
    good="end the job with the vendor's message, and leave the retry to the user who adds credits",
    bad="p3_repeats_402",
    judge=judge,
)
