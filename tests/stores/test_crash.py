"""kill -9 under load: a few times here, 100 times among the slow tests."""

import os
import random

import pytest

from tests.receivers import Receiver
from tests.stores.crash import Trial


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


def run(receiver, record, path, kills: int, *options: str):
    report = Trial(receiver, "--store", f"sqlite:{path}", *options).run(kills, random.Random(kills))
    record(
        "crash", f"{report.kills} kills, {report.tasks} tasks, {report.callbacks} callbacks, {report.repeats} repeated"
    )
    return report


@pytest.mark.parametrize("durability", ["process", pytest.param("power", marks=pytest.mark.long)])
def test_what_was_told_is_there_after_a_kill(durability, receiver, record_testsuite_property, tmp_path):
    report = run(receiver, record_testsuite_property, tmp_path / "store.db", 3, "--durability", durability)
    assert report.problems == []
    assert report.tasks


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_kills(receiver, record_testsuite_property, tmp_path):
    kills = int(os.environ.get("SWAPMOCK_KILLS", "100"))
    report = run(receiver, record_testsuite_property, tmp_path / "store.db", kills)
    assert report.problems == []
    assert report.kills == kills
    assert report.repeats <= kills * 16
