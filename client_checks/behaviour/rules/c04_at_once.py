"""C4: duplicates at the same moment have one effect."""

from swapmock.client_checks.behaviour.model import Findings, Observations
from swapmock.client_checks.behaviour.rule import SHOULD, Rule
from swapmock.client_checks.behaviour.rules.c03_repeated import repeated


def judge(case: Observations) -> Findings:
    """Judge how many effects a callback has that is sent twice at the same time."""
    yield from repeated(case, ("callback_concurrent",))


RULE = Rule(
    id="C4",
    title="concurrent duplicates of a callback have one effect",
    levels=SHOULD,
    sources={
        "crun": "Leetcode-City#368: a look and a write with a gap in between",
        "imgopen": "Leetcode-City#368: a look and a write with a gap in between",
    },
    looks_at="effects reported to SWAPMOCK_EFFECT_URL, for two callbacks at the same time",
    good="use a unique key, or a lock around reading and writing",
    bad="c4_races_with_itself",
    judge=judge,
    needs=("effects",),
)
