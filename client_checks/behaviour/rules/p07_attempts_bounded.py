"""P7: the number of attempts at one call is limited, over all layers of the client."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import equal_in_batch
from swapmock.client_checks.behaviour.rule import SHOULD, Rule

#: The most attempts of one submission.
MOST = 10


def judge(case: Observations) -> Findings:
    """Judge how often the client tries one submission."""
    for run in case.runs:
        tries: dict[tuple[str, str, str], list[int]] = {}
        creates = [
            one for one in case.of(Role.CREATE, run=run.number) if one.meaning in (Meaning.REFUSED, Meaning.AMBIGUOUS)
        ]
        for place, one in enumerate(creates):
            tries.setdefault(one.key, []).append(place)
        for places in tries.values():
            first, last = creates[places[0]], creates[places[-1]]
            if len(places) > MOST * equal_in_batch(case, first):
                yield broken(f"one submission was sent {len(places)} times", first, last)
            elif len(places) > 1 or run.ended == "exit":
                yield kept(f"{len(places)} attempts", first, last)


RULE = Rule(
    id="P7",
    title="at most ten attempts for one call, over all layers",
    levels=SHOULD,
    sources={
        "crun": "AWS REL05-BP03: limit the number of retries, and retry at one layer only",
        "imgopen": "AWS REL05-BP03: limit the number of retries, and retry at one layer only",
    },
    looks_at="how often one refused submission is sent in one run",
    good="retry in one layer only, and count the attempts",
    bad="p7_multiplies_attempts",
    judge=judge,
)
