"""Every refusal, in the envelope and on HTTP 200: the vendor documents no other status."""

import pytest
import requests

from swapmock.contracts import load
from swapmock.mock_server.settings import Settings
from tests.stories.imgopen_jobs import PICTURE, job


@pytest.fixture
def settings(request):
    """Guesses refuse here, too: this module is about how a refusal looks."""
    strict = {"crun": {"guesses": "refuse"}, "imgopen": {"guesses": "refuse"}}
    return Settings(**{"variants": strict, **getattr(request, "param", {})})


CONTRACT = load("imgopen")
RULES = CONTRACT.behaviour
DETECTION = {"imageUrl": PICTURE, "businessTaskId": "1"}
ALL = [name for name, operation in CONTRACT.operations.items() if not operation.files]
TOOLS = {row["operation"] for row in CONTRACT.tables["tools"]["tools"]}


def refusal(problem, detail=""):
    row = RULES.refusals[problem]
    return {"code": row.code, "msg": row.message + (f": {detail}" if detail else ""), "data": None, "http": 200}


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, "key_missing"),
        ({"accessKeyId": ""}, "key_missing"),
        ({"accessKeyId": "openapi-swapmock00000000"}, "key_missing"),
        ({"accessKeySecret": "secretswapmock000000000000000000"}, "key_missing"),
        ({"accessKeyId": "openapi-swapmock00000000", "accessKeySecret": ""}, "key_missing"),
        ({"accessKeyId": "openapi-nobody0000000000", "accessKeySecret": "s"}, "key_unknown"),
        ({"accessKeyId": "openapi-swapmock00000000", "accessKeySecret": "wrong"}, "secret_wrong"),
        ({"accessKeyId": "openapi-swapmock00000000", "accessKeySecret": "secretswapmockother0000000000000"}, "secret_wrong"),
        ({"accessKeyId": "ak_swapmock000000000000000000000000", "accessKeySecret": "s"}, "key_unknown"),
        ({"accessKeyId": "openapi-swapmockdisabled", "accessKeySecret": "secretswapmockdisabled0000000000"}, "key_disabled"),
        ({"accessKeyId": "openapi-swapmockdisabled", "accessKeySecret": "wrong"}, "secret_wrong"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["tool/face/detection", "sd/v2/queryTaskInfo", "sd/v2/queryModelList"])
def test_credentials(imgopen, path, headers, problem):
    sent = {f"X-Request-req-{name}": value for name, value in headers.items()}
    # Credentials are checked before the body, which is empty here.
    assert imgopen.refused(path, {}, headers=sent) == refusal(problem)


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_header_names_are_taken_in_any_case(imgopen, spelling):
    sent = {spelling(name): value for name, value in imgopen.credentials.items()}
    assert imgopen.data("tool/face/detection", DETECTION, headers=sent)["status"] == 2


@pytest.mark.parametrize("operation", ALL)
def test_without_a_body(imgopen, operation):
    path = CONTRACT.operations[operation].path.split("/saas/")[1].replace("{toolCode}", "roop")
    asked = imgopen.refused(path, None, headers={**imgopen.credentials, "Content-Type": "application/json"})
    assert asked == refusal("invalid", "body: Field required")


