"""Pain 4: a time-out is reported as success."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "A time-out is reported as done, and nothing was saved"
SETUP = "The task takes a minute, ten times as long as usual. Then it succeeds."
CARELESS = "Its loop ends after five polls, and the line after the loop says 'done'. The end user pays."
RULES = ("P8", "E7")
SEEN = "tinyhumansai/openhuman#5411"
OPTIONS: dict[str, object] = {"scenario": "slow"}


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: the scenario is enough."""


def careless(worker: Worker) -> None:
    """Report success after the last poll, whatever it said."""
    task = worker.create()
    for _ in range(5):
        answer = worker.read(task)
        if answer["status"] == "success":
            worker.save(worker.download(answer["result"]["media_urls"][0]).content)
            break
        worker.wait(2)
    worker.charge()
    worker.done()


def careful(worker: Worker) -> None:
    """Report success only if the task has succeeded."""
    worker.deliver(worker.result(worker.create()))
