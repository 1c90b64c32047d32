"""A task's state is a function of the task and the time, and of nothing else."""

from dataclasses import replace
from math import inf
from types import SimpleNamespace

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.task import Failure, Phase, Task, schedule

RULES = load("crun").behaviour
FINE = Task(
    id="t",
    kind="task",
    provider="crun",
    operation="create_task",
    model="z-image",
    request=b"{}",
    created_at=100.0,
    starts_at=102.0,
    ends_at=112.0,
    reserved=3000,
    charge=2000,
)
FAILED = replace(FINE, failure=Failure(501, "no"), charge=0)
STUCK = replace(FINE, ends_at=None)


@pytest.mark.parametrize(
    ("task", "at", "phase", "over", "change", "credits"),
    [
        (FINE, 100.0, Phase.QUEUED, False, 102.0, 3000),
        (FINE, 101.999, Phase.QUEUED, False, 102.0, 3000),
        (FINE, 102.0, Phase.RUNNING, False, 112.0, 3000),
        (FINE, 111.999, Phase.RUNNING, False, 112.0, 3000),
        (FINE, 112.0, Phase.SUCCEEDED, True, None, 2000),
        (FINE, 1e9, Phase.SUCCEEDED, True, None, 2000),
        (FAILED, 111.999, Phase.RUNNING, False, 112.0, 3000),
        (FAILED, 112.0, Phase.FAILED, True, None, 0),
        (STUCK, 101.0, Phase.QUEUED, False, 102.0, 3000),
        (STUCK, 1e9, Phase.RUNNING, False, None, 3000),
    ],
)
def test_the_state_at_a_time(task, at, phase, over, change, credits):
    for _ in range(3):
        assert task.phase(at) is phase
        assert task.is_over(at) is over
        assert task.next_change(at) == change
        assert task.credits_at(at) == credits


@pytest.mark.parametrize("timeline", RULES.timelines.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("scenario", RULES.scenarios.values(), ids=lambda row: row.name)
def test_a_course_is_the_timeline_stretched(timeline, scenario):
    starts_at, ends_at = schedule(1000.0, timeline, scenario)
    assert starts_at == 1000.0 + timeline.queued * scenario.stretch
    if scenario.ends:
        assert ends_at == pytest.approx(1000.0 + (timeline.queued + timeline.running) * scenario.stretch)
    else:
        assert ends_at is None


def test_an_instant_task_is_over_at_once():
    starts_at, ends_at = schedule(1000.0, RULES.timelines["image"], RULES.scenarios["instant"])
    assert replace(FINE, starts_at=starts_at, ends_at=ends_at).phase(1000.0) is Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("now", "ends_at", "phase", "change", "credits"),
    [
        (0.9, 20.0, "queued", 10.0, 7),
        (9.999, 20.0, "queued", 10.0, 7),
        (10.0, 20.0, "running", 20.0, 7),
        (19.999, 20.0, "running", 20.0, 7),
        (20.0, 20.0, "succeeded", None, 3),
        (20.001, 20.0, "succeeded", None, 3),
        (10.0, None, "running", None, 7),
        (1e12, None, "running", None, 7),
    ],
)
def test_the_edges_of_phases(now, ends_at, phase, change, credits):
    made = Task("i", "k", "p", "o", "m", b"", 0.0, 10.0, ends_at, reserved=7, charge=3)
    assert (made.phase(now), made.next_change(now), made.credits_at(now)) == (phase, change, credits)
    assert made.unchanged_until(now) == (inf if change is None else change)
    assert made.is_over(now) is (phase == "succeeded")


def test_a_schedule_is_stretched():
    timeline, scenario = SimpleNamespace(queued=2.0, running=5.0), SimpleNamespace(stretch=3.0, ends=True)
    assert schedule(100.0, timeline, scenario) == (106.0, 121.0)
    assert schedule(100.0, timeline, SimpleNamespace(stretch=0.5, ends=False)) == (101.0, None)


def test_a_fresh_task_costs_nothing():
    made = Task("i", "k", "p", "o", "m", b"", 0.0, 10.0, 20.0)
    assert (made.reserved, made.charge, made.scenario, made.failure) == (0, 0, "fine", None)
    assert Failure(501, "no") == Failure(501, "no", None, True)
