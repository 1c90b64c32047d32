"""P4: after a permanent error the same request is not sent again."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import later_same, refused
from swapmock.client_checks.behaviour.rule import MUST_BY_CODE, Rule

#: The codes of errors that a retry cannot change, on creates and on polls.
CREATES = {"crun": ("422", "505"), "imgopen": ("400",)}
POLLS = ("401", "403")


def judge(case: Observations) -> Findings:
    """Judge whether the client repeats a request after a permanent error."""
    found = refused(case, CREATES[case.provider], Role.CREATE) + refused(case, POLLS, Role.POLL, Role.DETECT_POLL)
    seen: set[tuple[str, str, str]] = set()
    for one in found:
        if one.key in seen:
            continue
        seen.add(one.key)
        again = later_same(case, one)
        if again:
            yield broken(
                f"refused with {one.refusal}, and sent {len(again)} more times as it was", one, again[0], again[-1]
            )
        else:
            yield kept(f"{one.refusal} ended it", one)


RULE = Rule(
    id="P4",
    title="401, 403, 422, 505: the same request is not repeated, polls included",
    levels=MUST_BY_CODE,
    sources={
        "crun": "seed 000: credentials are missing or invalid; the parameters failed a check; the feature is disabled. AWS REL05-BP03: do not retry what cannot succeed",
        "imgopen": "AWS REL05-BP03: do not retry what cannot succeed; the codes are not documented, so that this only warns",
    },
    looks_at="polls refused with 401 or 403, submissions refused with 422 or 505, and the same request afterwards",
    good="divide codes into permanent and temporary errors; a permanent error ends the job at once",
    bad="p4_repeats_what_cannot_succeed",
    judge=judge,
)
