"""R3: a failed download makes no new paid task."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import is_bad_media, result_fetches
from swapmock.client_checks.behaviour.rule import MUST, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client makes a new paid task after a failed download."""
    failing = next((one for one in result_fetches(case) if is_bad_media(one)), None)
    if failing is None or case.jobs != 1:
        return
    again = [one for one in case.of(Role.CREATE) if one.number > failing.number and one.task is not None]
    if again:
        cost = sum(task.captured for one in again if (task := case.task(one.task)) is not None)
        where = "in the same run" if again[0].run == failing.run else "by the next run"
        yield broken(
            f"the download failed, and the job was paid again {where}",
            failing,
            again[0],
            losses={"credits_paid_twice": cost},
        )
    else:
        yield kept("no new task was made", failing)


RULE = Rule(
    id="R3",
    title="a failed download makes no new paid task, in this run or the next",
    levels=MUST,
    sources={
        "crun": "the result is paid and stays with its task (docs: get-task-info)",
        "imgopen": "the result stays with its task (docs-en 202222086)",
    },
    looks_at="submissions after a failed download, in this run and the next",
    good="treat the download as a separate step, and keep the task's id until it is done",
    bad="r3_pays_again_after_a_failed_download",
    judge=judge,
)
