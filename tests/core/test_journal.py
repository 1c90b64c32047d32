"""Records of the journal, state and runs, as they are before anything is known."""

from swapmock.mock_server.core.journal import Exchange, Transfer
from swapmock.mock_server.core.runs import LONGEST_RUN, MOST_RUNS
from swapmock.mock_server.core.seeded import digest
from swapmock.mock_server.core.state import State


def test_a_fresh_exchange():
    fresh = Exchange("x1", 5.0, "crun", "create_task", "POST", "/", {}, b"")
    assert (fresh.status, fresh.code, fresh.answer, fresh.task, fresh.problem) == (0, None, b"", "", "")
    assert (fresh.violations, fresh.drift, fresh.fault, fresh.scenario, fresh.delay) == ((), (), "", "", 0.0)
    assert Transfer(5) == (5, "", "", 0)


def test_a_fresh_sandbox_has_nothing():
    fresh = State()
    assert (fresh.scheduled, fresh.recorded) == (0, 0)
    assert not any((fresh.numbers, fresh.tasks, fresh.due, fresh.entries, fresh.journal, fresh.files, fresh.deliveries))
    assert State().tasks is not fresh.tasks


def test_how_many_runs_are_kept():
    assert (MOST_RUNS, LONGEST_RUN) == (20, 4_194_304)


def test_a_digest_has_sixteen_bytes_unless_told():
    assert [len(digest("a")), len(digest("a", size=5))] == [16, 5]
