"""Queued outcomes: which task takes which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapmock.mock_server.core.queue import OutcomeQueue, Queued

TASK = ("crun", "task", "create_task", "m")


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"provider": "crun"}, True),
        ({"provider": "imgopen"}, False),
        ({"kind": "task", "operation": "create_task", "model": "m"}, True),
        ({"kind": "detection"}, False),
        ({"operation": "other"}, False),
        ({"model": "n"}, False),
        ({"provider": "crun", "model": "n"}, False),
    ],
)
def test_fits(wanted, fits):
    assert (OutcomeQueue([Queued("q", "fails", **wanted)]).first_fit(TASK) is not None) is fits


def test_the_first_that_fits():
    lines = OutcomeQueue([Queued("1", "fails", kind="detection"), Queued("2", "slow", model="m"), Queued("3", "stuck")])
    assert lines.first_fit(TASK) == Queued("2", "slow", model="m")
    assert [lines.remove("2"), lines.remove("2")] == [True, False]
    assert lines.first_fit(TASK) == Queued("3", "stuck")
    lines.remove("3")
    assert lines.first_fit(TASK) is None
    assert [item.id for item in lines] == ["1"]
    assert OutcomeQueue().first_fit(TASK) is None


def test_the_first_is_the_one_that_came_first_whatever_its_id():
    lines = OutcomeQueue([Queued("z", "slow", model="m"), Queued("a", "stuck")])
    assert lines.first_fit(TASK) == Queued("z", "slow", model="m")


KIND = st.sampled_from([None, "task", "detection"])
MODEL = st.sampled_from([None, "m", "n"])


@given(items=st.lists(st.tuples(KIND, MODEL), max_size=12), taken=st.lists(st.integers(0, 11), max_size=12))
def test_lines_do_what_looking_at_each_would(items, taken):
    plain = [Queued(str(number), "fails", kind=kind, model=model) for number, (kind, model) in enumerate(items)]
    lines = OutcomeQueue(plain)
    for number in taken:
        lines.remove(str(number))
    plain = [item for item in plain if int(item.id) not in taken]
    assert list(lines) == plain
    fits = [item for item in plain if item.kind in (None, "task") and item.model in (None, "m")]
    assert lines.first_fit(TASK) == (fits[0] if fits else None)