@pytest.mark.parametrize("operation", ALL)
def test_a_required_field_is_missing(imgopen, operation):
    spec = CONTRACT.operations[operation]
    path = spec.path.split("/saas/")[1].replace("{toolCode}", "roop")
    for name in spec.body_schema["required"]:
        whole = job(operation)[1] if operation in TOOLS else dict.fromkeys(
            spec.body_schema["required"], 1)  # fmt: skip
        asked = imgopen.refused(path, {key: value for key, value in whole.items() if key != name})
        assert (asked["code"], asked["http"]) == ("400", 200)
        assert f"{name} is required" in asked["msg"]


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("tool/face/detection", {**DETECTION, "imageUrl": 7}, "imageUrl should be of type string"),
        ("tool/face/detection", {**DETECTION, "imageUrl": "ftp://example.com/a.png"}, "imageUrl should match ^https?://[^\\s/?#]"),
        ("tool/face/detection", {**DETECTION, "businessTaskId": 10086996}, "businessTaskId should be of type string"),
        ("tool/face/detection", {**DETECTION, "businessTaskId": ""}, "businessTaskId should have at least 1 character(s); businessTaskId should match ^[^\\x00-\\x1f]+$"),
        ("tool/face/detection", {**DETECTION, "callbackUrl": "nowhere"}, "callbackUrl should match ^(https?://[^\\s/?#]\\S*)?$"),
        ("tool/face/fusion", {"sourceUrl": PICTURE, "targetUrl": PICTURE, "businessTaskId": "1"}, "sourceUrl should be of type array"),
        ("tool/face/fusion", {"sourceUrl": [], "targetUrl": PICTURE, "businessTaskId": "1"}, "sourceUrl should have at least 1 item(s)"),
        ("tool/face/fusion", {"sourceUrl": [PICTURE] * 3, "targetUrl": PICTURE, "businessTaskId": "1"}, "sourceUrl should have at most 2 item(s)"),
        ("tool/face/fusion", {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "1", "faceIdx": 0}, "faceIdx should be at least 1"),
        ("tool/roop", {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "1"}, "sourceUrl should be of type string"),
        ("tool/v2/roop", {"sourceUrl": PICTURE, "targetUrl": PICTURE, "businessTaskId": "1", "fidelityWeight": 0.5}, "fidelityWeight should be of type string"),
        ("tool/v2/roop", {"sourceUrl": PICTURE, "targetUrl": PICTURE, "businessTaskId": "1", "fidelityWeight": "1.5"}, "fidelityWeight should match ^(0(\\.[0-9]+)?|1(\\.0+)?)$"),
        ("tool/instantID", {"businessTaskId": "1", "image": PICTURE, "prompt": "a", "width": 512}, "width should be 960"),
        ("tool/interrogate", {"businessTaskId": "1", "image": PICTURE, "model": "blip"}, "model should be one of clip, deepdanbooru"),
        ("tool/prompts/expand", {"businessTaskId": "1", "mode": 2, "sourcePrompt": "a"}, "mode should be one of 0, 1"),
        ("tool/imgExpand", {**job("img_expand")[1], "verticalExpansionRatio": 4.5}, "verticalExpansionRatio should be at most 4"),
        ("sd/v2/text2image", {"prompt": "a", "n_iter": 1, "batch_size": 1, "alwayson_scripts": {}}, "alwayson_scripts.id_task is required"),
        ("modelTraining/submitTraining/Job", {"taskId": "1", "fileUrlList": [PICTURE] * 9}, "fileUrlList should have at least 10 item(s)"),
        ("modelTraining/submitTraining/Job", {**job("submit_training")[1], "learningRate": 0.00001}, "learningRate should be of type string"),
        ("tool/roop/queryTask", {"businessTaskId": 5}, "businessTaskId should be of type string"),
        ("sd/v2/queryModelList", {"pageSize": 0, "pageNum": 1}, "pageSize should be at least 1"),
        ("tool/face/detection", [], "body should be of type object"),
    ],
)  # fmt: skip
def test_a_field_is_wrong(imgopen, path, body, detail):
    assert imgopen.refused(path, body) == refusal("invalid", detail)


def test_several_fields_are_wrong(imgopen):
    asked = imgopen.refused("tool/roop", {"sourceUrl": 1})
    expected = "businessTaskId is required; sourceUrl should be of type string; targetUrl is required"
    assert asked == refusal("invalid", expected)


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"imageUrl": NaN}', b"[" * 1000])
def test_what_is_no_json(imgopen, body):
    sent = {**imgopen.credentials, "Content-Type": "application/json"}
    asked = imgopen.refused("tool/face/detection", None, data=body, headers=sent)
    assert (asked["code"], asked["http"]) == ("400", 200)
    assert "JSON" in asked["msg"] or "nested" in asked["msg"]


