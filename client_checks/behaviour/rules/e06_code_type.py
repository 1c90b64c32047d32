"""E6: the envelope's `code` is read with its documented type."""

from swapmock.client_checks.behaviour.model import (
    Findings,
    Level,
    Meaning,
    Observations,
    Role,
    broken,
    kept,
    not_declared,
)
from swapmock.client_checks.behaviour.reading import falls_short, is_clean
from swapmock.client_checks.behaviour.rule import Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client understands the documented type of `code`; another type is only reported."""
    accepted = [
        one for one in case.of(Role.CREATE, Role.DETECT) if one.meaning in (Meaning.ACCEPTED, Meaning.SUCCEEDED)
    ]
    if not accepted:
        return
    if is_clean(case):
        claim, last = case.claim_of(1), accepted[-1]
        after = [one for one in case.exchanges if one.number > last.number]
        if claim is not None and claim.outcome == "failed" and not after and not case.attempts:
            yield broken('an accepted submission (`code` "200") is taken for a refusal', last)
        elif claim is None and not after and case.runs[0].status not in (0, None):
            yield not_declared("verdict")
        else:
            yield kept('`code` "200" is understood', last)
    elif any("code_type" in row["effect"] for row in case.condition.faults) and falls_short(case):
        yield broken(f"a number in place of the text stops it: {falls_short(case)}", accepted[-1], at_most=Level.INFO)


RULE = Rule(
    id="E6",
    title="`code` is read with its documented type: a text",
    levels={"imgopen": Level.MUST},
    sources={"imgopen": 'seed 004: `"code": "200"`; every example shows a text'},
    looks_at="what the client does after an accepted submission",
    good='compare `str(code)` with "200", so that both types are understood',
    bad="e6_expects_a_number",
    judge=judge,
)
