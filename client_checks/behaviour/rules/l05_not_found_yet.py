"""L5: after a 404 right after the submission, the client tries a few more times."""

from swapmock.client_checks.behaviour.model import Exchange, Findings, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import ended_with_success, refused
from swapmock.client_checks.behaviour.rule import INFO, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client polls again after an early 404."""
    for one in refused(case, ("404",), Role.POLL)[:1]:
        run = next(each for each in case.runs if each.number == one.run)
        more = [other for other in case.of(Role.POLL, run=one.run) if other.number > one.number]
        if not _exists(case, one) or run.ended != "exit":
            continue
        if more or ended_with_success(case, one.run):
            yield kept("it asked again", one, *more[:1])
        else:
            yield broken("a task that is not found yet counts as lost", one)


def _exists(case: Observations, poll: Exchange) -> bool:
    """Return whether the task of a poll exists: without it the 404 is right, as after a refused submission."""
    if poll.task is not None:
        return case.task(poll.task) is not None
    return poll.asked is None or any(poll.asked in (task.id, task.business_id) for task in case.tasks)


RULE = Rule(
    id="L5",
    title="polls a few more times after a 404 right after the submission",
    levels=INFO,
    sources={"crun": "eventual consistency; not documented", "imgopen": "eventual consistency; not documented"},
    looks_at="a first poll that does not find the task, and whether another one follows",
    good="in the first seconds after the submission, treat 404 as not yet found",
    bad="l5_takes_404_for_lost",
    judge=judge,
)
