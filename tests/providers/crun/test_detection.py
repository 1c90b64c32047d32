"""Detections: how a failure is told, by which id one is found, how old one may be."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.crun.catalogue import preview
from swapmock.mock_server.providers.crun.detection import expires_at

URL = "https://example.com/a.jpg"


def started(one, media="image", url=URL):
    _, document = one.crun("POST", f"job/detect-face-{media}", {f"{media}_url": url})
    return document["data"]["detect_task_id"]


def polled(one, name):
    return one.crun("GET", "job/detect-face-result", query=f"detect_task_id={name}")


@pytest.mark.parametrize(("choice", "code"), [(200, 200), (501, 501)])
def test_a_failed_detection(account, choice, code):
    one = account(scenario="fails", variants={"crun": {"failed_detection_code": choice}})
    task = started(one)
    _, document = polled(one, task)
    assert (document["code"], document["data"]["error"]) == (200, None)
    one.advance(60)
    _, document = polled(one, task)
    assert document["code"] == code
    assert document["data"]["status"] == "failed"
    assert document["data"]["result"] is None
    assert document["data"]["error"]
    assert code == 200 or document["message"] == document["data"]["error"]


@pytest.mark.parametrize(("choice", "message"), [(200, "success"), (501, "Generation failed")])
def test_a_failed_detection_without_a_reason(account, choice, message):
    one = account(scenario="fails_without_reason", variants={"crun": {"failed_detection_code": choice}})
    task = started(one)
    one.advance(60)
    _, document = polled(one, task)
    assert (document["code"], document["message"], document["data"]["error"]) == (choice, message, None)


@pytest.mark.parametrize("choice", [200, 501])
def test_a_detection_that_succeeds_has_no_error(account, choice):
    one = account(variants={"crun": {"failed_detection_code": choice}})
    task = started(one)
    one.advance(60)
    _, document = polled(one, task)
    assert (document["code"], document["message"], document["data"]["error"]) == (200, "success", None)


@pytest.mark.parametrize("seed", range(6))
def test_only_its_own_id_finds_a_detection(account, seed):
    """With each seed the `detect_id` and the token of the links have another order beside the id."""
    one = account(seed=seed)
    task = started(one)
    one.advance(60)
    result = polled(one, task)[1]["data"]["result"]
    token = result["faces"][0]["link"].split("/")[-2]
    for name in (result["id"], token, task.upper(), task[:-1], "0", "zzzz"):
        assert polled(one, name)[0] == 404
    made = one.created("image-face-swap", {"image_url": URL, "new_face": URL})
    assert polled(one, made)[0] == 404


@pytest.mark.parametrize(("media", "seconds"), [("image", 1.5), ("video", 4.5)])
def test_how_long_a_detection_takes(account, media, seconds):
    one = account()
    task = started(one, media)
    assert polled(one, task)[1]["data"]["status"] == "starting"
    one.advance(0.499)
    assert polled(one, task)[1]["data"]["status"] == "starting"
    one.advance(0.001)
    assert polled(one, task)[1]["data"]["status"] == "processing"
    one.advance(seconds - 0.501)
    assert polled(one, task)[1]["data"]["status"] == "processing"
    one.advance(0.001)
    assert polled(one, task)[1]["data"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("hour_from", "ends_at", "expected"),
    [("success", 15.0, 115.0), ("creation", 15.0, 110.0), ("success", None, 110.0), ("creation", None, 110.0)],
)
def test_when_a_detect_id_expires(hour_from, ends_at, expected):
    task = Task("t", "detection", "crun", "detect_face_image", "", b"", 10.0, 12.0, ends_at)
    assert expires_at(task, hour_from, 100.0) == expected


def test_previews_have_the_shape_of_their_template():
    contract = load("crun")
    engine: Any = SimpleNamespace(contracts={"crun": contract})
    start = "https://media.invalid/templates/"
    sizes = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (960, 960)}
    found = 0
    for rows in contract.tables["templates"].values():
        for row in rows if isinstance(rows, list) else ():
            for value in row.values():
                if isinstance(value, str) and value.startswith(start):
                    width, height = sizes.get(str(row.get("aspect_ratio")), (720, 1280))
                    assert preview(value.removeprefix(start), engine) == Shape(width, height, 5)
                    found += 1
    assert found
    assert preview("no-such-file.mp4", engine) is None
