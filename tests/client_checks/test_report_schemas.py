"""Reports are valid by the schemas that their readers use.

JUnit: schemas/junit.xsd, after the one that Jenkins reads. CTRF: its published schema. SARIF: the part of 2.1.0 that we use.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import xmlschema

from swapmock.client_checks.api import check
from swapmock.client_checks.behaviour.reports import files as conform_files
from swapmock.client_checks.compat.change import Change, Party
from swapmock.client_checks.compat.source import read
from swapmock.client_checks.parity.compare import Difference
from swapmock.client_checks.report import differences as parity_reports
from swapmock.client_checks.report.changes import junit_of, sarif_of
from swapmock.client_checks.report.ctrf import ctrf
from swapmock.client_checks.report.differences import Compared
from swapmock.client_checks.report.junit import junit
from tests.behaviour.test_verdicts import PLAIN, TWICE, result
from tests.broken_servers import catalogue, running

SCHEMAS = Path(__file__).parent / "schemas"
ROOT = Path(__file__).resolve().parents[2]


def junit_errors(text):
    return [str(error.reason) for error in xmlschema.XMLSchema(SCHEMAS / "junit.xsd").iter_errors(text)]


def by(name, document):
    schema = json.loads((SCHEMAS / name).read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return [error.message for error in kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(document)]


@pytest.fixture(scope="module")
def results():
    """A run that has failures and passed cases."""
    with running(catalogue()["other_task"]) as url:
        report = check(url, provider="crun", parts=("flows",), flows=("account", "image single"))
    assert report.failing
    return report.results


def test_reports_of_check(results):
    text = junit(results)
    assert junit_errors(text) == []
    assert "<failure" in text
    document = ctrf(results)
    assert by("ctrf.schema.json", document) == []
    assert document["results"]["summary"]["tests"] == len(document["results"]["tests"]) > 0


def test_reports_of_conform():
    made = result(PLAIN, TWICE)
    assert junit_errors(conform_files.as_junit(made)) == []
    assert by("sarif.schema.json", json.loads(conform_files.as_sarif(made))) == []


def test_reports_of_compat():
    version = read(str(ROOT / "contracts" / "crun"), None)
    found = [
        Change("fields", "create_task body model", "it is gone", Party.WRITER),
        Change("fields", "create_task body model", "it is gone\x00 <again>", Party.READER),
        Change("callbacks", "method", "POST became PUT"),
    ]
    assert junit_errors(junit_of(found, found[:1])) == []
    assert by("sarif.schema.json", sarif_of(found, version, "contracts/crun")) == []


def test_reports_of_parity():
    lines = ("contracts/crun/openapi.yaml:14", "contracts/crun/behaviour.yaml:200")
    found = [
        Difference("shape", "account", "get_account_balance", "/data/balance", "string", "number", lines[0]),
        Difference("status", "account", "list_models", "", "HTTP 200\x00 <", "HTTP 503", lines[1]),
    ]
    compared = Compared(
        "crun", "emulator", "https://api.crun.ai", found, ["account", "models"], {"gif": "--max-credits 3 <"}, 1.8e9, 2.5,
        {"right": (12, 3.5)},
    )  # fmt: skip
    for one in (compared, replace(compared, differences=[]), replace(compared, flows=[], differences=[], left_out={})):
        assert junit_errors(parity_reports.junit_of(one)) == []
        assert by("ctrf.schema.json", parity_reports.ctrf_of(one)) == []
        assert by("sarif.schema.json", parity_reports.sarif_of(one)) == []
    text = parity_reports.junit_of(compared)
    assert (text.count("<testcase"), text.count("<failure"), text.count("<skipped")) == (3, 1, 1)
    assert parity_reports.ctrf_of(compared)["results"]["summary"]["failed"] == 1
    results = parity_reports.sarif_of(compared)["runs"][0]["results"]
    places = [one["locations"][0]["physicalLocation"] for one in results]
    assert [f"{one['artifactLocation']['uri']}:{one['region']['startLine']}" for one in places] == list(lines)
    page = parity_reports.page_of(compared)
    assert "/data/balance" in page
    assert "12 calls, 3.5 credits" in page
    assert "--max-credits 3 &lt;" in page
    assert not [word for word in ("<script", "<link", "<img", "src=", "url(") if word in page]
    assert (compared.exit_code, replace(compared, differences=[]).exit_code) == (1, 0)
    assert replace(compared, differences=[], unexpected=["gif"]).exit_code == 2


def test_the_schemas_can_fail():
    assert junit_errors(
        '<testsuites><testsuite name="a" tests="1" failures="0" errors="0"><testcase name="x"/></testsuite></testsuites>'
    )
    twice = '<testcase classname="c" name="x"/>' * 2
    assert junit_errors(f'<testsuite name="a" tests="2" failures="0" errors="0">{twice}</testsuite>')
    assert by("ctrf.schema.json", {"reportFormat": "CTRF"})
    assert by("sarif.schema.json", {"version": "2.1.0", "runs": [{"tool": {}}]})
