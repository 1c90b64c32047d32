"""Magic values of both providers: pages of the gateway in front, and values that clear by themselves."""

import pytest
import requests

from swapmock.contracts import load
from swapmock.mock_server.core import call as calls
from swapmock.mock_server.web.replacements import GATEWAY_ERRORS
from tests.stories.imgopen_jobs import job
from tests.stories.test_crun_magic import SUBMISSIONS

RULES = {name: load(name).behaviour for name in ("crun", "imgopen")}
CODES = {name: [row for row in rules.magic.values() if row.refuse is not None] for name, rules in RULES.items()}
GOOD = "https://example.com/b.png"


def bare(provider):
    """The statuses of the gateway that are no code of the provider."""
    return [status for status in GATEWAY_ERRORS if str(status) not in RULES[provider].codes]


@pytest.mark.parametrize("path", SUBMISSIONS)
def test_every_page_of_the_gateway_on_every_crun_operation_with_media(crun, path):
    before = crun.balance()
    for name in [f"gateway_{status}" for status in GATEWAY_ERRORS] + [str(status) for status in bare("crun")]:
        answer = crun.call("POST", path, json=SUBMISSIONS[path](f"https://errors.invalid/{name}.png"))
        status = int(name.removeprefix("gateway_"))
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=UTF-8")
        assert str(status) in answer.text
    assert crun.balance() == before


@pytest.mark.parametrize("operation", ["face_detection", "face_fusion", "roop", "interrogate", "sd_text2image"])
def test_every_page_of_the_gateway_at_img_open(imgopen, operation):
    assert bare("imgopen") == [502, 504, 520, 522, 524]
    for name in [f"gateway_{status}" for status in GATEWAY_ERRORS] + [str(status) for status in bare("imgopen")]:
        answer = imgopen.call(*job(operation, url=f"https://errors.invalid/{name}"))
        assert answer.status_code == int(name.removeprefix("gateway_"))
        assert answer.headers["content-type"].startswith("text/html")


def test_the_journal_has_the_page(account):
    account.crun.call("POST", "job/detect-face-image", json={"image_url": "https://errors.invalid/gateway_522"})
    (record,) = account.admin("GET", "journal", params={"type": "exchange"})["records"]
    assert (record["status"], record["fault"]) == (522, "magic https://errors.invalid/gateway_522")
    why = account.admin("GET", f"why/{record['id']}")
    assert "magic https://errors.invalid/gateway_522" in str(why)


@pytest.mark.parametrize("row", CODES["crun"], ids=lambda row: row.value)
def test_each_code_of_crun_clears_by_itself(crun, row):
    swap = {"image_url": f"{row.value}_twice.png?of={row.refuse}", "new_face": GOOD}
    body, code = {"model": "image-face-swap", "input": swap}, RULES["crun"].refusals[row.refuse].code
    told = [crun.call("POST", "job/CreateTask", json=body).json()["code"] for _ in range(4)]
    assert told == [code, code, 200, 200]


@pytest.mark.parametrize("row", CODES["imgopen"], ids=lambda row: row.value)
def test_each_code_of_img_open_clears_by_itself(imgopen, row):
    told = [imgopen.call(*job("roop", url=f"{row.value}_twice")).json()["code"] for _ in range(3)]
    code = RULES["imgopen"].refusals[row.refuse].code
    assert told == [code, code, "200"]


def test_each_url_counts_for_itself_and_a_reset_begins_anew(account):
    crun = account.crun

    def codes(url, count=2):
        return [crun.call("POST", "job/detect-face-image", json={"image_url": url}).status_code for _ in range(count)]

    assert codes("https://errors.invalid/429_once?job=1") == [429, 200]
    assert codes("https://errors.invalid/429_once?job=2") == [429, 200]
    assert codes("https://errors.invalid/429_once?job=1") == [200, 200]
    saved = account.admin("POST", "snapshot")
    account.admin("POST", "reset")
    assert codes("https://errors.invalid/429_once?job=1") == [429, 200]
    account.admin("POST", "restore", json=saved)
    assert codes("https://errors.invalid/429_once?job=2") == [200, 200]


@pytest.mark.parametrize("name", ["gateway_502", "http_503", "429_seconds", "maintenance"])
def test_a_fault_clears_by_itself(crun, name):
    body = {"image_url": f"https://errors.invalid/{name}_twice"}
    answers = [crun.call("POST", "job/detect-face-image", json=body) for _ in range(3)]
    broken = [a.status_code != 200 or a.json()["code"] != 200 for a in answers]
    assert broken == [True, True, False]


def test_a_failing_scenario_clears_by_itself_and_estimates_do_not_count(crun, time):
    swap = {"image_url": "https://errors.invalid/download_deadline_once", "new_face": GOOD}
    body = {"model": "image-face-swap", "input": swap}
    assert crun.data("POST", "job/EstimateTask", json=body)["affordable"] is True
    first, second = (crun.create("image-face-swap", swap) for _ in range(2))
    time.advance(100)
    assert (crun.info(first)["status"], crun.info(first)["result"]["code"]) == ("failed", 422)
    assert crun.info(second)["status"] == "success"


@pytest.mark.parametrize("value", ["https://faces.invalid/2_twice.png", "https://errors.invalid/nope_twice"])
def test_only_outcomes_clear(crun, value):
    refused = crun.refused("POST", "job/detect-face-image", json={"image_url": value})
    assert refused["code"] == 422
    assert "_once or _twice" in refused["errors"][0]


def test_the_urls_that_are_counted_are_bounded(crun, monkeypatch):
    monkeypatch.setattr(calls, "MOST_CLEARING", 2)
    codes = [
        crun.call(
            "POST", "job/detect-face-image", json={"image_url": f"https://errors.invalid/500_once?{n}"}
        ).status_code
        for n in (1, 2, 3)
    ]
    assert codes == [500, 500, 429]


def test_the_table_tells_which_values_clear(server, crun):
    rows = requests.get(f"{server.url}/__admin/magic", timeout=10).json()["crun"]
    by_value = {row["value"]: row.get("clearing", []) for row in rows}
    assert by_value["https://errors.invalid/429"] == [
        "https://errors.invalid/429_once",
        "https://errors.invalid/429_twice",
    ]
    assert by_value["https://faces.invalid/2.png"] == []
    for url in (url for urls in by_value.values() for url in urls):
        row = RULES["crun"].magic_for(url)
        assert row is not None
        assert row.times in (1, 2) or row.scenario in ("media_503_twice", "media_breaks_off_once")


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("GET", "job/TaskInfo?task_id=x", 404, "Task not found"),
        ("GET", "job/detect-face-result?detect_task_id=x", 404, "Task not found"),
        ("GET", "job/Models/z-image", 404, "Model not found"),
        ("POST", "job/CreateTask", 404, "Model not found"),
        ("GET", "account/balance", 404, "Not Found"),
        ("GET", "job/Models", 404, "Not Found"),
        ("GET", "account/balance", 403, "API key disabled"),
        ("GET", "account/balance", 451, "The content was rejected by moderation"),
    ],
)
def test_a_refusal_by_code_has_the_words_of_its_operation(account, method, path, code, message):
    account.admin("POST", "faults", json={"effect": {"code": code}})
    refused = account.crun.refused(method, path, **({"json": {}} if method == "POST" else {}))
    assert (refused["code"], refused["message"]) == (code, message)


def test_a_refusal_by_code_at_img_open(account):
    account.admin("POST", "faults", json={"effect": {"code": "404"}})
    asked = account.imgopen.refused("tool/face/fusion/queryTask", {"businessTaskId": "1"})
    assert asked["msg"] == "task does not exist"
