"""Outcomes that come late: a download that failed, an output that was moderated, a success without media."""

import pytest

from swapmock.contracts import load
from tests.stories.imgopen_jobs import job

LATE = [
    ("download_failed", 422, "1002", "Failed to download media from the provided URL"),
    ("download_deadline", 422, "1002", "Failed to download media: context deadline exceeded"),
    ("output_moderated", 451, "1003", "The generated content was rejected by moderation"),
]


@pytest.mark.parametrize(
    ("scenario", "code", "_", "message"), [*LATE, ("undownloadable", 422, "", "Failed to download media")]
)
def test_a_late_failure_of_crun_costs_nothing(account, receiver, scenario, code, _, message):
    before = account.crun.balance()
    task = account.swap(receiver.url("/cb"), f"https://errors.invalid/{scenario}")
    account.advance(by=100)
    info = account.crun.info(task)
    assert (info["status"], info["credits"]) == ("failed", 0)
    assert info["result"] == {"code": code, "message": message}
    assert account.crun.balance() == before
    told = receiver.got[0].json
    assert told["result"] == {"code": code, "message": message}
    assert load("crun").operations["create_task"].check_callback(told) == ()


@pytest.mark.parametrize(("scenario", "_", "code", "message"), LATE)
def test_a_late_failure_of_img_open(make_account, scenario, _, code, message):
    account = make_account(variants={"imgopen": {"failed_task_code": "failure"}})
    account.imgopen.call(*job("face_fusion", url=f"https://errors.invalid/{scenario}"))
    account.advance(by=100)
    asked = account.imgopen.refused("tool/face/fusion/queryTask", {"businessTaskId": "job-1"})
    assert (asked["code"], asked["msg"]) == (code, message)


def test_the_scenarios_can_be_queued_and_be_those_of_a_sandbox(make_account):
    account = make_account(scenario="output_moderated")
    account.admin("POST", "scenarios", json={"scenario": ["download_failed"]})
    swap = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
    tasks = [account.crun.create("image-face-swap", swap) for _ in range(2)]
    account.advance(by=100)
    assert [account.crun.info(task)["result"]["code"] for task in tasks] == [422, 451]


@pytest.mark.parametrize("model", ["image-face-swap", "suno/music-generate", "bytedance/seedance2-0-fast-r2v"])
def test_a_success_without_media_is_charged(account, model):
    url = "https://errors.invalid/no_media"
    given = {"image_url": url, "new_face": url} if model == "image-face-swap" else {"prompt": "a", "image_url": url}
    before = account.crun.balance()
    task = account.crun.create(model, given)
    account.advance(by=1000)
    info = account.crun.info(task)
    assert (info["status"], info["result"]["code"], info["result"]["media_urls"]) == ("success", 200, [])
    assert info["result"].get("suno_data", []) == []
    assert before - account.crun.balance() == pytest.approx(info["credits"])
    assert info["credits"] > 0


def test_a_success_without_media_at_img_open(account):
    for number, operation in enumerate(("face_fusion", "img_expand", "sd_text2image", "interrogate")):
        account.imgopen.call(*job(operation, f"job-{number}", url="https://errors.invalid/no_media"))
    account.advance(by=1000)
    assert "outputImageUrl" not in account.imgopen.query("face/fusion", "job-0")
    assert account.imgopen.query("imgExpand", "job-1")["outputImageUrls"] == []
    found = account.imgopen.data("sd/v2/queryTaskInfo", {"businessTaskId": "job-2"})
    assert (found["status"], found["differentialImageRspList"]) == (2, [])
    assert account.imgopen.query("interrogate", "job-3")["caption"]


def test_no_task_is_made_where_moderation_refuses_the_submission(account):
    before = account.crun.balance()
    body = {"model": "google/nano-banana", "input": {"prompt": "a", "img_urls": ["https://errors.invalid/451"]}}
    refused = account.crun.refused("POST", "job/CreateTask", json=body)
    assert (refused["http"], refused["code"]) == (451, 451)
    assert account.admin("GET", "tasks")["tasks"] == []
    assert account.crun.balance() == before


def test_the_contract_accepts_451_as_observed():
    contract = load("crun")
    body = {"code": 451, "message": "anything", "data": None}
    for operation in ("create_task", "detect_face_image", "get_task_info"):
        assert contract.operations[operation].check_answer(451, body) == ()
        assert contract.operations[operation].check_answer(200, body) == ()
    assert contract.behaviour.body_codes[451].evidence == "observed"
