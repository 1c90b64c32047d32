"""C8: a lost callback is replaced by polling."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import ended_with_success, unless_we_ended_it
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client polls a task whose callback never comes."""
    if case.condition.scenario != "callback_never":
        return
    for task in (one for one in case.tasks if one.role is Role.CREATE and one.callback_url):
        polls = case.asking(task.id)
        create = next(
            (one for one in case.of(Role.CREATE) if one.task == task.id and one.meaning is Meaning.ACCEPTED), None
        )
        if create is None:
            continue
        if ended_with_success(case) or any(task.ends is not None and one.at >= task.ends for one in polls):
            yield kept("it asked for the task", create, *polls[:1])
        else:
            text = "no callback came, and it never learned of the result"
            yield from unless_we_ended_it(case, broken(text, create, losses={"results_lost": 1}))


RULE = Rule(
    id="C8",
    title="polls a task whose callback is lost",
    levels=SHOULD,
    sources={
        "crun": "Razorpay: a reconciler recovers what callbacks lose",
        "imgopen": "Razorpay: a reconciler recovers what callbacks lose",
    },
    looks_at="polls of a task whose callback never comes",
    good="poll slowly in addition to the callback, or when the callback is overdue",
    bad="c8_waits_for_callbacks_only",
    judge=judge,
)
