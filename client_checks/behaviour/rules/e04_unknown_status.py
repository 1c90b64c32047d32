"""E4: an unknown status word ends the job within a limit, with an error."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept, not_declared
from swapmock.client_checks.behaviour.reading import is_over_deadline
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge what the client does after a status word that no document lists."""
    told = [one for one in case.of(Role.POLL) if one.meaning is Meaning.UNKNOWN]
    for run in case.runs:
        seen = [one for one in told if one.run == run.number]
        if not seen or any(one.run == run.number for one in case.succeeded_seen if one.role is Role.POLL):
            continue
        claim = case.claim_of(run.number)
        if claim is not None and claim.outcome == "succeeded":
            yield broken("a status that no document lists is taken for success", seen[0], losses={"false_successes": 1})
        elif run.ended_by_us:
            over = is_over_deadline(case, run)
            if over is None:
                yield not_declared("deadline")
            elif over:
                yield broken(f"it was still asking after {len(seen)} answers with an unknown status", seen[0], seen[-1])
        else:
            yield kept(f"it gave up after {len(seen)} answers with an unknown status", seen[0], seen[-1])


RULE = Rule(
    id="E4",
    title="an unknown status word ends the job within a limit, with an error",
    levels=SHOULD,
    sources={
        "crun": "replicate/replicate-python#460: a new terminal word made polls endless",
        "imgopen": "replicate/replicate-python#460; the table of status numbers is not published",
    },
    looks_at="polls whose status no document lists, the end of the run and the claim",
    good="treat an unknown word as still running, log it, and end the job at its deadline as unknown",
    bad="e4_takes_unknown_for_done",
    judge=judge,
)
