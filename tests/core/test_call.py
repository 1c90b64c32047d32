"""What passes between the web and the handlers: the texts of a body, magic values that clear, problems."""

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.mock_server.core import call as calls
from swapmock.mock_server.core.call import Cacheable, Call, Problem, Reply, still_holds, texts


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a", [("", "a")]),
        (None, []),
        (5, []),
        (["a", ["b", 1], {"c": "d"}], [("0", "a"), ("1.0", "b"), ("2.c", "d")]),
        ({"x": "1", "y": {"z": "2", "w": ["3"]}}, [("x", "1"), ("y.z", "2"), ("y.w.0", "3")]),
        ({"skipped": "1", "in": {"skipped": "2"}}, [("in.skipped", "2")]),
        ({"skipped": {"all": "1"}, "b": "2"}, [("b", "2")]),
        ([{"skipped": "1"}], [("0.skipped", "1")]),
    ],
)
def test_texts_come_with_their_places(value, found):
    """Only members at the top are left out."""
    assert list(texts(value, {"skipped"})) == found


class Counters:
    """The counters of a sandbox."""

    def __init__(self):
        self.counts: dict[str, int] = {}

    def next_number(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        return self.counts[name]


def test_a_magic_value_holds_for_as_many_calls_as_its_row_says():
    box: Any = Counters()
    assert [still_holds(box, "https://a.invalid/", 2) for _ in range(4)] == [True, True, False, False]
    assert still_holds(box, "https://b.invalid/", 2)
    assert all(still_holds(box, "https://c.invalid/", None) for _ in range(3))


def test_a_sandbox_counts_no_more_urls_than_it_can_hold(monkeypatch):
    monkeypatch.setattr(calls, "MOST_CLEARING", 3)
    box: Any = Counters()
    assert [still_holds(box, f"https://{number}.invalid/", 1) for number in range(3)] == [True] * 3
    assert [still_holds(box, f"https://{number}.invalid/", 1) for number in range(3)] == [False] * 3
    with pytest.raises(Problem) as refused:
        still_holds(box, "https://4.invalid/", 1)
    assert refused.value.name == "rate_limited"
    assert "counts 3 URLs" in str(refused.value.message)


def test_how_many_urls_that_is():
    assert calls.MOST_CLEARING == 10_000


def test_a_cacheable_answer_names_its_task():
    assert Cacheable() == (None, inf, "")
    assert Cacheable().task_id == ""
    assert Cacheable(SimpleNamespace(id="t1")).task_id == "t1"  # type: ignore[arg-type]  # only the id is read


def test_a_usual_reply_and_problem():
    usual = Reply()
    assert (usual.data, usual.code, usual.message, usual.status) == (None, 200, "success", 200)
    assert (usual.headers, usual.is_empty, usual.cacheable) == ((), False, None)
    problem = Problem("invalid", errors=["a", "b"])
    assert (problem.args, problem.name, problem.errors) == (("invalid", "a", "b"), "invalid", ("a", "b"))
    assert (problem.details, problem.headers, problem.http, problem.code) == ({}, (), None, None)
    assert (problem.message, problem.fault) == (None, "")
    assert Problem("x", details={"balance": 1}).details == {"balance": 1}


def test_a_usual_call():
    box: Any = Counters()
    call = Call("create_task", {}, None, b"", {}, box, 5.0, {}, "http://127.0.0.1", "x1", "crun")
    assert (call.task, call.queued, call.callback_first, call.own_url) == ("", "", False, "")
    assert (call.has_left, call.client, call.noted) == (None, "", ())
    call.task = "t1"
    assert not hasattr(call, "__dict__")


@pytest.mark.parametrize(
    ("rate", "received", "at", "expected"),
    [
        (1.0, 5.0, 6.0, 5.0),
        (0.5, 0.0, 6.0, 0.0),
        (-0.0, 5.0, 6.0, None),
        (0.0, 5.0, 6.0, None),
        (1.0, 6.0, 6.0, None),
        (1.0, 7.0, 6.0, None),
        (1.0, inf, 6.0, None),
        (1.0, 5.0, None, None),
        (1.0, 5.0, 0.0, None),
    ],
)
def test_the_machines_time_counts_where_the_sandbox_is_ahead_of_it(rate, received, at, expected):
    box: Any = SimpleNamespace(clock=SimpleNamespace(rate=rate))
    given: dict[str, Any] = {"params": {}, "body": None, "raw": b"", "headers": {}, "variants": {}}
    call = Call("o", box=box, now=0.0, base_url="", exchange="x1", provider="p", received=received, **given)
    assert call.machine_time_before(at) == expected
