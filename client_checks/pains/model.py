"""Runs a pain: each of its two clients with its own sandbox, then reads the cost from the ledger."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from swapmock import Control, Emulator, Sandbox, contracts
from swapmock.client_checks.pains.receiver import Receiver
from swapmock.client_checks.pains.worker import Killed, Worker

MODULES = (
    "p01_ambiguous_submit",
    "p02_own_deadline",
    "p03_endless_poll",
    "p04_false_success",
    "p05_late_refusal",
    "p06_dead_link",
    "p07_lost_callback",
    "p08_twice",
    "p09_restart",
    "p10_storm",
)

#: The first bytes of picture files: JPEG and PNG.
PICTURES = (b"\xff\xd8\xff", b"\x89PNG")

#: The credits at the start, unless the pain sets them.
BALANCE = 100.0


class Pain(Protocol):
    """The members of a module that shows a pain."""

    TITLE: str
    SETUP: str
    CARELESS: str
    RULES: tuple[str, ...]
    SEEN: str
    OPTIONS: Mapping[str, Any]

    def prepare(self, sandbox: Sandbox) -> None:
        """Prepare the emulator's faults in `sandbox`."""

    def careless(self, worker: Worker) -> None:
        """Run the client that makes the mistake."""

    def careful(self, worker: Worker) -> None:
        """Run the client that does not make the mistake."""


@dataclass(frozen=True)
class Cost:
    """The cost of one client. Credits and tasks come from the ledger, requests from the journal, the rest from the
    client."""

    credits: float  # credits that the vendor charged
    returned: float  # credits that were reserved and returned
    tasks: int  # tasks that were charged
    requests: int  # requests to the vendor's API
    refused: int  # requests that were answered with an error response
    minutes: float  # seconds on the sandbox's clock until the client ended
    saved: int  # complete pictures that were saved
    broken: int  # saved files that are not pictures
    told_done: int  # how often the end user was told that the picture is ready
    user_paid: float  # what the end user has paid at the end


@dataclass(frozen=True)
class Played:
    """One client's run: its source code, its cost, and the ledger's entries."""

    source: str
    cost: Cost
    entries: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Result:
    """A pain with the runs of both clients."""

    number: int
    pain: Pain
    careless: Played
    careful: Played

    @property
    def wasted(self) -> float:
        """Credits that the careless client paid in addition to what the careful one paid."""
        return self.careless.cost.credits - self.careful.cost.credits

    def document(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        pain = self.pain
        return {
            "number": self.number,
            "title": pain.TITLE,
            "setup": pain.SETUP,
            "careless_client": pain.CARELESS,
            "seen": pain.SEEN,
            "rules": list(pain.RULES),
            "careless": _run_document(self.careless),
            "careful": _run_document(self.careful),
            "wasted_credits": self.wasted,
        }


def _run_document(played: Played) -> dict[str, Any]:
    return {"cost": asdict(played.cost), "ledger": [dict(entry) for entry in played.entries], "source": played.source}


def load(number: int) -> Pain:
    """Return the pain with this `number`, from 1."""
    return cast(Pain, import_module(f"swapmock.client_checks.pains.{MODULES[number - 1]}"))


def play(number: int, control: Control) -> Result:
    """Run both clients of the pain `number` on the emulator `control`, each in its own sandbox."""
    pain = load(number)
    return Result(number, pain, _run(pain, "careless", control), _run(pain, "careful", control))


def play_all(numbers: list[int]) -> Iterator[Result]:
    """Run the pains with these `numbers`, one after the other, on one emulator in this process."""
    with Emulator(journal_size=5000) as emulator:
        for number in numbers:
            yield play(number, emulator)


def _run(pain: Pain, name: str, control: Control) -> Played:
    client = getattr(pain, name)
    options = {"clock": "frozen", "balance": BALANCE, **pain.OPTIONS}
    with control.sandbox(**options) as sandbox, Receiver() as receiver, _worker(sandbox, receiver) as worker:
        pain.prepare(sandbox)
        start = worker.now
        worker.kill_after = getattr(pain, "KILL_AFTER", None)
        try:
            client(worker)
        except Killed:
            client(worker)
        minutes = (worker.now - start) / 60
        sandbox.advance(until="idle")
        ledger = sandbox.ledger()
        return Played(
            textwrap.dedent(inspect.getsource(client)), _cost(sandbox, worker, minutes), tuple(ledger["entries"])
        )


@contextmanager
def _worker(sandbox: Sandbox, receiver: Receiver) -> Iterator[Worker]:
    worker = Worker(sandbox, receiver)
    try:
        yield worker
    finally:
        worker.close()


def _is_of_the_api(row: Mapping[str, Any]) -> bool:
    """Return whether an exchange of the journal belongs to the vendor's API and not to a store of files."""
    operation = contracts.load(row["provider"]).operations.get(row["operation"])
    return operation is not None and not operation.files


def _cost(sandbox: Sandbox, worker: Worker, minutes: float) -> Cost:
    entries = sandbox.ledger()["entries"]
    requests = [row for row in sandbox.requests(limit=1000) if _is_of_the_api(row)]
    moved = {move: [row for row in entries if row["move"] == move] for move in ("settle", "release")}
    pictures = [content for content in worker.saved if content.startswith(PICTURES)]
    return Cost(
        credits=sum(row["amount"] for row in moved["settle"]),
        returned=sum(row["amount"] for row in moved["release"]),
        tasks=len(moved["settle"]),
        requests=len(requests),
        refused=sum(1 for row in requests if row["problem"]),
        minutes=round(minutes, 2),
        saved=len(pictures),
        broken=len(worker.saved) - len(pictures),
        told_done=worker.told_done,
        user_paid=worker.user_paid,
    )
