"""E1: every error is recognised as an error, whatever the HTTP status."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept, not_declared
from swapmock.client_checks.behaviour.reading import NO_IDS
from swapmock.client_checks.behaviour.rule import MUST_BY_CODE, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client treats an error response as a success."""
    for run in case.runs:
        submissions = case.of(Role.CREATE, Role.DETECT, run=run.number)
        refused = [one for one in submissions if one.meaning is Meaning.REFUSED]
        polls = case.of(Role.POLL, Role.DETECT_POLL, run=run.number)
        refused_polls = [one for one in polls if one.meaning is Meaning.REFUSED]
        no_submission = bool(refused) and len(refused) == len(submissions)
        no_poll = bool(refused_polls) and len(refused_polls) == len(polls)
        if not (no_submission or no_poll) or run.ended == "killed":
            continue
        blind = [
            one
            for one in polls
            if refused and one.number > refused[0].number and (one.asked in NO_IDS or one.asked is None)
        ]
        claim = case.claim_of(run.number)
        proof = (refused or refused_polls)[0]
        if blind:
            yield broken(f"the submission was refused, and it polls for the task {blind[0].asked!r}", proof, blind[0])
        elif claim is not None and claim.outcome == "succeeded":
            yield broken("it claims success although every answer refused", proof, losses={"false_successes": 1})
        elif claim is not None or run.status not in (0, None):
            yield kept("the refusal was taken for one", proof)
        elif not run.ended_by_us:
            yield not_declared("verdict")


RULE = Rule(
    id="E1",
    title="every error response is recognised as an error, whatever the HTTP status",
    levels=MUST_BY_CODE,
    sources={
        "crun": "seeds 000-003: the body's `code` tells the outcome; the vendor's command-line tool: inspect body `code`, not only the HTTP status",
        "imgopen": 'seed 004: success is `code` "200" in the body; the codes of refusals are not documented, so that this only warns',
    },
    looks_at="refused submissions and polls, later requests, and the claim",
    good="first read `code` of every answer, and compare it with the documented success",
    bad="e1_ignores_body_code",
    judge=judge,
)
