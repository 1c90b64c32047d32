"""The client's own deadline."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "The client's own deadline is taken for a failure of the task"
SETUP = "The task takes a minute, ten times as long as usual. Then it succeeds."
CARELESS = "After 30 seconds it takes the task for failed and orders a new one, three times. Then it tells the end user that it failed."
RULES = ("P8", "P2")
SEEN = "anomaliaso/anomalia#325, elizaOS/eliza#11920"
OPTIONS: dict[str, object] = {"scenario": "slow"}


def prepare(sandbox: Sandbox) -> None:
    """The scenario is all."""


def careless(worker: Worker) -> None:
    for _ in range(3):
        task = worker.create()
        for _ in range(6):
            worker.wait(5)
            answer = worker.read(task)
            if answer["status"] == "success":
                worker.deliver(answer["result"]["media_urls"])
                return


def careful(worker: Worker) -> None:
    worker.disk["task"] = worker.create()
    worker.wait(30)  # its own deadline: it stops waiting, keeps the id and asks again later
    worker.wait(300)
    worker.deliver(worker.result(worker.disk["task"]))
