"""E2: a failed task inside a successful answer is a failure."""

from swapmock.client_checks.behaviour.model import (
    CallbackAttempt,
    Evidence,
    Findings,
    Meaning,
    Observations,
    Role,
    Run,
    broken,
    kept,
    not_declared,
)
from swapmock.client_checks.behaviour.rule import MUST, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client claims success for a failed task."""
    for run in case.runs:
        polls = [one for one in case.of(Role.POLL, run=run.number) if one.meaning is Meaning.FAILED]
        told: list[Evidence] = [*polls, *_failures_by_callback(case, run)]
        made = [one for one in case.tasks if one.role is Role.CREATE]
        if not told or any(task.phase != "failed" for task in made) or run.ended == "killed":
            continue
        claim = case.claim_of(run.number)
        if claim is None:
            if not run.ended_by_us:
                yield not_declared("verdict")
        elif claim.outcome == "succeeded":
            yield broken("every task failed, and it claims success", told[0], losses={"false_successes": 1})
        else:
            yield kept(f"it claims {claim.outcome}", told[0])


def _failures_by_callback(case: Observations, run: Run) -> list[CallbackAttempt]:
    """Return the callbacks that told a run of a failure."""
    return [
        one for one in case.attempts if one.reached and one.event == "failed" and run.started <= one.at < run.finished
    ]


RULE = Rule(
    id="E2",
    title="a failed task inside `code: 200` is a failure",
    levels=MUST,
    sources={
        "crun": "seed 001 (status `failed` under a successful answer); docs: get-task-info",
        "imgopen": 'docs-en 202222085: the state of a task stands in `status`, beside `code` "200"',
    },
    looks_at="polls and callbacks that report a failed task, and the claim",
    good="after `code`, read `status`; a failed task ends the job as failed, with the vendor's reason if there is one",
    bad="e2_takes_failed_for_done",
    judge=judge,
    needs=("verdict",),
)
