"""P1: a create with an unknown result is not sent again without a check."""

from swapmock.client_checks.behaviour.model import Exchange, Findings, Level, Observations, Task, broken, kept
from swapmock.client_checks.behaviour.reading import checked_between, doubtful_creates, repeats_of
from swapmock.client_checks.behaviour.rule import MUST, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client checks before it sends a doubtful create again."""
    if case.jobs is None:
        return
    for doubtful, task in doubtful_creates(case):
        blind = [one for one in repeats_of(case, doubtful) if checked_between(case, doubtful, one) is None]
        if not blind:
            yield kept("it was not sent again without a check", doubtful)
            continue
        again = blind[0]
        second = case.task(again.task)
        cost = second.captured if second is not None else 0.0
        where = "in the same run" if again.run == doubtful.run else "by the next run"
        yield broken(
            f"task {task.id} exists and takes {task.captured:g} credits; the submission was sent again {where} without a check",
            doubtful,
            again,
            losses={"credits_paid_twice": cost},
            at_most=Level.SHOULD if _is_same_order(doubtful, again, second, task) else None,
        )


def _is_same_order(doubtful: Exchange, again: Exchange, second: Task | None, first: Task) -> bool:
    """Return whether the second submission had the same caller's id and made no second task."""
    has_id = doubtful.business_id is not None and doubtful.business_id == again.business_id
    return has_id and (second is None or second.id == first.id)


RULE = Rule(
    id="P1",
    title="a submission with an unknown result is not sent again without a check, in this run or the next",
    levels=MUST,
    sources={
        "crun": "the vendor's command-line tool never retries CreateTask; AWS REL05-BP03: retry idempotent calls only; Comfy-Org/ComfyUI#16204",
        "imgopen": "no idempotency is documented; AWS REL05-BP03: retry idempotent calls only; Comfy-Org/ComfyUI#16204",
    },
    looks_at="submissions that took effect and whose answer was lost, late or unreadable; later submissions of the same job; balance, query or callback in between",
    good="record the attempt before it is sent; if the result is unknown, compare the balance (crun) or query by businessTaskId (Img Open), and report unknown if that does not decide",
    bad="p1_sends_again_after_reset",
    judge=judge,
)
