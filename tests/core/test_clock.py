"""The clock of a sandbox, on real time that is told when to move."""

import itertools

import pytest

from swapmock.mock_server.adapters.clock import ManualTime, SystemTime
from swapmock.mock_server.core.clock import END_OF_TIME, FIXED_START, POLL_STEP, ClockMode, SandboxClock, after_poll
from swapmock.mock_server.core.timetext import format_timestamp

START = 1_000_000.0


def test_a_real_clock_shows_real_time():
    clock = SandboxClock.make(ClockMode.REAL, START)
    assert clock.read(START) == START
    assert clock.read(START + 7.5) == START + 7.5


def test_a_real_clock_has_no_other_rate():
    assert SandboxClock.make(ClockMode.REAL, START, rate=50).read(START + 1) == START + 1


def test_a_scaled_clock_runs_at_its_rate():
    clock = SandboxClock.make(ClockMode.SCALED, START, rate=60)
    assert clock.read(START + 2) == START + 120
    slow = SandboxClock.make(ClockMode.SCALED, START, rate=0.5)
    assert slow.read(START + 2) == START + 1


@pytest.mark.parametrize("mode", [ClockMode.FROZEN, ClockMode.ON_POLL])
def test_a_still_clock_stands(mode):
    clock = SandboxClock.make(mode, START)
    assert clock.read(START) == clock.read(START + 1e9) == FIXED_START
    assert SandboxClock.make(mode, START, start=5.0).read(START) == 5.0


@pytest.mark.parametrize("mode", ClockMode)
def test_no_clock_runs_backwards(mode):
    clock = SandboxClock.make(mode, START, rate=2)
    assert clock.read(START - 100) == clock.read(START - 0.5) == clock.read(START)
    with pytest.raises(ValueError, match="cannot be moved back"):
        clock.moved(START, -0.001)
    assert clock.moved_to(START, clock.read(START) - 5) is clock
    assert clock.moved_to(START + 3, clock.read(START + 3)) is clock


@pytest.mark.parametrize(("mode", "rate"), [(ClockMode.REAL, 1), (ClockMode.SCALED, 10), (ClockMode.FROZEN, 0)])
def test_a_clock_that_was_moved_goes_on_from_there(mode, rate):
    clock = SandboxClock.make(mode, START, rate=10)
    shown = clock.read(START + 3)
    moved = clock.moved(START + 3, 100)
    assert moved.read(START + 3) == shown + 100
    assert moved.read(START + 4) == shown + 100 + rate
    later = moved.moved_to(START + 4, shown + 1000)
    assert later.read(START + 4) == shown + 1000


def test_a_clock_that_is_switched_shows_the_same_moment():
    clock = SandboxClock.make(ClockMode.REAL, START)
    frozen = clock.switched(START + 5, ClockMode.FROZEN)
    assert frozen.read(START + 99) == START + 5
    fast = frozen.switched(START + 99, ClockMode.SCALED, rate=3)
    assert fast.read(START + 100) == START + 8


def test_polls_reach_the_next_change_in_several_steps():
    now, change, steps = 0.0, 10.0, []
    while now < change:
        now = after_poll(now, change)
        steps.append(now)
    assert steps == [5.0, 7.5, 8.75, 9.375, 9.875, 10.0]
    assert all(later - earlier >= POLL_STEP for earlier, later in itertools.pairwise(steps[:-1]))


@pytest.mark.parametrize("change", [None, 3.0, 5.0])
def test_a_poll_of_what_does_not_change_moves_nothing(change):
    assert after_poll(5.0, change) == 5.0


def test_manual_time_moves_when_told():
    time = ManualTime(START)
    assert time.now() == time.now() == START
    time.advance(2.5)
    assert time.now() == START + 2.5
    with pytest.raises(ValueError, match="backwards"):
        time.advance(-1)


def test_system_time_does_not_run_backwards():
    time = SystemTime()
    readings = [time.now() for _ in range(1000)]
    assert readings == sorted(readings)
    assert readings[0] > 1_700_000_000


@pytest.mark.parametrize(
    ("elapsed", "rate", "expected"),
    [(9.0, 1.0, -1.0), (10.0, 1.0, 0.0), (11.0, 1.0, 0.0), (1e9, 1e6, 0.0), (1e300, 1e6, 0.0)],
)
def test_a_clock_stops_at_the_last_moment_that_can_be_written(elapsed, rate, expected):
    clock = SandboxClock.make(ClockMode.SCALED, START, rate, start=END_OF_TIME - 10.0)
    assert clock.read(START + elapsed) == END_OF_TIME + expected
    assert format_timestamp(clock.read(START + elapsed)).startswith(
        "9998-12-31T23:59:" if expected else "9999-01-01T00:00"
    )
    assert clock.real_at(END_OF_TIME, START) == START + 10.0 / rate
    assert clock.real_at(END_OF_TIME + 1.0, START) is None


def test_a_clock_beyond_the_end_stands_there():
    beyond = SandboxClock.make(ClockMode.SCALED, START, 10.0, start=END_OF_TIME + 5.0)
    assert beyond.read(START) == beyond.read(START + 100.0) == END_OF_TIME + 5.0


def test_a_clock_that_is_switched_runs_as_real_time_unless_told():
    assert SandboxClock.make(ClockMode.FROZEN, START).switched(START, ClockMode.SCALED).rate == 1.0
    assert SandboxClock.make(ClockMode.SCALED, START).rate == 1.0


@pytest.mark.parametrize(
    ("rate", "shown", "real", "expected"),
    [
        (2.0, START + 10, START, START + 5),
        (2.0, START, START + 3, START + 3),  # shown already
        (2.0, START + 10, START - 7, START + 5),  # real time has stepped back
        (0.0, FIXED_START, START, START),
        (0.0, FIXED_START + 1, START, None),
    ],
)
def test_when_a_clock_shows_a_moment(rate, shown, real, expected):
    clock = SandboxClock.make(ClockMode.SCALED if rate else ClockMode.FROZEN, START, rate)
    assert clock.real_at(shown, real) == expected


@pytest.mark.parametrize("by", [0.0, 0.001, 0.5, 1.0])
def test_a_clock_is_moved_by_any_time_forward(by):
    assert SandboxClock.make(ClockMode.FROZEN, START).moved(START, by).read(START) == FIXED_START + by


@pytest.mark.parametrize(
    ("now", "change", "expected"),
    [(0.0, 10.0, 5.0), (0.0, 1.0, 0.5), (0.0, 0.9, 0.5), (0.0, 0.5, 0.5), (0.0, 0.4, 0.4), (0.0, 1.5, 0.75)],
)
def test_the_steps_of_polls(now, change, expected):
    assert after_poll(now, change) == expected


def test_the_moments_that_users_are_told():
    assert format_timestamp(FIXED_START) == "2026-01-01T00:00:00.000Z"
    assert format_timestamp(END_OF_TIME) == "9999-01-01T00:00:00.000Z"
    assert POLL_STEP == 0.5
