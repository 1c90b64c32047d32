"""From a timeline and a scenario to the course a task will take."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mock_server.core.task import Failure


class TimelineRow(Protocol):
    @property
    def queued(self) -> float: ...
    @property
    def running(self) -> float: ...


class ScenarioRow(Protocol):
    @property
    def stretch(self) -> float: ...
    @property
    def ends(self) -> bool: ...


class Course(NamedTuple):
    """When a task starts and ends (None: never), and how it fails (None: it does not)."""

    starts_at: float
    ends_at: float | None
    failure: Failure | None


def plan(now: float, timeline: TimelineRow, scenario: ScenarioRow, failure: Failure | None) -> Course:
    starts_at = now + timeline.queued * scenario.stretch
    ends_at = starts_at + timeline.running * scenario.stretch if scenario.ends else None
    return Course(starts_at, ends_at, failure)
