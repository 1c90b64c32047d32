"""Each broken server is found and named, by the findings that belong to its defect and by no others."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import requests

from swapmock.client_checks.conformance.command import check_target
from swapmock.client_checks.conformance.context import all_checks
from swapmock.client_checks.conformance.generated import STOCK
from swapmock.client_checks.conformance.rules import Rule
from tests.broken_servers import Defect, catalogue, running
from tests.broken_servers.harmless_media import SERVERS

pytestmark = pytest.mark.early

#: Findings that no broken emulator shows: what only a live target has, a run without a success, a mistake of the tool.
ELSEWHERE = {
    "paid.ambiguous", "run.empty", "run.partial", "run.aborted", "baseline.stale", "baseline.expired", "generated.error",
}  # fmt: skip

#: What a broken flow brings about, whatever broke it.
CONSEQUENCES = {"run.partial"}

#: The modules whose rules are no checks of single answers.
WITH_RULES = ("swapmock.client_checks.conformance.rules",)


def covering() -> set[str]:
    """The names of few broken servers that together have every finding that any has."""
    missing = {finding for one in catalogue().values() for finding in one.finds}
    chosen: set[str] = set()
    while missing:
        most = max(catalogue().values(), key=lambda one: (len(one.finds & missing), -len(one.finds)))
        chosen.add(most.name)
        missing -= most.finds
    return chosen


COVERING = covering()


@pytest.mark.parametrize(
    "one",
    [pytest.param(one, marks=() if one.name in COVERING else pytest.mark.long) for one in catalogue().values()],
    ids=lambda one: one.name,
)
def test_defect_is_found(one: Defect) -> None:
    given = {"provider": one.provider, "parts": one.parts, "operations": one.operations, "max_examples": 3}
    with running(one) as url:
        (result,) = check_target(url, given, {})
    # What was left out on purpose here says nothing about the defect.
    found = {finding.id for finding in result.findings if "left out" not in finding.got} - CONSEQUENCES
    assert found == one.finds, [(f.id, f.operation, f.place, f.expected, f.got) for f in result.findings]
    assert all(finding.curl for finding in result.findings if finding.id in all_checks())


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(one, marks=() if number % 4 == 0 else pytest.mark.long)
        for number, one in enumerate(SERVERS.values())
    ],
    ids=lambda one: one.name,
)
def test_what_the_contract_leaves_open_is_clean(one: Defect) -> None:
    with running(one) as url:
        (result,) = check_target(url, {"provider": one.provider, "parts": ("flows",)}, {})
    assert [(f.id, f.operation, f.place, f.expected, f.got) for f in result.findings] == []
    assert result.exit_code == 0


def test_every_check_can_fail() -> None:
    rules = {rule.id for name in WITH_RULES for rule in vars(import_module(name)).values() if isinstance(rule, Rule)}
    known = rules | all_checks().keys() | {rule.id for rule in STOCK.values()}
    assert known - ELSEWHERE == {name for one in catalogue().values() for name in one.finds}


def test_one_is_startable_by_hand() -> None:
    command = [sys.executable, "-m", "tests.broken_servers", "code_as_text", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("Listening on ").strip()
        answer = requests.get(f"{url}/api/v1/client/account/balance", timeout=10)
        process.terminate()
    assert answer.json()["code"] == "401"


def test_the_list_names_each() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.broken_servers"], capture_output=True, text=True, check=True
    ).stdout
    assert all(one.name in told and one.about in told for one in catalogue().values())
