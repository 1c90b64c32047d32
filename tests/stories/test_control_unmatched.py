"""A request outside every API: it is answered with the nearest operation, and the journal has it."""

import pytest
import requests

from tests.control import Admin


@pytest.fixture
def admin(server):
    return Admin(server.url)


@pytest.mark.parametrize(
    ("method", "path", "near"),
    [
        ("POST", "/job/CreateTask", "POST /api/v1/client/job/CreateTask (crun)"),
        ("POST", "/v1/client/job/CreateTask", "POST /api/v1/client/job/CreateTask (crun)"),
        ("POST", "/api/api/v1/client/job/CreateTask", "POST /api/v1/client/job/CreateTask (crun)"),
        ("GET", "/account/balance/", "GET /api/v1/client/account/balance (crun)"),
        ("GET", "/API/V1/Client/job/taskinfo", "GET /api/v1/client/job/TaskInfo (crun)"),
        ("POST", "/saas/tool/face/detection", "POST /AIGCImgOpenServ/saas/tool/face/detection (imgopen)"),
        ("GET", "/job/CreateTask", "POST /api/v1/client/job/CreateTask (crun)"),
    ],
)
def test_the_nearest_operation_is_named(admin, method, path, near):
    answer = requests.request(method, admin.url + path, json={"a": 1} if method == "POST" else None, timeout=10)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"nearest: {near}, at {admin.url}" in answer.json()["detail"]
    (seen,) = admin.ok("GET", "/requests", unmatched=1)["requests"]
    assert (seen["method"], seen["target"], seen["operation"], seen["unmatched"]) == (method, path, None, True)
    why = admin.ok("GET", f"/sandboxes/default/why/{seen['id']}")
    assert f"{method} {path}" in why["summary"]
    assert near.partition(" (")[0] in why["nearest_operation"]


def test_a_path_that_is_near_to_nothing(admin):
    answer = requests.get(f"{admin.url}/zzz", timeout=10)
    assert answer.status_code == 404
    assert "paths begin with /api/v1/client/ (crun)" in answer.json()["detail"].replace(
        "/api/v1/client (", "/api/v1/client/ ("
    )
    assert admin.ok("GET", "/requests", unmatched=1)["total"] == 1


def test_what_is_served_outside_the_apis_is_not_unmatched(admin):
    for path in ("/", "/health", "/media/0/0.png", "/u/nothing.png"):
        requests.get(admin.url + path, timeout=10)
    assert admin.ok("GET", "/requests", unmatched=1)["total"] == 0


def test_the_journal_keeps_the_body_and_masks_the_key(admin):
    requests.post(
        f"{admin.url}/job/CreateTask", json={"model": "z"}, headers={"x-api-key": "ak_1234567890abcdef"}, timeout=10
    )
    (seen,) = admin.ok("GET", "/requests", unmatched=1)["requests"]
    assert seen["request"]["body"] == {"model": "z"}
    assert "1234567890" not in str(seen)
    saved = admin.ok("GET", "/sandboxes/default/snapshot")
    admin.ok("POST", "/sandboxes/default/restore", saved)
