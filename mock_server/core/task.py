"""A task: a frozen fact with a timeline. Its state is a pure function of the task and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

from mock_server.core.credits import Millicredits
from mock_server.core.facts import fact


class Phase(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


#: The same by plain names, which are found in a tenth of the time: every poll asks for some of them.
QUEUED, RUNNING, SUCCEEDED, FAILED = Phase


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task ends badly: `code` and `message` for the result, `reason` beside it; `result: False` means that the
    vendor says nothing at all."""

    code: int | str
    message: str
    reason: str | None = None
    result: bool = True


@fact
class Task:
    """An accepted job.

    Times are epoch seconds on the sandbox's clock: it is queued from `created_at`, runs from `starts_at` and ends at
    `ends_at` (None: never). `charge` is what it costs in the end, of the `reserved` amount. `request` is the accepted
    body as JSON text; `facts` is what the provider wants to remember. `base_url` is the one that the submission of a task
    with a callback came by.
    """

    id: str
    kind: str
    provider: str
    operation: str
    model: str
    request: bytes
    created_at: float
    starts_at: float
    ends_at: float | None
    failure: Failure | None = None
    reserved: Millicredits = 0
    charge: Millicredits = 0
    scenario: str = "fine"
    callback_url: str | None = None
    base_url: str = ""
    cause: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def phase(self, now: float) -> Phase:
        if now < self.starts_at:
            return QUEUED
        if self.ends_at is None or now < self.ends_at:
            return RUNNING
        return SUCCEEDED if self.failure is None else FAILED

    def is_over(self, now: float) -> bool:
        return self.ends_at is not None and now >= self.ends_at

    def next_change(self, now: float) -> float | None:
        """When the phase changes next; None if it never will."""
        if now < self.starts_at:
            return self.starts_at
        if self.ends_at is None or now >= self.ends_at:
            return None
        return self.ends_at

    def unchanged_until(self, now: float) -> float:
        """When the phase changes next, infinity if it never will."""
        change = self.next_change(now)
        return inf if change is None else change

    def credits_at(self, now: float) -> Millicredits:
        """Reserved until the end, charged from then on."""
        return self.charge if self.is_over(now) else self.reserved
