"""All that a sandbox holds, as one record: what is reset, saved, restored and forked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from swapmock.mock_server.core.delivery import Delivery
from swapmock.mock_server.core.faults import FaultRule, Turns
from swapmock.mock_server.core.journal import File, Record
from swapmock.mock_server.core.ledger import Entry
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.task import Task


class Due(NamedTuple):
    """A piece of work and the sandbox time at which it falls due; `number` keeps the order of equal times."""

    at: float
    number: int
    work: str
    subject: str


@dataclass(slots=True)
class State:
    """`rates` holds the times of the calls that each rate limit still counts; `recorded` is how many records the
    journal ever took, `scheduled` how much work; `tokens` are those of its public links."""

    numbers: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    due: list[Due] = field(default_factory=list)
    scheduled: int = 0
    entries: list[Entry] = field(default_factory=list)
    rates: dict[str, list[float]] = field(default_factory=dict)
    journal: list[Record] = field(default_factory=list)
    recorded: int = 0
    files: dict[str, File] = field(default_factory=dict)
    faults: dict[str, FaultRule] = field(default_factory=dict)
    turns: dict[str, Turns] = field(default_factory=dict)
    queue: list[Queued] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
