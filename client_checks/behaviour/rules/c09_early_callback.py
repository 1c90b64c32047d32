"""C9: a callback that comes before the submission's answer is not lost."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import falls_short, stage, unless_we_ended_it
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client knows the result of a task whose callback came early."""
    if case.condition.scenario != "callback_before_answer" or case.plain is None:
        return
    creates = [one for one in case.of(Role.CREATE) if one.task is not None]
    if not creates or not any(one.reached for one in case.attempts) or stage(case.plain)[0] < 3:
        return
    short = falls_short(case)
    if short or (case.ended_by_us and not case.plain.ended_by_us):
        text = f"the callback came before the answer and was lost: {short or 'it still waits'}"
        yield from unless_we_ended_it(case, broken(text, creates[0], losses={"results_lost": 1}))
    else:
        yield kept("it was not lost", creates[0])


RULE = Rule(
    id="C9",
    title="a callback before the submission's answer is not lost",
    levels=SHOULD,
    sources={
        "crun": "practice: a fast task ends before its answer is read",
        "imgopen": "practice: a fast task ends before its answer is read",
    },
    looks_at="how far the client comes if the callback is the first message about the task",
    good="keep callbacks of unknown tasks for a while, and search them once the id is known; or also poll",
    bad="c9_drops_early_callbacks",
    judge=judge,
)
