"""Proof of a fix on two worktrees, and a client that its user starts."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import requests

from swapmock import Emulator
from swapmock.client_checks.behaviour.attach import attach
from swapmock.client_checks.behaviour.command import conform
from swapmock.client_checks.behaviour.declaration import Declaration
from swapmock.client_checks.behaviour.prove import watched
from swapmock.client_checks.behaviour.rule import all_rules
from swapmock.client_checks.behaviour.runner import Bench
from swapmock.client_checks.behaviour.trial import PLAIN
from swapmock.client_checks.clock import RealClock

CLIENT = """
    import json, os, sys, time, urllib.request
    from retries import RETRIES

    def call(path, body=None):
        data = json.dumps(body).encode() if body else None
        headers = {"x-api-key": os.environ["CRUN_API_KEY"], "content-type": "application/json"}
        request = urllib.request.Request(os.environ["SWAPMOCK_URL"] + path, data, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["data"]

    JOB = "/api/v1/client/job"
    for attempt in range(RETRIES):
        try:
            task = call(f"{JOB}/CreateTask", {"model": "z-image", "input": {"prompt": "a harbour"}})["task_id"]
            break
        except OSError:
            if attempt == RETRIES - 1:
                sys.exit("no answer")
    while call(f"{JOB}/TaskInfo?task_id={task}")["status"] != "success":
        time.sleep(2)
"""
OPTIONS: dict = {
    **dict.fromkeys(
        ("claim", "deadline", "resume", "smallest_timeout", "downloads", "callbacks", "uploads", "effects", "faces")
    ),
    **dict.fromkeys(
        ("case_file", "case_timeout", "vary", "known", "json_file", "junit_file", "html_file", "sarif_file")
    ),
    "provider": ("crun",),
    "declaration_file": None,
    "env": {},
    "jobs": 1,
    "time": "auto",
    "cwd": None,
    "link": (),
    "case": ("create_reset_after",),
    "at_once": 2,
    "rules": "2026.12",
    "require": (),
    "fail_on": "must",
    "seed": 1,
    "explore": False,
    "budget": "60s",
    "prove": "HEAD",
    "setup": None,
    "attach": False,
    "idle": 1.0,
    "draft": False,
    "github_summary": None,
}


def git(folder, *words):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=folder, check=True, capture_output=True
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository whose last commit sends a lost submission again."""
    (tmp_path / "client.py").write_text(textwrap.dedent(CLIENT))
    (tmp_path / "retries.py").write_text("RETRIES = 2\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def proven(*command, **options):
    told: list[str] = []
    code = conform(command or (sys.executable, "client.py"), {**OPTIONS, **options}, told.append)
    return code, told


def test_a_fix_is_proven(project):
    (project / "retries.py").write_text("RETRIES = 1\n")
    code, told = proven()
    assert told == ["fixed: crun P1 in create_reset_after", "fixed: crun P2 in create_reset_after"]
    assert code == 0
    assert (
        subprocess.run(["git", "worktree", "list"], cwd=project, capture_output=True, text=True).stdout.count("\n") == 1
    )


def test_nothing_changed_is_no_proof(project):
    code, told = proven()
    assert told == ["still failing: crun P1 in create_reset_after", "still failing: crun P2 in create_reset_after"]
    assert code == 1


def test_code_from_outside_the_worktree_proves_nothing(project):
    (project / "retries.py").write_text("RETRIES = 1\n")
    code, told = proven(sys.executable, str(project / "client.py"))
    assert code == 1
    assert told
    assert all("unproven" in line and "outside its worktree" in line for line in told)


def test_setup_runs_in_both_trees_and_its_failure_is_told(project):
    from swapmock.client_checks.behaviour.command import CannotRun

    with pytest.raises(CannotRun, match="--setup ended with 3"):
        proven(setup="exit 3")


def test_a_file_that_is_read_is_seen(tmp_path):
    (tmp_path / "read.py").write_text("1")
    (tmp_path / "unread.py").write_text("2")
    with watched(tmp_path) as seen:
        assert seen() == []
        (tmp_path / "read.py").read_text()
        if not seen():
            pytest.skip("this file system keeps no access times")
        assert seen() == [str(tmp_path / "read.py")]


def test_a_client_that_runs_by_itself():
    told: list[str] = []
    with Emulator() as emulator:
        bench = Bench(emulator, Declaration(jobs=1), Path.cwd(), RealClock())

        def client():
            given = {}
            while "SWAPMOCK_URL" not in given or "CRUN_API_KEY" not in given:
                given = dict(line.removeprefix("export ").split("=", 1) for line in told)
            url, headers = given["SWAPMOCK_URL"], {"x-api-key": given["CRUN_API_KEY"]}
            body = {"model": "z-image", "input": {"prompt": "a harbour"}}
            requests.post(f"{url}/api/v1/client/job/CreateTask", json=body, headers=headers, timeout=10)
            requests.post(f"{url}/api/v1/client/job/CreateTask", json=body, headers=headers, timeout=10)

        thread = threading.Thread(target=client)
        thread.start()
        trial = attach(bench, PLAIN, "crun", list(all_rules().values()), told.append, 30.0, 1.0)
        thread.join()
    failing = {one.rule for one in trial.judgements if one.verdict.value == "fail"}
    assert failing == {"P2"}
