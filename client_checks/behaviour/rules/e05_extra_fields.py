"""E5: unknown fields are tolerated."""

from swapmock.client_checks.behaviour.model import Findings, Observations, broken, kept
from swapmock.client_checks.behaviour.reading import falls_short, unless_we_ended_it
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client still succeeds if answers have additional members."""
    has_more = any("extra_fields" in row["effect"] for row in case.condition.faults)
    if not has_more or case.plain is None or not case.exchanges:
        return
    short = falls_short(case)
    if short:
        text = f"undocumented fields stop it: {short}"
        yield from unless_we_ended_it(case, broken(text, case.exchanges[-1]))
    else:
        yield kept("it went as far as without them", case.exchanges[-1])


RULE = Rule(
    id="E5",
    title="unknown fields in an answer are tolerated",
    levels=SHOULD,
    sources={
        "crun": "evolution practice: APIs add fields without a new version",
        "imgopen": "evolution practice: APIs add fields without a new version",
    },
    looks_at="how far the client comes if every answer has an additional field",
    good="read the necessary fields and ignore the rest; use no schema that forbids additional members",
    bad="e5_refuses_unknown_fields",
    judge=judge,
)
