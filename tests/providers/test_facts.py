"""What a restored task must have as facts, and what is said of one that has not."""

from dataclasses import replace

import pytest

from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.facts import MOST_FACES, Faces, Files, check_facts

TASK = Task("t", "task", "crun", "create_task", "m", b"{}", 0.0, 1.0, 2.0)
TOO_MANY = "should have from 0 to 100 faces and files"


@pytest.mark.parametrize(
    ("shape", "value", "sentence"),
    [
        (str, "a", None),
        (str, 5, "`fact` should be str"),
        (Faces, [], None),
        (Faces, [["a", 0], ["b", 100]], None),
        (Faces, [["a", 101]], f"`fact` {TOO_MANY}"),
        (Faces, [["a", -1]], f"`fact` {TOO_MANY}"),
        (Faces, [["a", 0]] * 100, None),
        (Faces, [["a", 0]] * 101, f"`fact` {TOO_MANY}"),
        (Faces, [["a", "0"]], "`fact.0.1` should be an integer of at most 9007199254740992"),
        (Files, [[".png", []]] * 100, None),
        (Files, [[".png", []]] * 101, f"`fact` {TOO_MANY}"),
        (Files, [[".png", [["a", 101]]]], f"`fact` {TOO_MANY}"),
        (Files, [[".png", [["a", 1]]], [".png", [["a", 0]] * 101]], f"`fact` {TOO_MANY}"),
    ],
)
def test_facts_have_their_shape(shape, value, sentence):
    found = list(check_facts(replace(TASK, facts={"fact": value, "other": 1}), {"fact": shape}))
    assert found == ([("facts", sentence)] if sentence else [])


@pytest.mark.parametrize(("count", "fits"), [(0, True), (100, True), (101, False), (-1, False)])
def test_a_number_of_faces(count, fits):
    found = list(check_facts(replace(TASK, facts={"faces": count}), {"faces": int}))
    assert found == ([] if fits else [("facts", f"`faces` {TOO_MANY}")])
    assert list(check_facts(replace(TASK, facts={"seed": count}), {"seed": int})) == []
    assert MOST_FACES == 100


def test_every_fact_that_is_missing_is_told():
    found = list(check_facts(replace(TASK, facts={"b": 5, "c": "x"}), {"a": str, "b": str, "c": str, "d": int}))
    assert found == [("facts", "should have `a`"), ("facts", "`b` should be str"), ("facts", "should have `d`")]
