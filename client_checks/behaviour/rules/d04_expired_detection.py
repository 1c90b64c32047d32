"""D4: after an expired `detect_id` the client detects once more."""

from swapmock.client_checks.behaviour.model import Findings, Level, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import later_same, stage
from swapmock.client_checks.behaviour.rule import Rule

#: How far a client comes in the plain case whose detections lead to submissions that are accepted.
DETECTED_AND_SUBMITTED = 3


def judge(case: Observations) -> Findings:
    """Judge what the client does after a swap is refused because its detection has expired."""
    if not case.condition.triggers or (case.plain is not None and stage(case.plain)[0] < DETECTED_AND_SUBMITTED):
        return
    stale = next((one for one in case.of(Role.CREATE) if one.meaning is Meaning.REFUSED and one.refusal == "422"), None)
    if stale is None:
        return
    again = later_same(case, stale)
    detections = [one for one in case.of(Role.DETECT, run=stale.run) if one.number > stale.number]
    if again:
        yield broken("the expired detect_id was sent again as it was", stale, again[0])
    elif len(detections) > 1 and case.jobs == 1:
        yield broken(f"after one expired detect_id it detected {len(detections)} times", stale, *detections[:2])
    elif detections and _detected_anew(case):
        yield kept("it detected again, once", stale, detections[0])
    elif case.claim_of(stale.run) is not None and case.claims[-1].outcome == "succeeded":
        yield broken("the swap was refused, and it claims success", stale, losses={"false_successes": 1})
    elif not case.ended_by_us:
        yield broken("it gave up in place of a new detection, which is free", stale, at_most=Level.SHOULD)


def _detected_anew(case: Observations) -> bool:
    """Return whether a detection after the refusal can be one more for the refused job.

    The other jobs of a batch have their own detections: then the batch must have more of them than in the plain case,
    or lose no job."""
    if case.plain is None or case.jobs == 1:
        return True
    more = len(case.of(Role.DETECT)) > len(case.plain.of(Role.DETECT))
    return more or len(case.paid) >= len(case.plain.paid)


RULE = Rule(
    id="D4",
    title="detects again once after an expired `detect_id`",
    levels={"crun": Level.MUST},
    sources={"crun": "docs: detect-face-result: the detect_id is valid for one hour"},
    looks_at="a swap that was refused an hour after its detection, and what follows",
    good="if a detect_id is refused, detect once more and send the swap with the new one",
    bad="d4_keeps_a_stale_detect_id",
    judge=judge,
)
