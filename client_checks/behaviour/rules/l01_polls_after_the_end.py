"""L1: no poll after a final state."""

from swapmock.client_checks.behaviour.model import Exchange, Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import is_bad_media, is_in_doubt
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client polls a task after it saw the task's end."""
    ended = [
        one
        for one in case.of(Role.POLL, Role.DETECT_POLL)
        if one.meaning in (Meaning.SUCCEEDED, Meaning.FAILED) and one.fault == ""
    ]
    if case.condition.scenario == "no_media":
        return  # a success without a link may well be asked for again
    if any("code_type" in row["effect"] for row in case.condition.faults):
        return  # an answer with an undocumented type need not be understood
    for first in {(one.task, one.run): one for one in reversed(ended)}.values():
        more = [one for one in case.asking(first.task) if one.run == first.run and one.at > first.answered]
        wasted = more[reasons(case, first) :]
        if wasted:
            yield broken(
                f"{len(wasted)} polls after the end was reported",
                first,
                wasted[0],
                losses={"polls_wasted": len(wasted)},
            )
        else:
            yield kept("the end was the last poll", first)


def reasons(case: Observations, first: Exchange) -> int:
    """Return how many further polls have a reason.

    A callback that came meanwhile is checked by one poll. A link that could not be fetched is asked for again.
    The poll that resolves a doubtful submission does not count."""
    callbacks = sum(one.task == first.task and one.reached and one.at >= first.at - 1.0 for one in case.attempts)
    downloads = sum(one.number > first.number and is_bad_media(one) for one in case.of(Role.MEDIA))
    doubts = sum(one.task == first.task and is_in_doubt(case, one) for one in case.of(Role.CREATE))
    return callbacks + downloads + doubts


RULE = Rule(
    id="L1",
    title="no poll after a terminal state",
    levels=SHOULD,
    sources={"crun": "waste, and it counts against rate limits; AIProxySwift#27", "imgopen": "waste; AIProxySwift#27"},
    looks_at="polls of a task after one of them reported its end",
    good="leave the loop both on success and on failure",
    bad="l1_polls_once_more",
    judge=judge,
)
