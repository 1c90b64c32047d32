"""Pain 8: callbacks come twice."""

from typing import Any

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "A callback comes twice, and the job is fulfilled twice"
SETUP = "The vendor sends the callback of the finished task twice, at the same moment on two connections."
CARELESS = "It charges the end user and delivers for every callback."
RULES = ("C3", "C4", "C6")
SEEN = "antiwork/gumroad#6193"
OPTIONS: dict[str, object] = {"scenario": "callback_concurrent"}


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: the scenario is enough."""


def careless(worker: Worker) -> None:
    """Deliver the result at each callback."""

    def fulfil(body: dict[str, Any]) -> None:
        worker.deliver(body["result"]["media_urls"])

    worker.create(callback_url=worker.on_callback(fulfil))
    worker.wait(60)


def careful(worker: Worker) -> None:
    """Record the task at a callback, and deliver once after a poll."""
    ended: set[str] = set()
    task = worker.create(callback_url=worker.on_callback(lambda body: ended.add(body["task_id"])))
    worker.wait(60)
    if task in ended:  # one entry for each task, however often the callback came; the poll decides
        worker.deliver(worker.result(task))
