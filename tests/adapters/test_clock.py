"""Real time: it follows the wall clock forward, never back."""

import pytest

from swapmock.mock_server.adapters import clock
from swapmock.mock_server.adapters.clock import FOLLOWED, LOOKS_EVERY, ManualTime, SystemTime


@pytest.fixture
def machine(monkeypatch):
    """The two clocks of a machine, as a dictionary that a test changes."""
    shown = {"monotonic": 100.0, "wall": 5000.0}
    monkeypatch.setattr(clock, "ticks", lambda: shown["monotonic"])
    monkeypatch.setattr(clock, "wall", lambda: shown["wall"])
    return shown


@pytest.mark.parametrize(
    ("passed", "moved", "expected"),
    [
        (0.0, 0.0, 5000.0),
        (10.0, 10.0, 5010.0),
        (1.0, 1.0 + 8 * 3600, 5001.0 + 8 * 3600),  # suspended for eight hours
        (10.0, -3590.0, 5010.0),  # set back by an hour
        (10.0, 10.0 + FOLLOWED, 5010.0),
        (10.0, 10.001 + FOLLOWED, 5010.001 + FOLLOWED),
    ],
)
def test_it_follows_the_wall_clock_forward_and_never_back(machine, passed, moved, expected):
    time = SystemTime()
    machine["monotonic"] += passed
    machine["wall"] += moved
    assert time.now() == pytest.approx(expected, abs=1e-9)


def test_it_goes_on_from_where_it_was(machine):
    time = SystemTime()
    machine["wall"] += 1000.0
    assert time.now() == 6000.0
    machine["wall"] -= 500.0
    machine["monotonic"] += 7.0
    assert time.now() == 6007.0


def test_it_looks_at_the_wall_clock_again_after_a_little(machine):
    time = SystemTime()
    assert time.now() == 5000.0
    machine["wall"] += 1000.0
    machine["monotonic"] += LOOKS_EVERY / 2
    assert time.now() == pytest.approx(5000.0 + LOOKS_EVERY / 2, abs=1e-9)
    machine["monotonic"] += LOOKS_EVERY
    assert time.now() == 6000.0


def test_manual_time_does_not_run_backwards():
    with pytest.raises(ValueError, match="backwards"):
        ManualTime(0.0).advance(-1.0)
