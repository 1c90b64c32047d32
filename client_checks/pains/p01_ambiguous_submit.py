"""Pain 1: the answer to a submission is lost."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Lost, Worker

TITLE = "An order whose answer is lost is sent again, and billed again"
SETUP = "The connection breaks after the vendor has made the task: no answer comes to the first CreateTask."
CARELESS = "It treats 'no answer' as 'did not happen' and sends the order again."
RULES = ("P1", "P2")
SEEN = "Comfy-Org/ComfyUI#16204: 732 orders sent again in a week, 426 of them billed"
OPTIONS: dict[str, object] = {}


def prepare(sandbox: Sandbox) -> None:
    """Reset the connection of the first submission after the task was made."""
    sandbox.add_fault({"connection": "reset"}, match={"operation": "create_task", "nth": 1}, moment="after")


def careless(worker: Worker) -> None:
    """Send the submission again after the lost answer."""
    try:
        task = worker.create()
    except Lost:
        worker.wait(2)
        task = worker.create()
    worker.deliver(worker.result(task))


def careful(worker: Worker) -> None:
    """Read the balance before sending the submission again."""
    arrived: list[str] = []
    url = worker.on_callback(lambda body: arrived.append(body["task_id"]))
    before = worker.balance()
    try:
        task = worker.create(callback_url=url)
    except Lost:
        if worker.balance() == before:
            task = worker.create(callback_url=url)
        else:
            worker.wait(60)
            task = arrived[0]
    worker.deliver(worker.result(task))
