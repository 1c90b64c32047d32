"""The Makefile's commands for tests: together they run every test, none twice, and CI runs what `make help` says of it."""

import re
from itertools import product
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
CI = (ROOT / ".ci" / "run").read_text("utf-8")

#: Command -> the expression of markers by which it chooses its tests.
CHOSEN = dict(re.findall(r"^(test[a-z-]*):.*\n\t.* -m (?:'([^']+)'|\w+) ", MAKEFILE, flags=re.MULTILINE))
CHOSEN["test-slow"] = "slow"

#: The targets that CI makes. What fails of the tests is run `again`.
RUN_BY_CI = re.compile(r"^make (\S+)(?: \|\| again \1)?$", flags=re.MULTILINE)


def test_there_are_three_commands():
    assert list(CHOSEN) == ["test", "test-long", "test-slow"]
    assert re.search(r"^test-slow:.*\n\t.* -m slow ", MAKEFILE, flags=re.MULTILINE)


@pytest.mark.parametrize(("is_long", "is_slow"), list(product([False, True], repeat=2)))
def test_every_test_is_run_by_one_of_them(is_long, is_slow):
    marks = {"long": is_long, "slow": is_slow}
    running = [
        name for name, text in CHOSEN.items() if Expression.compile(text).evaluate(lambda mark, /, **_: marks[mark])
    ]
    assert len(running) == 1


def test_ci_runs_the_quick_and_the_long_ones():
    commands = RUN_BY_CI.findall(CI)
    assert commands == ["check-static", "dist", "edges", "test", "test-long", "tools"]


def test_the_guide_for_contributors_names_what_ci_runs():
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (line,) = (line for line in guide.splitlines() if line.startswith("CI (`.ci/run`) runs"))
    assert re.findall(r"`make (\S+)`", line) == RUN_BY_CI.findall(CI)
    for name in CHOSEN:
        assert f"| `make {name}` |" in guide
