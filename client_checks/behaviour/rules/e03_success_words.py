"""E3: the documented words of success are understood."""

from swapmock.client_checks.behaviour.model import Exchange, Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import is_clean
from swapmock.client_checks.behaviour.rule import MUST, Rule

#: After this many polls that follow a success, the client has not understood the success.
BLIND = 5


def judge(case: Observations) -> Findings:
    """Judge whether the client ends when a poll reports success."""
    if not is_clean(case):
        return
    told = [one for one in case.of(Role.POLL, Role.DETECT_POLL) if one.meaning is Meaning.SUCCEEDED]
    for first in {one.task: one for one in reversed(told)}.values():
        more = [one for one in case.asking(first.task) if one.number > first.number and one.run == first.run]
        after = [one for one in case.exchanges if one.number > first.number and one.run == first.run]
        claim = case.claim_of(first.run)
        if len(more) >= BLIND and not acted_on(case, first):
            yield broken(f"it saw the success and asked {len(more)} more times", first, more[0], more[-1])
        elif case.case == "plain" and claim is not None and claim.outcome == "failed" and not after:
            yield broken("it saw the success and claims a failure", first, losses={"results_lost": 1})
        else:
            yield kept("the word of success was understood", first)


def acted_on(case: Observations, first: Exchange) -> bool:
    """Return whether the client did something that only a success explains, though it went on polling.

    A loop over a batch polls finished tasks, too."""
    after = [one for one in case.exchanges if one.number > first.number and one.run == first.run]
    if first.role is Role.DETECT_POLL:
        return any(one.role is Role.CREATE for one in after)
    claim = case.claim_of(first.run)
    run = next((one for one in case.runs if one.number == first.run), None)
    ended_well = case.jobs != 1 and run is not None and run.ended == "exit" and run.status == 0
    is_claimed = claim is not None and claim.outcome == "succeeded"
    return is_claimed or ended_well or any(one.role is Role.MEDIA for one in after)


RULE = Rule(
    id="E3",
    title="understands the words of success: `succeeded` in detections, `success` in tasks; numbers by tool at Img Open",
    levels=MUST,
    sources={
        "crun": "seed 001: `succeeded` of a detection; spec task-info: `success` of a task",
        "imgopen": "docs-en 202222084, 202222085, 202222095: the number of success stands in each tool's example",
    },
    looks_at="what the client does after a poll has reported the success, in a case without faults",
    good="have one table of status words for each endpoint, as on its page",
    bad="e3_knows_one_word_only",
    judge=judge,
)
