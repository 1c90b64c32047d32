"""Scenarios that are queued for the next tasks, and how they rank with magic values and the sandbox's own scenario."""

import pytest

from tests.control import PICTURE


def outcomes(box, count):
    tasks = [box.swapped() for _ in range(count)]
    box.advance(until="idle")
    return [box.info(task)["status"] for task in tasks]


def fuse(box, number=1):
    body = {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": str(number)}
    return box.imgopen("tool/face/fusion", body).json()


def test_fails_with_code_and_text(box):
    queued = box.ok("POST", "/scenarios", {"scenario": "fails", "code": 500, "text": "GPU on fire"})["queue"]
    assert [(row["scenario"], row["code"], row["message"]) for row in queued] == [("fails", 500, "GPU on fire")]
    task = box.swapped()
    box.advance(until="idle")
    ended = box.info(task)
    assert ended["status"] == "failed"
    assert ended["result"] == {"code": 500, "message": "GPU on fire"}
    assert box.ok("GET", "/scenarios") == {"queue": []}
    assert outcomes(box, 1) == ["success"]


def test_fails_at_the_other_vendor(box):
    box.ok("POST", "/scenarios", {"scenario": "fails", "provider": "imgopen", "code": "1003", "message": "not nice"})
    assert outcomes(box, 1) == ["success"]
    task = fuse(box)["data"]["taskId"]
    box.advance(until="idle")
    data = box.imgopen("tool/face/fusion/queryTask", {"businessTaskId": task}).json()["data"]
    assert (data["status"], data["errorMessage"]) == (4, "not nice")


def test_slow_and_stuck(box):
    box.ok("POST", "/scenarios", {"scenario": "slow"})
    box.ok("POST", "/scenarios", {"scenario": "stuck"})
    slow, stuck, usual = box.swapped(), box.swapped(), box.swapped()
    box.advance(by="59s")
    assert [box.info(task)["status"] for task in (slow, stuck, usual)] == ["running", "running", "success"]
    box.advance(by="30d")
    assert [box.info(task)["status"] for task in (slow, stuck, usual)] == ["success", "running", "success"]


@pytest.mark.parametrize("name", ["flaky then fine", "flaky_then_fine", "Flaky-Then-Fine"])
def test_flaky_then_fine(box, name):
    queued = box.ok("POST", "/scenarios", {"scenario": name})["queue"]
    assert [row["scenario"] for row in queued] == ["fails", "fails_500", "fine"]
    assert outcomes(box, 4) == ["failed", "failed", "success", "success"]


def test_for_tasks_of_a_kind_only(box):
    box.ok("POST", "/scenarios", {"scenario": "fails", "kind": "task", "provider": "crun"})
    box.ok("POST", "/scenarios", {"scenario": "fails", "kind": "tool"})
    box.ok("POST", "/scenarios", {"scenario": "fails", "operation": "detect_face_video"})
    box.ok("POST", "/scenarios", {"scenario": "fails", "model": "z-image"})
    made = box.crun("POST", "job/detect-face-image", {"image_url": PICTURE}).json()["data"]
    box.advance(until="idle")
    assert box.crun("GET", "job/detect-face-result", params=made).json()["data"]["status"] == "succeeded"
    assert len(box.ok("GET", "/scenarios")["queue"]) == 4
    assert outcomes(box, 2) == ["failed", "success"]
    assert fuse(box)["code"] == "200"
    assert [row["model"] for row in box.ok("GET", "/scenarios")["queue"]] == [None, "z-image"]


def test_a_refused_submission_uses_nothing_up(box):
    box.ok("POST", "/scenarios", {"scenario": "fails"})
    assert box.crun("POST", "job/CreateTask", {"model": "image-face-swap", "input": {}}).json()["code"] == 422
    assert box.crun("POST", "job/CreateTask", {"model": "none", "input": {}}).json()["code"] == 422
    box.ok("PATCH", "", {"balance": 0})
    assert box.swap().json()["code"] == 402
    box.ok("PATCH", "", {"balance": 10})
    box.ok("POST", "/faults", {"effect": {"code": 500}, "times": 1})
    assert box.swap().json()["code"] == 500
    assert box.crun("POST", "job/EstimateTask", {"model": "z-image", "input": {"prompt": "x"}}).status_code == 200
    assert len(box.ok("GET", "/scenarios")["queue"]) == 1
    assert outcomes(box, 2) == ["failed", "success"]


def test_many(box):
    made = box.ok("POST", "/scenarios", {"scenario": "fails", "times": 10_000})
    assert len(made["queue"]) == 10_000
    assert box.pointers("POST", "/scenarios", {"scenario": "fails", "times": 10_001}) == ["/times"]
    assert outcomes(box, 2) == ["failed", "failed"]
    assert box.ok("DELETE", "/scenarios") == {"cleared": {"queue": 9998}}
    assert outcomes(box, 1) == ["success"]


@pytest.mark.parametrize(
    ("order", "pointers"),
    [
        ({}, ["/scenario"]),
        ({"scenario": "perfect"}, ["/scenario"]),
        ({"scenario": 5}, ["/scenario"]),
        ({"scenario": "fails", "provider": "acme"}, ["/provider"]),
        ({"scenario": "fails", "kind": "taks"}, ["/kind"]),
        ({"scenario": "fails", "operation": "make"}, ["/operation"]),
        ({"scenario": "fails", "times": 0}, ["/times"]),
        ({"scenario": "slow", "code": 500}, ["/code"]),
        ({"scenario": "slow", "message": "x"}, ["/message"]),
        ({"scenario": "fails", "code": 999}, ["/code"]),
        ({"scenario": "fails", "colour": "red"}, ["/colour"]),
    ],
)
def test_bad_orders(box, order, pointers):
    assert box.pointers("POST", "/scenarios", order) == pointers
    assert box.ok("GET", "/scenarios") == {"queue": []}


def test_unknown_names_come_with_the_list(box, admin):
    for problem in (
        box.refused(400, "POST", "/scenarios", {"scenario": "perfect"}),
        admin.refused(400, "POST", "/sandboxes", {"scenario": "perfect"}),
    ):
        for name in ("fine", "fails", "slow", "stuck", "no_face"):
            assert name in problem["errors"][0]["detail"]
    assert "flaky_then_fine" in box.refused(400, "POST", "/scenarios", {"scenario": "perfect"})["detail"]
