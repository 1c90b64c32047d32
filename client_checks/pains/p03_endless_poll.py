"""Pain 3: a loop of polls never ends."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "A loop of polls never ends, because the failure is only in the body"
SETUP = (
    "The task fails after a few seconds. Every poll is answered with HTTP 200 and code 200; the word is in data.status."
)
CARELESS = (
    "It polls every five seconds until there is a link. There never is one. After an hour a user ends the process."
)
RULES = ("E2", "L2")
SEEN = "gitroomhq/postiz-app#1809, replicate/replicate-python#460"
OPTIONS: dict[str, object] = {"scenario": "fails"}


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: the scenario is enough."""


def careless(worker: Worker) -> None:
    """Poll until there is a link, which never comes."""
    task = worker.create()
    start = worker.now
    while not (worker.read(task)["result"] or {}).get("media_urls"):
        worker.wait(5)
        if worker.now - start >= 3600:  # a user ends the process
            return


def careful(worker: Worker) -> None:
    """Poll a limited number of times, and stop at a final state."""
    task = worker.create()
    for _ in range(120):
        if worker.read(task)["status"] in ("success", "failed"):
            return
        worker.wait(5)
