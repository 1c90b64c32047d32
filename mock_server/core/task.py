"""A task: an immutable record with a timeline. Its state is a pure function of the task and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Annotated, Any, Protocol

from swapmock.mock_server.core.codec import AddedIn
from swapmock.mock_server.core.credits import Millicredits
from swapmock.mock_server.core.immutable import immutable


class Phase(StrEnum):
    """The phases of a task."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


#: The same as plain names. Reading these is ten times faster, and every poll does it.
QUEUED, RUNNING, SUCCEEDED, FAILED = Phase


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task fails. `code` and `message` go into the result, `reason` beside it. `result: False` means that the
    vendor gives no result at all."""

    code: int | str
    message: str
    reason: str | None = None
    result: bool = True


@immutable
class Task:
    """An accepted job.

    Times are epoch seconds on the sandbox's clock: the task is queued from `created_at`, runs from `starts_at`
    and ends at `ends_at` (None: never). `charge` is the final cost, out of the `reserved` amount. `request` is
    the accepted body as JSON text. `facts` is what the provider stores about the task. `asker` is the address of
    the client that submitted a task with a callback, "" for a client on this machine. `base_url` is the URL by
    which such a task was submitted. `submitted_at` is the machine's time of the submission."""

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
    asker: Annotated[str, AddedIn("0.2")] = ""
    submitted_at: Annotated[float | None, AddedIn("0.2")] = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def phase(self, now: float) -> Phase:
        """Return the phase at the sandbox time `now`."""
        if now < self.starts_at:
            return QUEUED
        if self.ends_at is None or now < self.ends_at:
            return RUNNING
        return SUCCEEDED if self.failure is None else FAILED

    def is_over(self, now: float) -> bool:
        """Return whether the task has ended at the sandbox time `now`."""
        return self.ends_at is not None and now >= self.ends_at

    def next_change(self, now: float) -> float | None:
        """Return when the phase changes next after `now`; None if it never will."""
        if now < self.starts_at:
            return self.starts_at
        if self.ends_at is None or now >= self.ends_at:
            return None
        return self.ends_at

    def unchanged_until(self, now: float) -> float:
        """Return when the phase changes next after `now`; infinity if it never will."""
        change = self.next_change(now)
        return inf if change is None else change

    def credits_at(self, now: float) -> Millicredits:
        """Return the credits that the task takes at `now`: the reserved amount until its end, the charge from then
        on."""
        return self.charge if self.is_over(now) else self.reserved


class TimelineRow(Protocol):
    """The seconds for which a kind of task waits and runs."""

    @property
    def queued(self) -> float:
        """Seconds in the queue."""

    @property
    def running(self) -> float:
        """Seconds of running."""


class ScenarioRow(Protocol):
    """The part of a scenario that decides about times."""

    @property
    def stretch(self) -> float:
        """The factor for the timeline."""

    @property
    def ends(self) -> bool:
        """Whether the task ever ends."""


def schedule(now: float, timeline: TimelineRow, scenario: ScenarioRow) -> tuple[float, float | None]:
    """When a task that is submitted at `now` starts, and when it ends (None: never), in epoch seconds."""
    starts_at = now + timeline.queued * scenario.stretch
    ends_at = starts_at + timeline.running * scenario.stretch if scenario.ends else None
    return starts_at, ends_at
