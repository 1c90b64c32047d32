"""Each broken server is found and named, by the findings that belong to its defect and by no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib import import_module

import pytest
import requests

from swapmock.client_checks.conformance.command import check_target
from swapmock.client_checks.conformance.context import all_checks
from swapmock.client_checks.conformance.findings import Finding
from swapmock.client_checks.conformance.generated import STOCK
from swapmock.client_checks.conformance.rules import Rule
from tests.broken_servers import Defect, catalogue, running
from tests.broken_servers.harmless_media import SERVERS
from tests.broken_servers.rows import GROUPS, server
from tests.broken_servers.shown import SHOWN, findings

pytestmark = pytest.mark.early

#: Findings that no broken emulator shows: what only a live target has, a run without a success, a mistake of the tool.
ELSEWHERE = {
    "paid.ambiguous", "run.empty", "run.partial", "run.aborted", "baseline.stale", "baseline.expired", "generated.error",
}  # fmt: skip

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
    """By the flows and refusals in which it shows; by a whole check if there are none."""
    found = findings(one, SHOWN.get(one.name, ()))
    assert {x.id for x in found} == one.finds, as_rows(found)
    assert all(finding.curl for finding in found if finding.id in all_checks())


@pytest.mark.parametrize("group", GROUPS)
def test_each_small_defect_of_a_server_is_named(group: str) -> None:
    provider, rows = GROUPS[group]
    with running(server(group)) as url:
        (result,) = check_target(url, {"provider": provider, "parts": ("flows",)}, {})
    found = [(finding.id, finding.place) for finding in result.findings]
    missed = [row.about for row in rows if not any(id == row.finds and row.place in place for id, place in found)]
    assert missed == [], found


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(one, marks=pytest.mark.long if one.name in COVERING else pytest.mark.slow)
        for one in catalogue().values()
        if one.name in SHOWN
    ],
    ids=lambda one: one.name,
)
def test_a_whole_check_finds_nothing_else(one: Defect) -> None:
    found = findings(one)
    assert {x.id for x in found} == one.finds, as_rows(found)


def as_rows(found: Iterable[Finding]) -> list[tuple[str, ...]]:
    return [(x.id, x.operation, x.place, x.expected, x.got) for x in found]


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(one, marks=() if number % 8 == 0 else pytest.mark.long)
        for number, one in enumerate(SERVERS.values())
    ],
    ids=lambda one: one.name,
)
def test_what_the_contract_leaves_open_is_clean(one: Defect) -> None:
    with running(one) as url:
        (result,) = check_target(url, {"provider": one.provider, "parts": ("flows",)}, {})
    assert as_rows(result.findings) == []
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
