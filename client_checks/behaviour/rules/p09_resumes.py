"""P9: a client that is killed and started again resumes its job."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the second run makes a new paid task."""
    if case.condition.kill.get("when") != "answered" or len(case.runs) < 2 or case.runs[0].ended != "killed":
        return
    if case.jobs != 1:
        return
    first = next((one for one in case.of(Role.CREATE, run=1) if one.meaning is Meaning.ACCEPTED), None)
    if first is None:
        return
    again = case.of(Role.CREATE, run=2)
    asks = [one for one in case.of(Role.POLL, run=2) if one.task == first.task]
    if again:
        task = case.task(again[0].task)
        yield broken(
            "killed after its submission was answered, it submitted the job anew",
            first,
            again[0],
            losses={"credits_paid_twice": task.captured if task else 0},
        )
    elif asks:
        yield kept("the next run asks for the same task", first, asks[0])
    elif not case.runs[-1].ended_by_us:
        yield broken("the next run neither asks for the task nor submits it", first, losses={"results_lost": 1})


RULE = Rule(
    id="P9",
    title="resumes its job after a kill and a restart",
    levels=SHOULD,
    sources={
        "crun": "ArcReel ADR 0007: a restart in mid-task paid again or lost the id",
        "imgopen": "ArcReel ADR 0007: a restart in mid-task paid again or lost the id",
    },
    looks_at="a kill after the submission was answered, and what the next run in the same folder does",
    good="write the task's id to disk before the first poll, and read it at the start",
    bad="p9_forgets_its_task",
    judge=judge,
    needs=("resume",),
)
