"""What a client declares: read, refused with the place, written again."""

import pytest

from swapmock.client_checks.behaviour.declaration import BadDeclaration, Declaration, declare, from_file, written
from swapmock.client_checks.behaviour.draft import draft
from swapmock.client_checks.behaviour.model import Meaning, Role
from tests.behaviour.made import claim, exchange, observed, task

FULL = {
    "command": ["python", "flow.py"],
    "provider": "crun",
    "resume": ["python", "flow.py", "--resume"],
    "jobs": 3,
    "verdict": {"succeeded": "^done", "unknown": "later"},
    "deadline": 600.5,
    "env": {"BASE": "{url}"},
}


def test_what_is_left_out_is_not_declared():
    assert declare({}) == Declaration()
    assert declare({}).resume_command is None


def test_again_is_the_same_command():
    assert declare({"command": ["a", "b"], "resume": "again"}).resume_command == ("a", "b")
    assert declare(FULL).resume_command == ("python", "flow.py", "--resume")


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"job": 1}, "job"),
        ({"jobs": 0}, "jobs"),
        ({"deadline": -1}, "deadline"),
        ({"provider": "facely"}, "provider"),
        ({"verdict": {"failed": "x"}}, "verdict"),
        ({"verdict": {"succeeded": "("}}, "verdict"),
        ({"env": {"A": 1}}, "env.A"),
        ({"command": "python flow.py"}, "command"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(values, place):
    with pytest.raises(BadDeclaration, match=place):
        declare(values)


def test_a_file_that_is_no_toml_is_told(tmp_path):
    path = tmp_path / "conform.toml"
    path.write_text("jobs = ")
    with pytest.raises(BadDeclaration, match=r"conform\.toml"):
        from_file(path)
    with pytest.raises(BadDeclaration, match="No such file"):
        from_file(tmp_path / "absent.toml")


def test_what_is_written_reads_the_same(tmp_path):
    path = tmp_path / "conform.toml"
    path.write_text(written(declare(FULL)))
    assert from_file(path) == declare(FULL)


def test_flags_win_and_nothing_is_lost():
    base = declare(FULL)
    assert base.with_flags(jobs=1, deadline=None).jobs == 1
    assert base.with_flags(jobs=None).jobs == 3
    assert base.with_flags(downloads=False).downloads is False


def test_a_draft_holds_what_was_seen_and_asks_for_the_rest(tmp_path):
    seen = [exchange(1, Role.CREATE, Meaning.ACCEPTED, task="a"), exchange(2, Role.MEDIA, Meaning.READ, size=5)]
    declared = Declaration(command=("python", "flow.py"))
    text = draft(
        observed("plain", declaration=declared, exchanges=seen, tasks=[task("a")], claims=[claim("succeeded")])
    )
    assert "# How is an interrupted run taken up?" in text
    path = tmp_path / "conform.toml"
    path.write_text(text)
    found = from_file(path)
    assert (found.jobs, found.downloads, found.callbacks, found.verdict) == (1, True, False, "claim")
    assert found.resume is None
