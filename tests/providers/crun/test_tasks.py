"""CreateTask, TaskInfo and the estimates: each member of their answers."""

import re
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.mock_server.core.faces import FaceRef
from swapmock.mock_server.core.seeded import hexadecimal
from swapmock.mock_server.providers.crun.tasks import LONG_BODY, _further_files, _result_extension, _swap
from tests.providers.direct import BASE_URL

PHOTO, FACE = "https://example.com/photo.jpg", "https://example.com/ann.jpg"
SWAP = {"image_url": PHOTO, "new_face": FACE}
START = 1_767_225_600


def test_the_life_of_a_task(account):
    one = account()
    task = one.created("image-face-swap", SWAP)
    queued = one.info(task)
    assert {name: queued[name] for name in ("task_id", "status", "create_at", "result", "duration_s", "complete_at")} == {
        "task_id": task, "status": "pending", "create_at": START, "result": None, "duration_s": None, "complete_at": None,
    }  # fmt: skip
    assert queued["param"] == {"model": "image-face-swap", "input": SWAP, "callback_url": None}
    assert (queued["source"], "reason" in queued) == ("api", False)
    one.advance(3)
    assert one.info(task)["status"] == "running"
    one.advance(60)
    done = one.info(task)
    assert done["status"] == "success"
    assert done["complete_at"] - START == done["duration_s"] > 0
    assert (done["result"]["code"], done["result"]["message"]) == (200, "success")
    (link,) = done["result"]["media_urls"]
    assert re.fullmatch(rf"{BASE_URL}/media/[^/]+/0\.jpg", link)


@pytest.mark.parametrize(
    ("choices", "scenario", "shown"),
    [
        ({"credits_number": "fraction"}, "fine", float),
        ({"credits_number": "integer"}, "fine", int),
        ({"credits_number": "fraction"}, "fails", float),
    ],
)
def test_the_credits_of_a_task(account, choices, scenario, shown):
    one = account(variants={"crun": choices}, scenario=scenario)
    estimate = one.crun("POST", "job/EstimateTask", {"model": "image-face-swap", "input": SWAP})[1]["data"]
    task = one.created("image-face-swap", SWAP)
    assert one.info(task)["credits"] == estimate["estimated_credits"] > 0
    assert type(one.info(task)["credits"]) is shown
    one.advance(600)
    assert one.info(task)["credits"] == (0 if scenario == "fails" else estimate["estimated_credits"])


def test_a_failed_task_says_why(account):
    one = account(scenario="fails")
    task = one.created("image-face-swap", SWAP)
    one.advance(600)
    info = one.info(task)
    assert (info["status"], info["result"]["code"]) == ("failed", 501)
    assert set(info["result"]) == {"code", "message"}
    one = account(scenario="fails_without_reason")
    task = one.created("image-face-swap", SWAP)
    one.advance(600)
    assert "reason" not in one.info(task)


@pytest.mark.parametrize(
    ("length", "name", "sentence"),
    [
        (36, "x" * 35, "task_id: String should have at least 36 characters"),
        (36, "x" * 37, "task_id: String should have at most 36 characters"),
        (36, "x" * 36, None),
        ("any", "x" * 35, None),
    ],
)
def test_the_length_of_an_id(account, length, name, sentence):
    one = account(variants={"crun": {"task_id_length": length}})
    status, document = one.crun("GET", "job/TaskInfo", query=f"task_id={name}")
    assert (status, document.get("errors")) == ((422, [sentence]) if sentence else (404, None))


@pytest.mark.parametrize(("form", "pattern"), [("uuid", r"[0-9a-f-]{36}"), ("short", r"task_\d{8}")])
def test_the_form_of_an_id(account, form, pattern):
    one = account(variants={"crun": {"task_id_form": form}})
    made = {one.created("image-face-swap", SWAP) for _ in range(5)}
    assert len(made) == 5
    assert all(re.fullmatch(pattern, name) for name in made)


def test_what_can_be_afforded(account):
    whole = account().crun("POST", "job/EstimateTask", {"model": "image-face-swap", "input": SWAP})[1]["data"]
    cost = whole["estimated_credits"]
    assert (whole["balance"], whole["affordable"]) == (1000, True)
    for balance, affordable in ((cost, True), (cost - 0.001, False), (cost + 0.001, True)):
        one = account(balance=balance)
        shown = one.crun("POST", "job/EstimateTask", {"model": "image-face-swap", "input": SWAP})[1]["data"]
        assert shown == {"estimated_credits": cost, "balance": balance, "affordable": affordable}


