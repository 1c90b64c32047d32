"""P8: the client's own deadline does not mean that the task has failed."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import keeps_id
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge what the client claims when its own deadline ends a running task."""
    if case.condition.scenario not in ("slow", "stuck") or not case.runs or case.runs[0].ended != "exit":
        return
    polls = case.of(Role.POLL, run=1)
    if not polls or polls[-1].meaning is not Meaning.RUNNING:
        return
    last = polls[-1]
    task = case.task(last.task)
    claim = case.claim_of(1)
    again = [one for one in case.of(Role.CREATE) if one.number > last.number and one.meaning is Meaning.ACCEPTED]
    can_say_unknown = claim is not None and (claim.channel == "claim" or _declares_unknown(case))
    if again:
        cost = sum(made.captured for one in again if (made := case.task(one.task)) is not None)
        yield broken(
            "its deadline passed while the vendor still worked, and it submitted the job anew",
            last,
            again[0],
            losses={"credits_paid_twice": cost},
        )
    elif claim is not None and claim.outcome == "failed" and can_say_unknown:
        yield broken(
            "the last answer said that the task runs, and it claims a failure", last, losses={"results_lost": 1}
        )
    elif task is not None and not keeps_id(case, task):
        yield broken("it gave up and kept the task's id nowhere", last, losses={"results_lost": 1})
    else:
        yield kept("the id is kept, no new task was made", last)


def _declares_unknown(case: Observations) -> bool:
    verdict = case.declaration.verdict
    return bool(case.declaration.exit_unknown) or (isinstance(verdict, dict) and "unknown" in verdict)


RULE = Rule(
    id="P8",
    title="its own deadline does not mean a failure: it keeps the id and makes no new task",
    levels=SHOULD,
    sources={
        "crun": "anomaliaso/anomalia#325, elizaOS/eliza#11920: a refund or a new task while the vendor still worked",
        "imgopen": "anomaliaso/anomalia#325, elizaOS/eliza#11920",
    },
    looks_at="the last poll of a slow or stuck task, the claim, later submissions, and where the id is kept",
    good="report unknown, with the task's id; poll the same id when the job is resumed",
    bad="p8_calls_its_deadline_a_failure",
    judge=judge,
)
