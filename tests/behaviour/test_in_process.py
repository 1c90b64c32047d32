"""`Sandbox.verdict()`: a client in the same process, on a clock that the test moves."""

import contextlib

import pytest
import requests

from swapmock import Emulator

BODY = {"model": "z-image", "input": {"prompt": "a harbour"}}


@pytest.fixture
def sandbox():
    with Emulator() as emulator, emulator.sandbox(clock="frozen") as sandbox:
        yield sandbox


def create(sandbox):
    url = f"{sandbox.base_url}/api/v1/client/job/CreateTask"
    with contextlib.suppress(requests.ConnectionError):
        return requests.post(url, json=BODY, headers=sandbox.headers(), timeout=10)


def poll(sandbox, task):
    url = f"{sandbox.base_url}/api/v1/client/job/TaskInfo"
    return requests.get(url, params={"task_id": task}, headers=sandbox.headers(), timeout=10).json()["data"]


def test_a_client_that_behaves(sandbox):
    task = create(sandbox).json()["data"]["task_id"]
    poll(sandbox, task)
    sandbox.advance(until="idle")
    poll(sandbox, task)
    verdict = sandbox.verdict(outcome="succeeded")
    assert verdict
    assert str(verdict) == "no rule is broken"


def test_a_submission_that_is_sent_again(sandbox):
    sandbox.add_fault({"connection": "reset"}, times=1)
    create(sandbox)
    create(sandbox)
    verdict = sandbox.verdict(outcome="succeeded")
    assert not verdict
    assert {one.rule for one in verdict.failures} == {"P1", "P2"}
    assert "fail P1: task" in str(verdict)


def test_a_failed_task_that_counts_as_done(sandbox):
    sandbox.queue("fails")
    task = create(sandbox).json()["data"]["task_id"]
    sandbox.advance(until="idle")
    poll(sandbox, task)
    assert [one.rule for one in sandbox.verdict(outcome="succeeded").failures] == ["E2"]
    assert sandbox.verdict(outcome="failed")


def test_the_rules_and_the_declaration_can_be_chosen(sandbox):
    create(sandbox)
    create(sandbox)
    assert [one.rule for one in sandbox.verdict(rules=["P2"]).failures] == ["P2"]
    assert sandbox.verdict(rules=["P2"], declaration={"jobs": 2})