@pytest.mark.parametrize(
    ("choice", "statuses"), [("both", (200, 200)), ("EstimateTask", (200, 404)), ("estimate-credits", (404, 200))]
)
def test_which_estimates_there_are(account, choice, statuses):
    one = account(variants={"crun": {"estimate_endpoints": choice}})
    body = {"model": "image-face-swap", "input": SWAP}
    assert tuple(one.crun("POST", f"job/{name}", body)[0] for name in ("EstimateTask", "estimate-credits")) == statuses


@pytest.mark.parametrize(
    ("modality", "given", "extension"),
    [
        ("image", {}, ".png"),
        ("video", {}, ".mp4"),
        ("audio", {}, ".wav"),
        ("image", {"output_format": "webp"}, ".webp"),
        ("image", {"output_format": "jpeg", "image_url": "https://a/b.png"}, ".jpeg"),
        ("image", {"output_format": "tiff", "image_url": "https://a/b.jpg"}, ".jpg"),
        ("image", {"output_format": 5}, ".png"),
        ("image", {"image_url": "https://a/b.WEBP?c=.gif"}, ".webp"),
        ("image", {"image_url": "https://a/b.gif"}, ".png"),
        ("image", {"image_url": 5, "video_url": "https://a/b.jpg"}, ".jpg"),
        ("video", {"video_url": "https://a/b.gif"}, ".gif"),
        ("video", {"video_url": "https://a/b.mov"}, ".mp4"),
        ("video", {"image_url": "https://a/b.jpg", "video_url": "https://a/b.gif"}, ".mp4"),
        ("audio", {"output_format": "mp3"}, ".wav"),
    ],
)
def test_the_extension_of_a_result(modality, given, extension):
    assert _result_extension(modality, given) == extension


@pytest.mark.parametrize(
    ("modality", "given", "expected"),
    [
        ("image", {}, []),
        ("image", {"num_outputs": 1}, []),
        ("image", {"num_outputs": 3}, [[".png", [["a", 1]]], [".png", [["a", 2]]]]),
        ("image", {"num_outputs": "3"}, []),
        ("image", {"num_outputs": 0}, []),
        ("video", {"num_outputs": 3}, []),
        ("video", {"return_last_frame": True}, [[".png", [["a", 5], ["b", 6]]]]),
        ("video", {"return_last_frame": False}, []),
        ("video", {"return_last_frame": "true"}, []),
        ("image", {"return_last_frame": True}, []),
        ("audio", {"return_last_frame": True, "num_outputs": 3}, []),
    ],
)
def test_the_files_after_the_first(modality, given, expected):
    assert _further_files(modality, given, (FaceRef("a", 5), FaceRef("b", 6))) == expected


def test_the_most_files_of_a_task():
    assert len(_further_files("image", {"num_outputs": 15}, (FaceRef("a", 5),))) == 14
    assert len(_further_files("image", {"num_outputs": 99}, (FaceRef("a", 5),))) == 14
    assert _further_files("image", {"num_outputs": 3}, ()) == []


def test_a_success_without_media(account):
    one = account(scenario="no_media")
    task = one.created("image-face-swap", SWAP)
    one.advance(600)
    assert one.info(task)["result"] == {"code": 200, "message": "success", "media_urls": []}


@pytest.mark.parametrize(
    ("given", "shown"), [("", None), (None, None), ("http://127.0.0.1:9/cb", "http://127.0.0.1:9/cb")]
)
def test_the_callback_url_of_a_request(account, given, shown):
    one = account()
    task = one.created("image-face-swap", SWAP, callback_url=given)
    assert one.info(task)["param"] == {"model": "image-face-swap", "input": SWAP, "callback_url": shown}


@pytest.mark.parametrize("seed", range(6))
def test_only_its_own_id_finds_a_task(account, seed):
    """With each seed the token of the links has another order beside the id."""
    one = account(seed=seed)
    task = one.created("image-face-swap", SWAP)
    one.advance(60)
    token = one.info(task)["result"]["media_urls"][0].split("/")[-2]
    for name in (token, task.upper(), "0" * 36, "z" * 36):
        assert one.crun("GET", "job/TaskInfo", query=f"task_id={name}")[0] == 404


@pytest.mark.parametrize(("length", "is_long"), [(0, False), (1 << 20, False), ((1 << 20) + 1, True)])
def test_a_result_is_drawn_by_the_request_or_by_its_digest(length, is_long):
    raw = b"x" * length
    call: Any = SimpleNamespace(raw=raw)
    engine: Any = None
    shown = hexadecimal(40, sha256(raw).digest() if is_long else raw)
    assert _swap(call, engine, "z-image") == ((FaceRef(shown, 0),), None)
    assert LONG_BODY == 1_048_576
