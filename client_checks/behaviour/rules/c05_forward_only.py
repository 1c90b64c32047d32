"""C5: a finished job never goes back to an earlier state, and after a contradiction the client reads the task again."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept, not_declared
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge what the client does after a callback that contradicts the state of its task."""
    if case.condition.scenario not in ("callback_out_of_order", "callback_contradicts"):
        return
    done = [task for task in case.tasks if task.role is Role.CREATE and task.phase == "succeeded"]
    taken = {one.task for one in case.attempts if one.reached}
    for task in (one for one in done if one.id in taken):
        refunds = [one for one in case.effects if one.task == task.id and one.effect == "refund"]
        claim = case.last_claim
        told = [one for one in case.attempts if one.task == task.id and one.reached]
        if refunds:
            yield broken(f"task {task.id} succeeded, and it was refunded", *told, losses={"results_lost": 1})
        elif claim is not None and claim.outcome == "failed":
            yield broken(
                f"task {task.id} succeeded, and the client claims a failure", *told, losses={"results_lost": 1}
            )
        elif claim is None and not case.effects:
            yield not_declared("verdict")
        else:
            yield kept("the finished job stayed finished")


RULE = Rule(
    id="C5",
    title="never moves a finished job back to an earlier state; reads the task again after a contradiction",
    levels=SHOULD,
    sources={"crun": "Razorpay: states move forward only", "imgopen": "Razorpay: states move forward only"},
    looks_at="the claim and the effects if callbacks come out of order or contradict a poll",
    good="take a callback as a hint to read the task, and write only forward transitions",
    bad="c5_believes_the_last_callback",
    judge=judge,
)
