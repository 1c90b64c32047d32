"""How Img Open shows a task: each member, at each phase, under each variant."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.task import Failure, Task
from swapmock.mock_server.providers.imgopen.answers import _progress, coded, failed, file_links
from tests.providers.direct import BASE_URL
from tests.stories.imgopen_jobs import job

OWN = "own-7"


def sent(one, operation, **more):
    path, body = job(operation, own_id=OWN)
    return one.data(path, {**body, **more})


def asked(one, code, name=OWN):
    return one.data(f"tool/{code}/queryTask", {"businessTaskId": name})


def test_an_asynchronous_tool_from_receipt_to_result(account):
    one = account()
    first = sent(one, "face_fusion", targetUrl="https://example.com/group.jpg")
    task = first["taskId"]
    assert re.fullmatch(r"pre1767225600000\d{9}", task)
    assert (first["businessTaskId"], first["status"]) == (OWN, 3)
    assert "outputImageUrl" not in first
    one.advance(100)
    done = asked(one, "face/fusion")
    assert done == asked(one, "face/fusion", task)
    assert done["status"] == 2
    assert done["outputImageUrl"].startswith(f"{BASE_URL}/Output-Img2/")
    assert done["outputImageUrl"].endswith(f"/{task}-0.png")


def test_the_first_answer_of_an_asynchronous_tool_is_of_its_submission(account):
    """The same id again, when the task is done: the answer to the submission is still that of its beginning."""
    one = account(variants={"imgopen": {"repeated_id": "same_task"}})
    first = sent(one, "face_fusion")
    one.advance(100)
    assert asked(one, "face/fusion")["status"] == 2
    assert sent(one, "face_fusion") == first


def test_a_receipt_that_is_the_id_alone(account):
    one = account(variants={"imgopen": {"receipt": "task_id"}})
    first = sent(one, "face_fusion")
    assert list(first) == ["task_id"]
    assert re.fullmatch(r"pre\d{22}", first["task_id"])


@pytest.mark.parametrize(
    ("operation", "choice", "is_own"),
    [
        ("sd_text2image", "server", False),
        ("sd_text2image", "caller", True),
        ("img_expand", "caller", False),
        ("img_expand", "server", False),
    ],
)
def test_the_id_that_a_submission_answers(account, operation, choice, is_own):
    one = account(variants={"imgopen": {"sd_task_id": choice}})
    first = sent(one, operation)
    assert list(first) == ["task_id"]
    assert (first["task_id"] == OWN) is is_own
    assert is_own or first["task_id"].startswith("pre")


@pytest.mark.parametrize("name", ["img_expand", "cnt_preview"])
def test_several_pictures(account, name):
    one = account()
    task = sent(one, name)["task_id"]
    code = {"img_expand": "imgExpand", "cnt_preview": "cnt/preview"}[name]
    waiting = asked(one, code)
    assert not any(member.endswith("Urls") for member in waiting)
    one.advance(100)
    done = asked(one, code)
    if name == "img_expand":
        start = done["outputImageUrls"][0].removesuffix(f"{task}-0.png")
        assert done["outputImageUrls"] == [f"{start}{task}-{number}.png" for number in range(2)]
    else:
        assert done["outputImageUrl"].endswith(f"/{task}-0.png")


@pytest.mark.parametrize("scenario", ["fine", "fails", "no_media"])
def test_the_faces_of_a_detection(account, scenario):
    one = account(scenario=scenario, variants={"imgopen": {"detection_mode": "async"}})
    first = sent(one, "face_detection", imageUrl="https://example.com/group.jpg")
    assert first["faceUrls"] == []
    assert "errorMessage" not in first
    one.advance(100)
    done = asked(one, "face/detection")
    assert bool(done["faceUrls"]) is (scenario == "fine")
    assert ("errorMessage" in done) is (scenario == "fails")
    if scenario == "fine":
        assert all(link.endswith(f"-{number}.png") for number, link in enumerate(done["faceUrls"]))


@pytest.mark.parametrize(("choice", "status"), [("number", 2), ("string", "2")])
def test_the_type_of_a_status(account, choice, status):
    one = account(variants={"imgopen": {"detection_status_type": choice}})
    assert sent(one, "face_detection")["status"] == status
    sent(one, "face_fusion")
    one.advance(100)
    assert asked(one, "face/fusion")["status"] == 2


@pytest.mark.parametrize("choice", ["200", "failure"])
def test_the_code_of_a_failed_task(account, choice):
    one = account(scenario="fails", variants={"imgopen": {"failed_task_code": choice}})
    path, body = job("face_fusion", own_id=OWN)
    assert one.imgopen(path, body)[1]["code"] == "200"
    assert one.imgopen("tool/face/fusion/queryTask", {"businessTaskId": OWN})[1]["code"] == "200"
    one.advance(100)
    _, document = one.imgopen("tool/face/fusion/queryTask", {"businessTaskId": OWN})
    assert document["code"] == ("501" if choice == "failure" else "200")
    assert document["data"]["status"] == 4
    assert document["data"]["errorMessage"]


def test_a_synchronous_tool_that_fails_is_refused(account):
    one = account(scenario="fails")
    path, body = job("face_detection", own_id=OWN)
    _, document = one.imgopen(path, body)
    assert (document["code"], document["data"]) == ("501", None)
    assert document["msg"]


@pytest.mark.parametrize(
    ("seconds", "desc", "status", "percentage"),
    [(0, "任务排队中", 3, None), (3, None, 1, True), (100, "任务成功 !", 2, None)],
)
def test_a_generation(account, seconds, desc, status, percentage):
    one = account(variants={"imgopen": {"temporary_image": "progress"}})
    sent(one, "sd_text2image", seed="41", n_iter=2)
    one.advance(seconds)
    shown = one.data("sd/v2/queryTaskInfo", {"businessTaskId": OWN})
    assert (shown["id_task"], shown["status"]) == (OWN, status)
    assert desc is None or shown["desc"] == desc
    progress = shown["temporaryImageDto"]
    assert (progress is not None) is bool(percentage)
    if progress is not None:
        assert 0 < progress["percentage"] < 100
        assert progress["imageUrl"] is None
    pictures = shown["differentialImageRspList"]
    assert [picture["seed"] for picture in pictures] == ([41, 42] if status == 2 else [])
    for number, picture in enumerate(pictures):
        assert picture["image_url"].endswith(f"-{number}.png")
        assert picture["img_audit"] == [{"confidence": None, "label": "nonLabel"}]
        assert (picture["img_audit_status"], picture["image_status"]) == (True, 1)
    older = one.data("sd/queryTaskInfo", {"businessTaskId": OWN})
    assert older["task_id"] == OWN
    assert "temporaryImageDto" not in older


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_generation_that_fails(account, language):
    one = account(scenario="fails", variants={"imgopen": {"desc_language": language}})
    sent(one, "sd_text2image")
    waiting = one.data("sd/v2/queryTaskInfo", {"businessTaskId": OWN})["desc"]
    one.advance(100)
    texts = load("imgopen").behaviour.rest["descriptions"]["failures_zh"]
    for path in ("sd/v2/queryTaskInfo", "sd/queryTaskInfo"):
        shown = one.data(path, {"businessTaskId": OWN})
        assert (shown["status"], shown["differentialImageRspList"]) == (4, [])
        assert shown["desc"] != waiting
        assert shown["desc"] in (texts.values() if language == "zh" else texts.keys())


def test_a_generation_without_media(account):
    one = account(scenario="no_media")
    sent(one, "sd_text2image")
    one.advance(100)
    shown = one.data("sd/v2/queryTaskInfo", {"businessTaskId": OWN})
    assert (shown["status"], shown["differentialImageRspList"]) == (2, [])


CONTRACT = load("imgopen")
FAILED = Task(
    "t", "tool", "imgopen", "face_fusion", "face/fusion", b"", 0.0, 1.0, 2.0, failure=Failure(code="1002", message="no luck"),
    facts={"caller": "own", "folder": "f", "extension": ".png", "faces": [], "more": [[".png", []]]},
)  # fmt: skip


@pytest.mark.parametrize("row", CONTRACT.behaviour.refusals.values(), ids=lambda row: row.problem)
def test_a_failure_is_refused_by_the_row_of_its_code(row):
    problem = failed(CONTRACT.behaviour, replace(FAILED, failure=Failure(code=row.code, message="no luck")))
    assert CONTRACT.behaviour.refusals[problem.name].code == row.code
    assert (problem.code, problem.message) == (row.code, "no luck")
    silent = failed(CONTRACT.behaviour, replace(FAILED, failure=Failure(code=row.code, message="")))
    assert silent.message == CONTRACT.behaviour.refusals[silent.name].message


def test_a_failure_with_a_code_that_no_row_has():
    problem = failed(CONTRACT.behaviour, replace(FAILED, failure=Failure(code="777", message="")))
    row = CONTRACT.behaviour.refusals["generation_failed"]
    assert (problem.name, problem.code, problem.message) == (row.problem, "777", row.message)
    with pytest.raises(LookupError, match="task t has not failed"):
        failed(CONTRACT.behaviour, replace(FAILED, failure=None))


@pytest.mark.parametrize(
    ("choice", "message", "now", "expected"),
    [
        ("failure", "no luck", 2.0, ("1002", "no luck")),
        ("failure", "", 2.0, ("1002", "task failed")),
        ("failure", "no luck", 1.9, ("200", "success")),
        ("200", "no luck", 2.0, ("200", "success")),
    ],
)
def test_the_code_of_an_answer(choice, message, now, expected):
    call: Any = SimpleNamespace(variants={"failed_task_code": choice}, now=now)
    reply = coded(call, replace(FAILED, failure=Failure(code="1002", message=message)), {"a": 1})
    assert (reply.code, reply.message, reply.data) == (*expected, {"a": 1})


@pytest.mark.parametrize(
    ("ends_at", "now", "percentage"),
    [(None, 99.0, 0), (10.0, 99.0, 0), (20.0, 10.0, 0), (20.0, 12.5, 25), (20.0, 19.999, 99), (13.0, 11.0, 33)],
)
def test_how_far_a_generation_is(ends_at, now, percentage):
    task = replace(FAILED, starts_at=10.0, ends_at=ends_at, failure=None)
    assert _progress(task, now) == {"percentage": percentage, "imageUrl": None}


@pytest.mark.parametrize(
    ("kind", "facts", "count"),
    [("tool", {"more": []}, 1), ("tool", {"more": [[".png", []]] * 2}, 3), ("detection", {"faces": 0}, 0), ("detection", {"faces": 4}, 4)],
)  # fmt: skip
@pytest.mark.parametrize("owner", [None, "other", "s1"])
def test_the_links_of_a_task_lead_to_its_sandbox(kind, facts, count, owner):
    published = []
    engine: Any = SimpleNamespace(
        store=SimpleNamespace(owner=lambda name: owner, publish=lambda name, box: published.append((name, box)))
    )
    call: Any = SimpleNamespace(base_url="http://h", box=SimpleNamespace(sandbox=SimpleNamespace(id="s1")))
    task = replace(FAILED, kind=kind, facts={**FAILED.facts, **facts})
    assert file_links(call, engine, task) == [f"http://h/Output-Img2/f/t-{number}.png" for number in range(count)]
    assert published == ([] if owner == "s1" else [("t", "s1")])
