"""P2: one job makes one paid task."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept, not_declared
from swapmock.client_checks.behaviour.rule import MUST, Rule


def judge(case: Observations) -> Findings:
    """Judge how many paid tasks the client made for its jobs."""
    paid, jobs = case.paid, case.jobs
    if not paid:
        return
    if jobs is None:
        yield not_declared("jobs")
        return
    creates = {one.task: one for one in case.of(Role.CREATE) if one.task is not None}
    proof = [creates[task.id] for task in paid if task.id in creates]
    if len(paid) > jobs:
        extra = sum(task.captured for task in sorted(paid, key=lambda task: task.created)[jobs:])
        runs = " over two runs" if len(case.runs) > 1 else ""
        yield broken(
            f"{len(paid)} paid tasks for {jobs} job{'s' if jobs > 1 else ''}{runs}: {extra:g} credits too many",
            *proof,
            losses={"credits_paid_twice": extra},
        )
    else:
        yield kept(f"{len(paid)} paid for {jobs}", *proof[:1])


RULE = Rule(
    id="P2",
    title="one job makes one paid task, in every case",
    levels=MUST,
    sources={
        "crun": "credits are taken for each accepted task (seed 000: 402; spec task-info: `credits`)",
        "imgopen": "each accepted submission is a task of its own (seed 004)",
    },
    looks_at="the ledger: captured credits compared with the jobs of one run, and of a second run in the same folder",
    good="write a record of each job to disk before it is submitted, add the task's id as soon as it is known, and read the record first",
    bad="p2_pays_again_after_deadline",
    judge=judge,
)
