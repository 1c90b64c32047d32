"""E1: every error is recognised as an error, whatever the HTTP status."""

from swapmock.client_checks.behaviour.model import (
    Exchange,
    Findings,
    Meaning,
    Observations,
    Role,
    Run,
    broken,
    kept,
    not_declared,
)
from swapmock.client_checks.behaviour.reading import NO_IDS
from swapmock.client_checks.behaviour.rule import MUST_BY_CODE, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client treats an error response as a success."""
    for run in case.runs:
        proof = all_refused(case, run)
        if proof is None or run.ended == "killed":
            continue
        polls = case.of(Role.POLL, Role.DETECT_POLL, run=run.number) if proof.is_submission else []
        blind = [one for one in polls if one.number > proof.number and (one.asked in NO_IDS or one.asked is None)]
        claim = case.claim_of(run.number)
        if blind:
            yield broken(f"the submission was refused, and it polls for the task {blind[0].asked!r}", proof, blind[0])
        elif claim is not None and claim.outcome == "succeeded":
            yield broken("it claims success although every answer refused", proof, losses={"false_successes": 1})
        elif claim is not None or run.status not in (0, None):
            yield kept("the refusal was taken for one", proof)
        elif not run.ended_by_us:
            yield not_declared("verdict")


def all_refused(case: Observations, run: Run) -> Exchange | None:
    """Return the first refusal of a run in which all submissions, all detections or all polls were refused.

    Detections count if nothing was submitted, polls if no callback came. None for any other run."""
    creates = case.of(Role.CREATE, run=run.number)
    polls = case.of(Role.POLL, run=run.number)
    if any(one.meaning is Meaning.SUCCEEDED for one in polls):
        return None
    told_otherwise = any(one.reached for one in case.attempts)
    groups = [creates, [] if told_otherwise else polls]
    if not creates:
        groups += [case.of(Role.DETECT, run=run.number), case.of(Role.DETECT_POLL, run=run.number)]
    refused = (sent for sent in groups if sent and all(one.meaning is Meaning.REFUSED for one in sent))
    return next((sent[0] for sent in refused), None)


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
