"""Queued outcomes: which task takes which."""

import pytest

from mock_server.core.queue import Queued, first_fit

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
    assert Queued("q", "fails", **wanted).fits(*TASK) is fits


def test_the_first_that_fits():
    queue = [Queued("1", "fails", kind="detection"), Queued("2", "slow"), Queued("3", "stuck")]
    found = first_fit(queue, *TASK)
    assert found is not None
    assert found.id == "2"
    assert first_fit(queue[:1], *TASK) is None
    assert first_fit([], *TASK) is None
