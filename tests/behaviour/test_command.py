"""`swapmock conform` from its command line: exit codes, files, messages."""

import json
import logging
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from swapmock.mock_server.cli.command import cli

CLIENT = """
    import json, os, sys, time, urllib.request

    def call(path, body=None):
        data = json.dumps(body).encode() if body else None
        headers = {"x-api-key": os.environ["MY_KEY"], "content-type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(os.environ["MY_BASE"] + path, data, headers), timeout=20) as answer:
            return json.load(answer)["data"]

    JOB = "/api/v1/client/job"
    for attempt in range(2):
        try:
            body = {"model": "z-image", "input": {"prompt": "a harbour"}}
            task = call(f"{JOB}/CreateTask", body)["task_id"]
            break
        except OSError:
            if not RETRY:
                sys.exit("no answer")
    while True:
        told = call(f"{JOB}/TaskInfo?task_id={task}")
        if told["status"] in ("success", "failed"):
            break
        time.sleep(2)
    print(json.dumps({"swapmock_outcome": "succeeded" if told["status"] == "success" else "failed"}))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a client that is careful or sends its submission again."""
    for name, retry in (("careful", False), ("hasty", True)):
        text = textwrap.dedent(CLIENT).replace("RETRY", str(retry))
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def conform(*words, client="careful"):
    flags = ["--env", "MY_BASE={url}", "--env", "MY_KEY={key}", "--jobs", "1", *words]
    return CliRunner().invoke(cli, ["conform", *flags, "--", sys.executable, f"{client}.py"])


def test_the_log_is_as_loud_after_it_as_before(project):
    before = logging.getLogger("swapmock").level
    assert conform("--case", "plain").exit_code == 0
    assert conform("--case", "no_such_case").exit_code != 0
    assert logging.getLogger("swapmock").level == before


def test_a_clean_client_and_its_reports(project):
    reports = [
        "--json",
        "o.json",
        "--junit",
        "o.xml",
        "--html",
        "o.html",
        "--sarif",
        "o.sarif",
        "--github-summary",
        "o.md",
    ]
    done = conform("--case", "plain", "--case", "create_reset_after", *reports)
    assert (done.exit_code, "0 rules failed" in done.output) == (0, True), done.output
    document = json.loads((project / "o.json").read_text())
    assert {(one["rule"], one["verdict"]) for one in document["verdicts"]} >= {
        ("P1", "pass"),
        ("P2", "pass"),
        ("K1", "pass"),
    }
    assert [one["case"] for one in document["providers"][0]["cases"]] == ["plain", "create_reset_after"]
    assert all((project / name).stat().st_size for name in ("o.xml", "o.html", "o.sarif", "o.md"))


def test_a_client_with_the_vendors_address_built_in_is_intercepted_from_its_first_request(project):
    text = (project / "hasty.py").read_text().replace('os.environ["MY_BASE"]', '"https://api.crun.ai"')
    (project / "hasty.py").write_text(text)
    done = conform("--case", "create_reset_after", client="hasty")
    assert "behind the intercepting proxy" in done.output
    assert "FAIL P1 (must)" in done.output
    assert "behind the intercepting proxy" not in conform("--case", "plain").output


def test_money_that_is_paid_twice_is_a_finding(project):
    done = conform("--case", "create_reset_after", client="hasty")
    assert done.exit_code == 1
    assert "1.5  credits paid twice" in done.output
    assert "FAIL P1 (must)" in done.output
    assert "repeat: swapmock conform --provider crun --case create_reset_after" in done.output


@pytest.mark.parametrize("name", ["declaration", "cases", "known", "report"])
def test_the_schema_of_each_file_is_printed_with_its_version(name):
    done = CliRunner().invoke(cli, ["conform", "--schema", name])
    assert json.loads(done.output)["$id"].endswith(":1")


def test_a_report_on_stdout_stands_there_alone(project):
    done = conform("--case", "plain", "--json", "-")
    assert json.loads(done.stdout)["exit"] == 0
    assert "0 rules failed" in done.stderr
    assert "1 scaled" in done.stderr or "1 in real time" in done.stderr, (
        "the plan tells how many cases run in which time"
    )


