"""Pain 2: the client's own deadline passes while the task still runs."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "The client's own deadline is taken for a failure of the task"
SETUP = "The task takes a minute, ten times as long as usual. Then it succeeds."
CARELESS = "After 30 seconds it treats the task as failed and orders a new one, three times. Then it tells the end user that it failed."
RULES = ("P8", "P2")
SEEN = "anomaliaso/anomalia#325, elizaOS/eliza#11920"
OPTIONS: dict[str, object] = {"scenario": "slow"}


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: the scenario is enough."""


def careless(worker: Worker) -> None:
    """Submit the job again when the deadline has passed."""
    for _ in range(3):
        task = worker.create()
        for _ in range(6):
            worker.wait(5)
            answer = worker.read(task)
            if answer["status"] == "success":
                worker.deliver(answer["result"]["media_urls"])
                return


def careful(worker: Worker) -> None:
    """Keep the id of the task and ask for the task again later."""
    worker.disk["task"] = worker.create()
    worker.wait(30)  # At its own deadline the client stops waiting. It keeps the id and asks again later.
    worker.wait(300)
    worker.deliver(worker.result(worker.disk["task"]))
