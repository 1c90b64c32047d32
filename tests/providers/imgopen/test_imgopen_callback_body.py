"""What a callback carries, for every tool and at every end."""

import json

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.call import Call
from swapmock.mock_server.providers.imgopen import callback_body
from swapmock.mock_server.providers.imgopen.tools import tools
from tests.stories.imgopen_jobs import job

CONTRACT = load("imgopen")
TOOLS = {name: tool for name, tool in tools(CONTRACT).items() if tool.kind != "training"}
HOOK = "http://127.0.0.1:9/hook?secret=1"


def submitted(system, imgopen, operation, **more):
    """The task that a submission made."""
    path, body = job(operation, **more)
    answer = imgopen.call(path, {**body, "callbackUrl": HOOK})
    with system.engine.store.open("default") as box:
        return answer.json(), list(box.tasks())[-1]


def told(system, task, now, base_url="http://emulator.test", **choices):
    """The callback for `task` at `now`, after its way through JSON."""
    with system.engine.store.open("default") as box:
        call = Call(
            operation=task.operation, params={}, body=None, raw=b"", headers={}, box=box, now=now,
            variants={**CONTRACT.behaviour.defaults, **choices}, base_url=base_url, exchange="", provider="imgopen",
        )  # fmt: skip
        return json.loads(json.dumps(callback_body(call, system.engine, task)))


@pytest.mark.parametrize("choices", [{}, {"callback_body": "bare"}], ids=["envelope", "bare"])
@pytest.mark.parametrize("scenario", ["fine", "fails", "fails_without_reason", "no_face"])
@pytest.mark.parametrize("operation", TOOLS)
def test_a_body_fits_the_contract(system, imgopen, operation, scenario, choices):
    url = "https://example.com/a.png" if scenario == "fine" else f"https://errors.invalid/{scenario}"
    _, task = submitted(system, imgopen, operation, url=url)
    body = told(system, task, task.ends_at, **choices)
    assert CONTRACT.operations[operation].check_callback(body) == ()
    data = body if choices else body["data"]
    tool = TOOLS[operation]
    numbers = CONTRACT.behaviour.status_words[tool.numbers]
    assert data["status"] == numbers["succeeded" if scenario == "fine" else "failed"]
    assert choices or (body["code"], body["msg"]) == ("200", "success")
    if scenario == "fine" and tool.kind != "sd":
        assert list(data) == list(tool.shown)
        assert all(url.startswith("http://emulator.test/Output-Img2/") for url in data.get("faceUrls", []))


@pytest.mark.parametrize("operation", TOOLS)
def test_a_failure_with_its_own_code(system, imgopen, operation):
    _, task = submitted(system, imgopen, operation, url="https://errors.invalid/fails")
    body = told(system, task, task.ends_at, failed_task_code="failure")
    assert (body["code"], body["msg"]) == ("501", "task failed")
    assert CONTRACT.operations[operation].check_callback(body) == ()


@pytest.mark.parametrize("operation", ["face_fusion", "img_expand"])
def test_it_is_what_the_query_answers(system, imgopen, time, operation):
    """Both families: the one that holds its result, and the one that began with a receipt."""
    _, task = submitted(system, imgopen, operation, own_id="own")
    time.advance(10)
    asked = imgopen.data(f"tool/{TOOLS[operation].code}/queryTask", {"businessTaskId": "own"})
    assert told(system, task, task.ends_at, imgopen.base_url)["data"] == asked


def test_where_a_callback_goes(system, imgopen):
    for operation, tool in TOOLS.items():
        _, task = submitted(system, imgopen, operation)
        assert task.callback_url == (HOOK if tool.callback else None)


@pytest.mark.parametrize("settings", [{"variants": {"imgopen": {"undocumented_callback": "sent"}}}], indirect=True)
def test_where_a_callback_goes_if_undocumented_ones_are_sent(system, imgopen):
    for operation in TOOLS:
        _, task = submitted(system, imgopen, operation)
        assert task.callback_url == HOOK


@pytest.mark.parametrize("settings", [{"variants": {"imgopen": {"undocumented_callback": "sent"}}}], indirect=True)
@pytest.mark.parametrize("url", [7, "nowhere", ["http://127.0.0.1:9"]])
def test_an_undocumented_callback_url_that_is_none(system, imgopen, url):
    path, body = job("roop")
    imgopen.data(path, {**body, "callbackUrl": url})
    with system.engine.store.open("default") as box:
        assert [task.callback_url for task in box.tasks()] == [None]


@pytest.mark.parametrize(
    ("settings", "hook"),
    [
        ({"variants": {"imgopen": {"callback_failures": "sent"}}}, HOOK),
        ({"variants": {"imgopen": {"callback_failures": "not_sent"}}}, None),
    ],
    indirect=["settings"],
)
def test_whether_failures_are_called_back(system, imgopen, hook):
    _, task = submitted(system, imgopen, "face_fusion", url="https://errors.invalid/fails")
    assert task.callback_url == hook
    _, task = submitted(system, imgopen, "face_fusion")
    assert task.callback_url == HOOK


@pytest.mark.parametrize("url", [None, ""])
def test_no_callback_url(system, imgopen, url):
    path, body = job("face_detection")
    imgopen.data(path, {**body, "callbackUrl": url})
    with system.engine.store.open("default") as box:
        assert [task.callback_url for task in box.tasks()] == [None]
