"""Counts of the process, as Prometheus reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from swapmock.mock_server.adapters.clock import ManualTime
from tests.conftest import CrunClient
from tests.control import Box


def samples(crun: CrunClient) -> dict[tuple[str, ...], float]:
    """`{(name, label values in order of their names): value}`."""
    import requests

    answer = requests.get(f"{crun.base_url}/__admin/metrics", timeout=10)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def test_answers_are_counted_by_operation_and_body_code(crun: CrunClient) -> None:
    crun.balance()
    crun.balance()
    crun.refused("GET", "job/TaskInfo", params={"task_id": "none"})
    crun.refused("GET", "no/such/path")
    found = samples(crun)
    assert found["swapmock_requests_total", "200", "get_account_balance", "crun"] == 2
    assert found["swapmock_requests_total", "404", "get_task_info", "crun"] == 1
    assert found["swapmock_requests_total", "404", "unmatched", "crun"] == 1
    assert found["swapmock_request_seconds_count", "get_account_balance", "crun"] == 2
    assert found["swapmock_sandboxes",] == 2


def test_tasks_are_counted_by_phase(crun: CrunClient, time: ManualTime) -> None:
    crun.detect("https://example.com/a.png")
    crun.detect("https://errors.invalid/fails.png")
    assert samples(crun)["swapmock_tasks", "detection", "queued", "crun"] == 2
    time.advance(0.5)
    assert samples(crun)["swapmock_tasks", "detection", "running", "crun"] == 2
    time.advance(60)
    found = samples(crun)
    assert found["swapmock_tasks", "detection", "queued", "crun"] == 0
    assert found["swapmock_tasks", "detection", "running", "crun"] == 0
    assert found["swapmock_tasks", "detection", "succeeded", "crun"] == 1
    assert found["swapmock_tasks", "detection", "failed", "crun"] == 1


@pytest.mark.parametrize("moved", [0.0, 0.6, 60.0])
def test_a_restored_sandbox_counts_its_tasks_again(crun: CrunClient, time: ManualTime, moved: float) -> None:
    import requests

    crun.detect("https://example.com/a.png")
    crun.detect("https://errors.invalid/stuck.png")
    time.advance(moved)
    before = {key: value for key, value in samples(crun).items() if key[0] == "swapmock_tasks" and value}
    path = f"{crun.base_url}/__admin/sandboxes/default"
    saved = requests.get(f"{path}/snapshot", timeout=10).json()
    requests.post(f"{path}/reset", timeout=10)
    assert not any(value for key, value in samples(crun).items() if key[0] == "swapmock_tasks")
    assert requests.post(f"{path}/restore", json=saved, timeout=10).status_code == 200
    assert {key: value for key, value in samples(crun).items() if key[0] == "swapmock_tasks" and value} == before


def test_attempts_to_call_back_are_counted_whatever_sends_them(crun: CrunClient, box: Box) -> None:
    """A clock that is moved, and a delivery that is sent again by hand."""
    box.swapped(callback_url="http://127.0.0.1:9/nobody")
    box.advance(until="idle")
    box.ok("POST", "/deliveries/d1/redeliver")
    found = samples(crun)
    assert found["swapmock_deliveries_total", "pending", "crun"] == 3
    assert found["swapmock_deliveries_total", "dead", "crun"] == 2
