"""C6: the client reads the task before it acts on a callback."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept, not_declared
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client read the task before an effect."""
    taken = [one for one in case.attempts if one.reached]
    if not taken:
        return
    known = {task.id for task in case.tasks} | {task.business_id for task in case.tasks if task.business_id}
    forged = [told for told in case.effects if told.task not in known]
    if forged:
        yield broken(
            f"it acted on a callback for the task {forged[0].task}, which does not exist",
            *[one for one in taken if one.task not in known],
            losses={"false_successes": 1},
        )
        return
    ends = [one for one in case.of(Role.POLL) if one.meaning in (Meaning.SUCCEEDED, Meaning.FAILED, Meaning.UNKNOWN)]
    for told in case.effects:
        task = next((one for one in case.tasks if told.task in (one.id, one.business_id)), None)
        if task is not None and not any(
            (one.task == task.id or one.asked == told.task) and one.at <= told.at for one in ends
        ):
            yield broken(f"it acted on the callback of task {task.id} without reading the task", *taken[:1])
            return
    claim = case.last_claim
    if case.effects or (claim is not None and ends):
        yield kept("the task was read before anything was done")
    elif claim is not None and claim.outcome == "succeeded" and not ends:
        yield broken("it claims success by a callback alone", *taken[:1])
    elif claim is None:
        yield not_declared("effects")


RULE = Rule(
    id="C6",
    title="acts on a callback only after reading the task",
    levels=SHOULD,
    sources={
        "crun": "no signature is documented; Standard Webhooks: verifying authenticity is a requirement",
        "imgopen": "no signature is documented; Standard Webhooks: verifying authenticity is a requirement",
    },
    looks_at="effects and claims compared with the polls before them; callbacks for tasks that do not exist",
    good="take only the id from a callback, and read the task with the API key",
    bad="c6_trusts_callbacks",
    judge=judge,
)
