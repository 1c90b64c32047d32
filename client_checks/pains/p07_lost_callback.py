"""Pain 7: callbacks never arrive."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Worker

TITLE = "Callbacks are lost, and nothing falls back on polling"
SETUP = (
    "The receiver of callbacks answers every attempt with a redirect to its login page. The vendor does not follow it."
)
CARELESS = "It waits for the callback for a day and never polls. Then it writes the job off."
RULES = ("C7", "C8")
SEEN = "replicate/replicate-javascript#195"
OPTIONS: dict[str, object] = {}


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: the receiver's answer is enough."""


def careless(worker: Worker) -> None:
    """Wait for the callback only."""
    arrived: list[dict[str, object]] = []
    worker.create(callback_url=worker.on_callback(arrived.append, status=302))
    for _ in range(24):
        worker.wait(3600)
        if arrived:
            worker.done()


def careful(worker: Worker) -> None:
    """Poll if no callback comes."""
    arrived: list[dict[str, object]] = []
    task = worker.create(callback_url=worker.on_callback(arrived.append, status=302))
    worker.wait(120)
    if not arrived:
        worker.deliver(worker.result(task))
