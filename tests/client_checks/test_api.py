"""`from swapmock import check`: typed results, cases for pytest, baselines, severities and repeat lines."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from swapmock import check
from swapmock.client_checks.api import CheckFailed, CheckReport
from swapmock.client_checks.conformance.baseline import apply, read_baseline
from swapmock.client_checks.conformance.command import check_target
from swapmock.client_checks.conformance.findings import Findings
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.mock_server.cli.command import cli
from tests.broken_servers import catalogue, running
from tests.conformance.test_live import checked, standing_in

FEW: dict[str, Any] = {"provider": "crun", "parts": ("flows",), "flows": ("account", "models")}


@pytest.fixture(scope="module")
def clean() -> CheckReport:
    return check("emulator", **FEW)


@pytest.fixture(scope="module")
def broken() -> CheckReport:
    with running(catalogue()["wrong_type"]) as url:
        return check(url, **FEW)


def test_a_clean_run(clean: CheckReport) -> None:
    clean.assert_clean()
    assert (clean.exit_code, clean.findings, clean.spent) == (0, [], 0)
    assert clean.coverage["crun"].percent()["operations"] > 0
    assert {case.status for case in clean.cases} == {"passed", "skipped"}
    for case in clean.cases:
        case.assert_passed()


def test_a_broken_server(broken: CheckReport) -> None:
    assert not broken.is_clean
    assert {finding.id for finding in broken.failing} == {"answer.schema", "credits.amount"}
    with pytest.raises(CheckFailed, match="answer outside its schema"):
        broken.assert_clean()
    failed = [case for case in broken.cases if case.status == "failed"]
    assert sorted(map(str, failed)) == [
        "crun.get_account_balance-answer.schema",
        "crun.get_account_balance-credits.amount",
    ]
    with pytest.raises(CheckFailed):
        failed[0].assert_passed()
    assert len({str(case) for case in broken.cases}) == len(broken.cases)


def test_options_are_checked() -> None:
    with pytest.raises(TypeError, match="no option 'provder'"):
        check("emulator", provder="crun")
    with pytest.raises(CannotRun, match="did you mean 'image multi'"):
        check("emulator", provider="crun", flows=("image mutli",))


def test_a_finding_has_the_calls_that_lead_to_it(broken: CheckReport) -> None:
    (result,) = broken.results
    (finding,) = (one for one in result.failing if one.id == "answer.schema")
    chain = [result.exchanges[number - 1] for number in finding.chain]
    assert chain[-1].number == finding.exchange
    assert {one.origin.partition(":")[0] for one in chain} == {finding.where}
    assert (
        finding.repeat
        == f"swapmock check {result.target.base_url} --provider crun --parts flows --flow account --seed 1"
    )


OWN = """\
- name: "mine: a balance"
  steps:
  - {call: get_account_balance}
