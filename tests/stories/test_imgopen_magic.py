"""Magic values: every outcome and every code by reserved URLs alone, without further set-up."""

import pytest

from swapmock.contracts import load
from tests.stories.imgopen_jobs import job

CONTRACT = load("imgopen")
RULES = CONTRACT.behaviour
TOOLS = {row["operation"]: row for row in CONTRACT.tables["tools"]["tools"]}
REFUSALS = [row for row in RULES.magic.values() if row.refuse is not None]
SCENARIOS = [
    row for row in RULES.magic.values() if row.scenario is not None and not row.scenario.startswith("callback_")
]
FACES = [row for row in RULES.magic.values() if row.faces is not None]
LONG = 100_000


def test_every_code_can_be_had():
    codes = {RULES.refusals[row.refuse or ""].code for row in REFUSALS}
    assert codes | {"200"} == set(RULES.body_codes)
    for row in REFUSALS:
        assert row.value.endswith(f"/{RULES.refusals[row.refuse or ''].code}")


@pytest.mark.parametrize("operation", TOOLS)
def test_every_refusal_at_every_tool(imgopen, operation):
    for row in REFUSALS:
        refusal = RULES.refusals[row.refuse or ""]
        asked = imgopen.refused(*job(operation, url=row.value))
        assert (asked["code"], asked["data"], asked["http"]) == (refusal.code, None, 200)
        assert asked["msg"].startswith(refusal.message)
        assert (row.value in asked["msg"]) == (refusal.code == "400")


def ask(imgopen, operation):
    """The state of the task of `operation`, from the query for its kind."""
    row = TOOLS[operation]
    if row["kind"] == "sd":
        return imgopen.data("sd/v2/queryTaskInfo", {"businessTaskId": "job-1"})
    return imgopen.query(row["code"], "job-1")


@pytest.mark.parametrize("operation", ["face_detection", "face_fusion", "interrogate", "img_expand", "sd_text2image"])
@pytest.mark.parametrize("row", SCENARIOS, ids=lambda row: row.value)
def test_a_scenario(imgopen, time, operation, row):
    scenario, tool = RULES.scenarios[row.scenario], TOOLS[operation]
    numbers = RULES.status_words[tool["numbers"]]
    path, body = job(operation, url=row.value)
    answer = imgopen.call(path, body).json()
    if operation == "face_detection" and scenario.fails is not None:
        # A synchronous tool refuses at once.
        assert answer["code"] == scenario.fails["code"]
        assert answer["msg"] == (scenario.fails["message"] or "task failed")
    else:
        assert answer["code"] == "200"
    timeline = RULES.timelines[tool["timeline"]]
    usual = timeline.queued + timeline.running
    if operation != "face_detection" and scenario.stretch == 1:
        assert ask(imgopen, operation)["status"] == numbers["queued"]
        time.advance(timeline.queued)
        assert ask(imgopen, operation)["status"] == numbers["running"]
    if scenario.stretch == 10:
        time.advance(usual * 10 - 0.01)
        assert ask(imgopen, operation)["status"] == numbers["running"]
    time.advance(0 if scenario.stretch == 0 else LONG)
    done = ask(imgopen, operation)
    end = "running" if not scenario.ends else "failed" if scenario.fails else "succeeded"
    assert done["status"] == numbers[end]
    if scenario.fails and tool["kind"] == "sd":
        words = RULES.rest["descriptions"]["failures_zh"]
        assert done["desc"] == words[scenario.fails["message"] or "task failed"]
        assert done["differentialImageRspList"] == []
    elif scenario.fails:
        assert done.get("errorMessage") == (scenario.fails["message"] or None)


@pytest.mark.parametrize("row", FACES, ids=lambda row: row.value)
def test_faces(imgopen, row):
    if row.faces == 0:
        asked = imgopen.refused("tool/face/detection", {"imageUrl": row.value, "businessTaskId": "1"})
        assert asked["code"] == "1001"
        return
    for ending in ("", ".jpg", ".webp"):
        found = imgopen.detect(row.value.removesuffix(".png") + ending)
        assert len(found["faceUrls"]) == row.faces


@pytest.mark.parametrize("operation", ["face_fusion", "roop", "roop_v2", "instant_id", "hair_change"])
def test_a_job_that_needs_a_face_fails_without_one(imgopen, time, operation):
    path, body = job(operation, url="https://faces.invalid/0.png")
    imgopen.data(path, body)
    time.advance(LONG)
    done = ask(imgopen, operation)
    assert (done["status"], done["errorMessage"]) == (4, "no face detected")


@pytest.mark.parametrize("operation", ["interrogate", "identify_style", "img_expand", "cnt_preview", "sd_image2image"])
def test_a_job_that_needs_none_does_without(imgopen, time, operation):
    path, body = job(operation, url="https://faces.invalid/0.png")
    imgopen.data(path, body)
    time.advance(LONG)
    numbers = RULES.status_words[TOOLS[operation]["numbers"]]
    assert ask(imgopen, operation)["status"] == numbers["succeeded"]


def test_the_callback_url_is_no_picture(imgopen):
    found = imgopen.detect("https://example.com/a.png", callbackUrl="https://errors.invalid/500")
    assert found["status"] == 2
