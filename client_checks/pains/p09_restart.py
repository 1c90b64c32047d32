"""Pain 9: the client is restarted while a task runs."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "A restart in the middle of a task pays again"
SETUP = "The process is killed three seconds after the order, and started again."
CARELESS = "It has the task's id in memory only. The second start orders the picture once more."
RULES = ("P9", "P2")
SEEN = "ArcReel, pull request 2212"
OPTIONS: dict[str, object] = {}
KILL_AFTER = 3.0


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: the kill is enough."""


def careless(worker: Worker) -> None:
    """Submit the job again after the restart."""
    worker.deliver(worker.result(worker.create()))


def careful(worker: Worker) -> None:
    """Store the id before the restart, and poll this task after it."""
    if "task" not in worker.disk:
        worker.disk["task"] = worker.create()
    worker.deliver(worker.result(worker.disk["task"]))
