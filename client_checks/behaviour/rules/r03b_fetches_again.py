"""R3b: a failed download is retried, or can be fetched later by the stored id."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import is_bad_media, keeps_id, result_fetches
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge what the client does after a failed download."""
    failing = next((one for one in result_fetches(case) if is_bad_media(one)), None)
    if failing is None or any(run.ended != "exit" for run in case.runs):
        return
    more = [
        one
        for one in case.of(Role.MEDIA)
        if one.number > failing.number and one.target.split("?")[0] == failing.target.split("?")[0]
    ]
    tasks = [task for task in case.tasks if task.role is Role.CREATE]
    if more:
        yield kept("it was fetched again", failing, more[0])
    elif any(keeps_id(case, task) for task in tasks):
        yield kept("the id is kept", failing)
    else:
        yield broken("it was not fetched again, and the task's id is kept nowhere", failing, losses={"results_lost": 1})


RULE = Rule(
    id="R3b",
    title="a failed download is retried, or can be fetched by the stored id",
    levels=SHOULD,
    sources={"crun": "practice: downloads were seen to stall and to break off", "imgopen": "practice"},
    looks_at="further downloads after a failed one, and where the task's id is stored",
    good="try two or three times with a pause, then end with an error that names the task",
    bad="r3b_drops_a_failed_download",
    judge=judge,
)
