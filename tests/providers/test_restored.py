"""Which tasks of a snapshot no provider could have made."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.crun import detection
from swapmock.mock_server.providers.crun import restored as crun
from swapmock.mock_server.providers.imgopen import restored as imgopen

ENGINE: Any = SimpleNamespace(json=json, contracts={"crun": load("crun"), "imgopen": load("imgopen")})
INPUT = {"image_url": "https://example.com/a.jpg", "new_face": "https://example.com/b.jpg"}


def body(model="image-face-swap", **more):
    return json.dumps({"model": model, "input": INPUT, **more}).encode()


SWAP = Task(
    "t", "task", "crun", "create_task", "image-face-swap", body(), 0.0, 1.0, 2.0,
    facts={"faces": [["a", 0]], "extension": ".jpg", "more": []},
)  # fmt: skip
SONG = replace(
    SWAP, model="suno/music-generate", request=body("suno/music-generate"),
    facts={"faces": [["a", 0]], "extension": ".wav", "more": [[".wav", [["b", 0]]], [".png", [["a", 0]]]]},
)  # fmt: skip
FOUND = Task(
    "d", "detection", "crun", "detect_face_image", "", b"{}", 0.0, 1.0, 2.0,
    facts={"url": "u", "media": "image", "faces": 2},
)  # fmt: skip


def facts(task, **changed):
    return replace(task, facts={**task.facts, **changed})


@pytest.mark.parametrize(
    ("task", "wrong"),
    [
        (SWAP, []),
        (SONG, []),
        (FOUND, []),
        (replace(FOUND, operation="detect_face_video", facts={**FOUND.facts, "media": "video"}), []),
        (replace(SWAP, operation="other"), [("operation", "makes no task")]),
        (replace(FOUND, kind="task"), [("kind", "should be detection")]),
        (replace(FOUND, kind="aaa"), [("kind", "should be detection")]),
        (facts(FOUND, media="audio"), [("facts", "`media` should be image")]),
        (replace(FOUND, model="m"), [("model", "should be empty for a detection")]),
        (replace(FOUND, callback_url="http://a"), [("callback_url", "should be null, for a detection has no callbacks")]),
        (facts(FOUND, media="video"), [("facts", "`media` should be image")]),
        (facts(FOUND, faces="2"), [("facts", "`faces` should be an integer of at most 9007199254740992")]),
        (replace(SWAP, kind="detection"), [("kind", "should be task")]),
        (replace(SWAP, kind="zzz"), [("kind", "should be task")]),
        (replace(SWAP, request=body("z-image")), [("model", "should be the model of the request")]),
        (replace(SWAP, request=body("bytedance/dreamactor")), [("model", "should be the model of the request")]),
        (replace(SWAP, model="no"), [("model", "is no model of the catalogue")]),
        (replace(SWAP, model="z-image"), [("model", "should be the model of the request")]),
        (replace(SWAP, callback_url="http://a"), [("callback_url", "should be that of the request")]),
        (replace(SWAP, callback_url="http://a", request=body(callback_url="http://a")), []),
        (replace(SWAP, request=body(callback_url="")), []),
        (facts(SWAP, extension=".gif"), [("facts", "`extension` should be one of .jpeg, .jpg, .png, .webp")]),
        (facts(SWAP, extension=".png"), []),
        (facts(SWAP, more=[[".png", []]]), []),
        (facts(SWAP, more=[[".wav", []]]), [("facts", "`more` should have files with the extension .png")]),
        (facts(SWAP, faces=[]), []),
        (facts(SONG, faces=[]), [("facts", "`faces` should not be empty for a sound")]),
        (facts(SONG, extension=".png"), [("facts", "`extension` should be one of .wav")]),
        (facts(SONG, more=[[".jpg", [["a", 0]]]]), [("facts", "`more` should have files with the extension .png or .wav")]),
        (facts(SONG, more=[[".wav", []]]), [("facts", "`more` should have faces for each file of a song")]),
    ],
)  # fmt: skip
def test_tasks_of_crun(task, wrong):
    assert list(crun.check_task(task, ENGINE)) == wrong


def test_the_names_of_a_detection():
    assert crun.aliases(FOUND, ENGINE) == {detection.detect_id(FOUND): False}
    for kind in ("aaa", "task", "zzz"):
        assert crun.aliases(replace(SWAP, kind=kind), ENGINE) == {}


FUSION = Task(
    "f", "tool", "imgopen", "face_fusion", "face/fusion", b"{}", 0.0, 1.0, 2.0,
    facts={"faces": [["a", 0]], "extension": ".png", "more": [], "caller": "own", "folder": "FOLDER"},
)  # fmt: skip
FOLDER = next(row["folder"] for row in load("imgopen").tables["tools"]["tools"] if row["operation"] == "face_fusion")
FUSION = facts(FUSION, folder=FOLDER)


@pytest.mark.parametrize(
    ("task", "wrong"),
    [
        (FUSION, []),
        (replace(FUSION, operation="no"), [("operation", "makes no task")]),
        (
            replace(FUSION, kind="sd", model="roop"),
            [("kind", "should be 'tool'"), ("model", "should be 'face/fusion'")],
        ),
        (facts(FUSION, caller=5), [("facts", "`caller` should be str")]),
        (facts(FUSION, extension=".zip"), [("facts", "every extension should be .png")]),
        (facts(FUSION, folder="AAA"), [("facts", f"`folder` should be {FOLDER!r}")]),
        (facts(FUSION, folder="zzz"), [("facts", f"`folder` should be {FOLDER!r}")]),
        (facts(FUSION, extension=".jpg"), [("facts", "every extension should be .png")]),
        (facts(FUSION, more=[[".png", []], [".jpg", []]]), [("facts", "every extension should be .png")]),
        (facts(FUSION, more=[[".png", []]]), []),
        (facts(FUSION, folder="other"), [("facts", f"`folder` should be {FOLDER!r}")]),
        (facts(FUSION, folder="other", caller=5), [("facts", "`caller` should be str")]),
    ],
)
def test_tasks_of_img_open(task, wrong):
    assert list(imgopen.check_task(task, ENGINE)) == wrong


def test_a_generation_has_a_seed():
    made = replace(FUSION, kind="sd", operation="sd_text2image", model="sd/v2/text2image")
    said = list(imgopen.check_task(made, ENGINE))
    assert ("facts", "should have `seed`") in said


def test_the_names_of_a_task_of_img_open():
    assert imgopen.aliases(FUSION, ENGINE) == {"imgopen:face/fusion:own": True, "imgopen:tool:own": True}
