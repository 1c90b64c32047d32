"""Pain 6: a link has expired when it is needed."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "A result's link expires, and an error page is saved as a picture"
SETUP = "The task succeeds. Its link lives for 14 days."
CARELESS = "It keeps the link. After 15 days it saves what the link gives, an error page, and then pays for a new task."
RULES = ("R1", "R2", "R3")
SEEN = "huobao-drama#58, grok2api#285"
OPTIONS: dict[str, object] = {}

DAY = 86400.0


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: time alone is enough."""


def careless(worker: Worker) -> None:
    """Store the link, and download it when the end user asks."""
    (link,) = worker.result(worker.create())
    worker.charge()
    worker.done()
    worker.wait(15 * DAY)
    worker.save(worker.download(link).content)
    (link,) = worker.result(worker.create())
    worker.save(worker.download(link).content)


def careful(worker: Worker) -> None:
    """Download the result at once, and store the bytes."""
    worker.deliver(worker.result(worker.create()))
    worker.wait(15 * DAY)