def test_another_content_type(imgopen):
    sent = {**imgopen.credentials, "Content-Type": "text/plain"}
    asked = imgopen.refused("tool/face/detection", None, data=b"{}", headers=sent)
    assert asked == refusal("invalid", "body: Content-Type should be application/json, not text/plain")


@pytest.mark.parametrize("path", ["sd/queryTaskInfo", "sd/v2/queryTaskInfo", "tool/face/detection/queryTask"])
def test_an_unknown_task(imgopen, path):
    assert imgopen.refused(path, {"businessTaskId": "nobody"}) == refusal("task_not_found")


@pytest.mark.parametrize("code", ["nothing", "face", "face/fusion/x", "sd/v2/text2image", "face/restoration", "roop/"])
def test_an_unknown_tool(imgopen, code):
    assert imgopen.refused(f"tool/{code}/queryTask", {"businessTaskId": "1"}) == refusal("tool_not_found")


@pytest.mark.parametrize(
    "path",
    ["tool/faceRestoration", "tool/superResolution", "tool/background/remove", "tool/roop/", "sd/v2/queryVaeList",
     "modelTraining/queryResult", "sd/v2/text2Image", "nothing"],
)  # fmt: skip
def test_a_page_that_could_not_be_read_is_refused_and_not_invented(imgopen, path):
    asked = imgopen.refused(path, {"businessTaskId": "1"})
    assert asked == refusal("endpoint_not_found")
    assert "NOTES.md" in asked["msg"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method(imgopen, method):
    url = f"{imgopen.base_url}/AIGCImgOpenServ/saas/tool/roop"
    answer = requests.request(method, url, headers=imgopen.credentials, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (200, "404")


def test_no_face(imgopen):
    body = {"imageUrl": "https://faces.invalid/0.png", "businessTaskId": "1"}
    assert imgopen.refused("tool/face/detection", body) == refusal("no_face")
    # The task exists nevertheless, and it has failed.
    asked = imgopen.query("face/detection", "1")
    assert (asked["status"], asked["faceUrls"], asked["errorMessage"]) == (4, [], "no face detected")


@pytest.mark.parametrize("url", ["https://errors.invalid/1002", "https://errors.invalid/undownloadable.jpg"])
def test_a_picture_that_cannot_be_downloaded(imgopen, url):
    assert imgopen.refused("tool/face/detection", {"imageUrl": url, "businessTaskId": "1"}) == refusal("undownloadable")


@pytest.mark.parametrize("settings", [{"balance": 1.5}], indirect=True)
def test_the_quota_is_used_up(imgopen):
    imgopen.detect(PICTURE)
    assert imgopen.refused("tool/face/detection", DETECTION) == refusal("insufficient_credits")


def test_a_face_that_is_not_there(imgopen):
    body = {"sourceUrl": [PICTURE], "targetUrl": "https://faces.invalid/3.png", "businessTaskId": "1", "faceIdx": 4}
    asked = imgopen.refused("tool/face/fusion", body)
    assert asked == refusal("invalid", "faceIdx should be from 1 to 3: the target has no face 4")


def test_a_body_that_is_too_large(imgopen):
    sent = {**imgopen.credentials, "Content-Type": "application/json"}
    asked = imgopen.call("tool/face/detection", None, data=b" " * 2_000_000, headers=sent)
    assert asked.json()["code"] == "400"
    assert "larger than 1048576 bytes; --max-body allows more" in asked.json()["msg"]


def test_a_misspelt_magic_value_is_named(imgopen):
    asked = imgopen.refused("tool/face/detection", {**DETECTION, "imageUrl": "https://faces.invalid/three.png"})
    assert asked["code"] == "400"
    assert "unknown magic value https://faces.invalid/three.png" in asked["msg"]


def test_every_refusal_is_marked_as_invented():
    assert {row.evidence for row in RULES.refusals.values()} == {"invented"}
    assert {row.evidence for code, row in RULES.body_codes.items() if code != "200"} == {"invented"}
