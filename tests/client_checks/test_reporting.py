"""Runs of the checks are reported to an emulator, and a report that is not taken is no failure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from swapmock import Emulator
from swapmock.client_checks.report.page import inspector_link
from swapmock.client_checks.reporting import report_run
from swapmock.mock_server.cli.command import cli

REPORT: dict[str, Any] = {"exit_code": 0, "targets": []}


@pytest.fixture(scope="module")
def guarded() -> Any:
    with Emulator(admin_token="s3cret") as emulator:
        yield emulator


@pytest.mark.parametrize("suffix", ["", "/", "/__admin", "/__admin/"])
def test_a_report_is_posted_and_its_page_told(guarded: Emulator, suffix: str) -> None:
    said: list[str] = []
    environment = {"SWAPMOCK_ADMIN_TOKEN": "s3cret"}
    page = report_run("check", REPORT, guarded.url + suffix, None, environment, said.append)
    (run, *_) = guarded.runs()
    assert page == run["url"]
    assert said == [f"inspector: {run['url']}"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nowhere", "ftp://x", "http://[", None])
def test_a_report_that_is_not_taken_is_told(url: str | None) -> None:
    said: list[str] = []
    assert report_run("conform", REPORT, url, None, {}, said.append) == ""
    assert len(said) == (url is not None)
    assert all("was not taken" in line for line in said)


def test_without_the_token_it_is_told(guarded: Emulator) -> None:
    said: list[str] = []
    report_run("check", REPORT, guarded.url, None, {}, said.append)
    assert "401" in said[0]


def test_an_emulator_of_the_run_gets_it_too_unless_it_is_too_large() -> None:
    with Emulator() as own:
        report_run("conform", REPORT, None, own, {}, print)
        report_run("conform", {"x": "y" * (1 << 22)}, None, own, {}, print)
        assert len(own.runs()) == 1


def test_check_reports_its_run(guarded: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SWAPMOCK_ADMIN_TOKEN", "s3cret")
    words = ["check", "emulator", "--provider", "crun", "--parts", "examples", "--operation", "get_account_balance"]
    done = CliRunner().invoke(cli, [*words, "--inspector", guarded.url, "--html", str(tmp_path / "report.html")])
    run = guarded.runs()[0]
    assert f"inspector: {run['url']}" in done.output.replace("\n", " "), done.output
    assert guarded.ask("GET", f"/runs/{run['id']}")["report"]["format"] == "swapmock-check/1"
    assert f'<a href="{run["url"]}">' in (tmp_path / "report.html").read_text()


def test_conform_reports_its_run(guarded: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWAPMOCK_ADMIN_TOKEN", "s3cret")
    monkeypatch.setenv("SWAPMOCK_INSPECTOR", guarded.url)
    client = "import os, urllib.request as u; u.urlopen(u.Request(os.environ['B'] + '/api/v1/client/account/balance', headers={'x-api-key': os.environ['K']}))"
    flags = [
        "--env",
        "B={url}",
        "--env",
        "K={key}",
        "--provider",
        "crun",
        "--case",
        "plain",
        "--jobs",
        "1",
        "--html",
        "out.html",
    ]
    done = CliRunner().invoke(cli, ["conform", *flags, "--", sys.executable, "-c", client])
    run = guarded.runs()[0]
    assert f"inspector: {run['url']}" in done.output, done.output
    assert guarded.ask("GET", f"/runs/{run['id']}")["report"]["format"] == "swapmock-conform/1"
    assert f'<a href="{run["url"]}">' in Path("out.html").read_text()


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "data:text/html,x"])
def test_a_page_links_to_web_addresses_only(url: str) -> None:
    assert inspector_link(url) == ""
    assert inspector_link('http://h/"><script>') == (
        '<p><a href="http://h/&quot;&gt;&lt;script&gt;">This run in the inspector</a></p>'
    )