"""


@pytest.mark.parametrize(
    ("name", "flow"),
    [
        ("disabled_key_reads", "refusal key disabled: list_models"),
        ("missing_called_unknown", "refusal ext missing: get_upload_url"),
        ("callback_never", "callback"),
        ("wrong_type", "mine: a balance"),
    ],
)
def test_a_repeat_repeats_its_row(tmp_path: Path, name: str, flow: str) -> None:
    own = tmp_path / "my flows.yaml"
    own.write_text(OWN, "utf-8")
    file = own if flow.startswith("mine") else None
    with running(catalogue()[name]) as url:
        report = check(url, provider="crun", parts=("flows",), flows=(flow,), flows_file=file)
        finding = next(one for one in report.failing if one.exchange)
        assert finding.chain[-1] == finding.exchange
        _, *words = shlex.split(finding.repeat)
        again = CliRunner().invoke(cli, words)
    assert again.exit_code == 1, again.output
    assert finding.id in again.output


@pytest.mark.needs("curl")
def test_a_repeat_makes_a_sandbox_of_its_own() -> None:
    """What a generated call shows is repeated by lines of a shell, with a key of a fresh sandbox."""
    given = {"provider": "crun", "parts": ("coverage",), "operations": ("get_account_balance",), "max_examples": 2}
    with running(catalogue()["wrong_type"]) as url:
        (result,) = check_target(url, given, {})
        finding = next(one for one in result.findings if one.id == "answer.schema")
        told = subprocess.run(["sh", "-c", finding.repeat], capture_output=True, text=True, timeout=60, check=False)
    answer = json.loads(told.stdout)
    assert answer["code"] == 200, told
    assert isinstance(answer["data"]["balance"], str)


def test_a_live_repeat_names_the_variable() -> None:
    catalogue_of_defects = catalogue()
    with standing_in(catalogue_of_defects["wrong_type"].answer) as service:
        result = checked(service, max_credits=0.0, flows=("account",))
    finding = next(one for one in result.findings if one.id == "answer.schema")
    lines = finding.repeat.splitlines()
    assert len(lines) == len(finding.chain)
    assert all('-H "x-api-key: $CRUN_API_KEY"' in line for line in lines)


# --- baselines and severities


def rows(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def judged(baseline: Path, **given: Any) -> CheckReport:
    with running(catalogue()["wrong_type"]) as url:
        return check(url, **FEW, baseline_file=baseline, **given)


def test_a_known_finding_does_not_fail(tmp_path: Path) -> None:
    path = rows(
        tmp_path / "known.yaml",
        "- {id: answer.schema, operation: get_account_balance, place: /data/balance, reason: the vendor knows, until: 2099-12-31}",
        "- {id: credits.amount, reason: the same, until: 2099-12-31}",
    )
    report = judged(path)
    assert report.exit_code == 0
    assert {finding.known for finding in report.findings} == {"the vendor knows", "the same"}


OVER = {
    "baseline.stale": "- {id: task.order, operation: get_task_info, reason: gone, until: 2099-12-31}",
    "baseline.expired": "- {id: answer.schema, reason: late, until: 2020-01-01}",
}


@pytest.mark.parametrize("rule", OVER)
def test_a_row_that_is_over_is_a_finding(tmp_path: Path, rule: str) -> None:
    findings = Findings()
    baseline = read_baseline(rows(tmp_path / "known.yaml", OVER[rule]))
    apply(findings, baseline, "crun", date(2026, 11, 28), is_narrowed=False)
    assert [finding.id for finding in findings] == [rule]


@pytest.mark.long
def test_rows_that_are_over_fail_a_whole_run(tmp_path: Path) -> None:
    given = {"provider": "crun", "parts": ("flows", "examples", "coverage", "fuzzing", "stateful"), "max_examples": 1}
    path = rows(tmp_path / "known.yaml", *OVER.values())
    (result,) = check_target("emulator", {**given, "baseline_file": path}, {})
    assert {finding.id for finding in result.failing} == set(OVER)


def test_a_narrowed_run_calls_nothing_stale(tmp_path: Path) -> None:
    row = "- {id: task.order, operation: get_task_info, reason: gone, until: 2099-12-31}"
    assert check("emulator", **FEW, baseline_file=rows(tmp_path / "known.yaml", row)).is_clean


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- {id: x, reason: y}", ":1: until is missing"),
        ("- {id: x, until: 2099-01-01}", ":1: reason is missing"),
        ("- {id: x, reason: y, until: soon}", ":1: until should be a day"),
        ("\n- {id: x, reason: y, until: 2099-01-01, why: z}", ":2: 'why' is none of"),
        ("a: 1", "should be a list"),
        ("- [", "is not YAML"),
    ],
)
def test_a_mistake_in_a_baseline_is_told(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(CannotRun) as told:
        read_baseline(rows(tmp_path / "b.yaml", text))
    assert why in str(told.value)


def test_days_are_read(tmp_path: Path) -> None:
    (known,) = read_baseline(rows(tmp_path / "b.yaml", "- {id: x, reason: y, until: '2099-01-31'}"))
    assert (known.until, known.operation) == (date(2099, 1, 31), "*")


@pytest.mark.parametrize(("severity", "code"), [("warn", 0), ("ignore", 0), ("fail", 1)])
def test_severities(severity: str, code: int) -> None:
    with running(catalogue()["wrong_type"]) as url:
        report = check(url, **FEW, severities={"answer.*": severity, "credits.amount": severity})
    assert report.exit_code == code
    assert (len(report.findings) == 0) == (severity == "ignore")
