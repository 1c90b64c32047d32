"""Pain 10: retries multiply."""

from swapmock import Sandbox
from swapmock.client_checks.pains.worker import Refused, Worker

TITLE = "Retries multiply: a storm of 429 and 402"
SETUP = "A batch of ten pictures of 3 credits each. The account has 7 credits, and the vendor accepts one request in ten seconds."
CARELESS = "The job tries three times, and the HTTP layer below it three times for each. It ignores Retry-After, and it ignores 402."
RULES = ("P3", "P3b", "P5", "P7")
SEEN = "AWS REL05-BP03, kirodotdev/Kiro#8694"
OPTIONS: dict[str, object] = {
    "balance": 7,
    "rate_limit": {"calls": 1, "seconds": 10, "retry_after": "seconds"},
}


def prepare(sandbox: Sandbox) -> None:
    """Do nothing: balance and rate limit are enough."""


def careless(worker: Worker) -> None:
    """Retry in several layers, whatever the error is."""

    def attempt() -> bool:
        for _ in range(3):
            try:
                worker.create()
                return True
            except Refused:
                worker.wait(1)
        return False

    for _ in range(10):
        for _ in range(3):
            if attempt():
                break


def careful(worker: Worker) -> None:
    """Retry as Retry-After says, and stop at a permanent error."""
    made = 0
    while made < 10:
        try:
            worker.create()
            made += 1
            worker.wait(10)
        except Refused as refused:
            if refused.code == 402:
                return  # the other jobs of the batch cost the same
            worker.wait(refused.retry_after or 10)