def test_patterns_and_statuses_by_flags_tell_the_outcome(project):
    flags = ["--pattern", 'succeeded="succeeded"', "--exit-unknown", "75", "--exit-unknown", "3", "--json", "-"]
    document = json.loads(conform("--case", "task_fails", *flags).stdout)
    assert ("E2", "pass") in {(one["rule"], one["verdict"]) for one in document["verdicts"]}


def test_a_known_failure_and_a_requirement(project):
    (project / "known.yaml").write_text(
        "- {rule: P1, reason: ticket, until: 2999-01-01}\n- {rule: P2, reason: ticket, until: 2999-01-01}\n"
    )
    done = conform("--case", "create_reset_after", "--known", "known.yaml", client="hasty")
    assert done.exit_code == 0, done.output
    done = conform("--case", "create_reset_after", "--known", "known.yaml", "--require", "E2", client="hasty")
    assert done.exit_code == 3
    assert "required and not exercised: E2" in done.output


def test_a_file_of_cases(project):
    (project / "mine.yaml").write_text(
        "- {name: mine, about: busy, faults: [{role: [create], effect: {connection: reset}, times: 1}]}\n"
    )
    done = conform("--case-file", "mine.yaml", client="hasty")
    assert done.exit_code == 1
    assert "in mine [" in done.output


def test_a_draft(project):
    done = conform("--draft")
    assert done.exit_code == 0, done.output
    assert 'verdict = "claim"' in (project / "conform.toml").read_text()
    again = CliRunner().invoke(cli, ["conform", "--case", "create_reset_after"])
    assert again.exit_code == 0, again.output


def test_variation_names_the_accident(project):
    text = (project / "careful.py").read_text().replace("json.load(answer)", "parse(answer.read())")
    parse = 'def parse(raw):\n    if b\'"code":200\' not in raw:\n        sys.exit("no success")\n    return json.loads(raw)\n'
    (project / "careful.py").write_text(text.replace("\ndef call", f"\n{parse}\ndef call", 1))
    done = conform("--vary", "7")
    assert "relied on an accident (whitespace)" in done.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--case", "nope", "--", "x"], "no case 'nope'"),
        (["--rules", "1999.1", "--", "x"], "no set of rules"),
        ([], "name the command after --"),
        (["--", "./no-such-program"], "no such program"),
        (["--", sys.executable, "-c", "print('hello')"], "no request to a vendor's API arrived"),
        (["--require", "P99", "--", "x"], "no rule or level 'P99'"),
        (["--pattern", "succeeded=(", "--", "x"], "is no regular expression"),
        (["--pattern", "done=x", "--", "x"], "verdict"),
        (["--explore", "--budget", "soon", "--", sys.executable, "careful.py"], "--budget is a time like 60s"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_exit_code_2(project, words, text):
    done = CliRunner().invoke(cli, ["conform", "--env", "MY_BASE={url}", "--env", "MY_KEY={key}", *words])
    assert done.exit_code == 2, done.output
    assert text in done.output
    assert "Traceback" not in done.output


def test_flags_are_repeated_in_the_command_for_one_case(project):
    from swapmock.client_checks.behaviour.flags import repeated_flags

    options = dict.fromkeys(
        (
            "time",
            "env",
            "claim",
            "jobs",
            "deadline",
            "resume",
            "smallest_timeout",
            "downloads",
            "callbacks",
            "effects",
            "faces",
        )
    )
    options |= {
        "seed": 1,
        "cwd": "copy",
        "declaration_file": Path("c.toml"),
        "vary": 3,
        "case_file": None,
        "time": "auto",
    }
    options |= {"env": {"A": "{url}"}, "deadline": 60.0, "downloads": False}
    flags = (
        "--env",
        "A={url}",
        "--deadline",
        "60",
        "--no-downloads",
        "--seed",
        "1",
        "--declaration",
        "c.toml",
        "--vary",
        "3",
    )
    assert repeated_flags(options) == flags
