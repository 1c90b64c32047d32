"""Pain 5: a task is refused after its submission was accepted."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "A refusal comes late, and the end user's money is never given back"
SETUP = "The order is accepted. Moderation refuses the picture later: the task fails, and the vendor gives the credits back."
CARELESS = "It charges the end user when the order is accepted. When the task fails it stops, and gives nothing back."
RULES = ("E2",)
SEEN = "HeyPuter/puter#3730"
OPTIONS: dict[str, object] = {"scenario": "moderated"}


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: the scenario is enough."""


def careless(worker: Worker) -> None:
    """Charge the end user when the submission is accepted."""
    task = worker.create()
    worker.charge()
    links = worker.result(task)
    if links:
        worker.save(worker.download(links[0]).content)
        worker.done()


def careful(worker: Worker) -> None:
    """Charge the end user when the result is there."""
    worker.deliver(worker.result(worker.create()))
