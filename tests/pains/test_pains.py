"""The ten pains: what each client costs, by the ledger, and what the command prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from swapmock import Emulator
from swapmock.client_checks.pains.command import COUNT, pain
from swapmock.client_checks.pains.model import MODULES, load, play

ROOT = Path(__file__).resolve().parents[2]

FIELDS = ("credits", "returned", "tasks", "requests", "refused", "saved", "broken", "told_done", "user_paid")
#: Number -> the cost of the careless client and of the careful one, in the order of FIELDS.
COSTS = {
    1: ((6, 0, 2, 5, 0, 1, 0, 1, 5), (3, 0, 1, 4, 0, 1, 0, 1, 5)),
    2: ((9, 0, 3, 21, 0, 0, 0, 0, 0), (3, 0, 1, 2, 0, 1, 0, 1, 5)),
    3: ((0, 3, 0, 721, 0, 0, 0, 0, 0), (0, 3, 0, 4, 0, 0, 0, 0, 0)),
    4: ((3, 0, 1, 6, 0, 0, 0, 1, 5), (3, 0, 1, 7, 0, 1, 0, 1, 5)),
    5: ((0, 3, 0, 4, 0, 0, 0, 0, 5), (0, 3, 0, 4, 0, 0, 0, 0, 0)),
    6: ((6, 0, 2, 8, 0, 1, 1, 1, 5), (3, 0, 1, 4, 0, 1, 0, 1, 5)),
    7: ((3, 0, 1, 1, 0, 0, 0, 0, 0), (3, 0, 1, 2, 0, 1, 0, 1, 5)),
    8: ((3, 0, 1, 1, 0, 2, 0, 2, 10), (3, 0, 1, 2, 0, 1, 0, 1, 5)),
    9: ((6, 0, 2, 6, 0, 1, 0, 1, 5), (3, 0, 1, 4, 0, 1, 0, 1, 5)),
    10: ((6, 0, 2, 75, 73, 0, 0, 0, 0), (6, 0, 2, 3, 1, 0, 0, 0, 0)),
}


@pytest.fixture(scope="module")
def emulator():
    with Emulator(journal_size=5000) as emulator:
        yield emulator


@pytest.mark.parametrize("number", COSTS)
def test_what_it_costs(emulator, number):
    result = play(number, emulator)
    for played, cost in zip((result.careless, result.careful), COSTS[number], strict=True):
        assert {name: getattr(played.cost, name) for name in FIELDS} == dict(zip(FIELDS, cost, strict=True))
        taken = sum(entry["amount"] for entry in played.entries if entry["move"] == "settle")
        assert taken == played.cost.credits
    assert [sandbox.id for sandbox in emulator.sandboxes()] == ["default", "other"], "both sandboxes are deleted"


def test_there_are_ten_and_each_names_rules_that_exist():
    assert len(MODULES) == COUNT == len(COSTS) == 10
    for number in COSTS:
        assert all((ROOT / "docs" / "rules" / f"{rule}.md").is_file() for rule in load(number).RULES)


def test_the_command_shows_set_up_client_and_cost():
    done = CliRunner().invoke(pain, ["1", "5..6"])
    assert done.exit_code == 0, done.output
    for text in (
        "1. An order whose answer is lost",
        "set-up: The connection breaks after the vendor has made the task",
        "def careless(worker: Worker) -> None:",
        "what it cost: 6 credits in place of 3.",
        "credits taken by the vendor                      6         3",
        "2026-01-01 00:00:02  reserve      3",
        "what it cost: the end user paid 5 in place of 0.",
        "what it cost: 6 credits in place of 3; an error page was saved as a picture.",
    ):
        assert text in done.output
    assert "2. " not in done.output


def test_json_is_one_document():
    (first, second) = json.loads(CliRunner().invoke(pain, ["9", "4", "--json"]).output)
    assert (first["number"], first["wasted_credits"], first["careless"]["cost"]["tasks"]) == (9, 3, 2)
    assert [entry["move"] for entry in first["careful"]["ledger"]] == ["grant", "reserve", "settle"]
    assert second["careless"]["cost"]["told_done"] == 1
    assert "worker.done()" in second["careless"]["source"]
    assert len(json.loads(CliRunner().invoke(pain, ["--json"]).output)) == 10


def test_without_a_number_it_lists_them():
    lines = CliRunner().invoke(pain, []).output.splitlines()
    assert [line.split()[0] for line in lines[:10]] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("text", ["0", "11", "3..1", "1..11", "one", "-1", "", "1.5", "١"])
def test_another_number_is_a_usage_error(text):
    done = CliRunner().invoke(pain, ["--", text])
    assert done.exit_code == 2
    assert "is no number from 1 to 10" in done.output


def test_it_needs_no_extra():
    code = """
import sys
from swapmock.client_checks.pains.model import play_all
assert [result.number for result in play_all([5])] == [5]
extras = {"rich", "pytest", "pytest_httpserver", "schemathesis", "hypothesis", "mcp", "testcontainers"}
sys.exit(", ".join(sorted(extras & set(sys.modules))) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
