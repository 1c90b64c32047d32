"""Wrong requests are answered in the envelope with the vendor's sentences, never with a stack trace or HTML."""

import gzip
import json
import re

import pytest
import requests

from swapmock.mock_server.settings import Settings


@pytest.fixture
def settings(request):
    """Guesses refuse here, too: this module is about how a refusal looks."""
    strict = {"crun": {"guesses": "refuse"}, "imgopen": {"guesses": "refuse"}}
    return Settings(**{"variants": strict, **getattr(request, "param", {})})


MESSAGE = "Missing Params or Type Error"
MIB = 1 << 20
SWAP = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
POSTS = ["job/detect-face-image", "job/detect-face-video", "job/CreateTask", "job/estimate-credits", "job/EstimateTask"]
GETS = [
    "job/detect-face-result?detect_task_id=d00000000000000000",
    "job/TaskInfo?task_id=x",
    "account/balance",
    "files/upload-url?content_type=image/png&ext=.png",
    "job/Models",
    "job/Models/google/nano-banana",
    "job/kling-templates",
    "job/vidu-templates",
    "job/bytedance-templates",
]

BAD_BODIES = {
    "no JSON": (b"{", "body: JSON decode error, "),
    "cut off": (b'{"model": "image-face-swap", "inp', "body: JSON decode error, "),
    "nothing": (b"", "body: Field required"),
    "two values": (b"{}{}", "body: JSON decode error, "),
    "NaN": (b'{"model": NaN}', "body: JSON decode error, "),
    "single quotes": (b"{'model': 1}", "body: JSON decode error, "),
    "not UTF-8": (b'{"model": "\xff\xfe"}', "body: JSON decode error, "),
    "UTF-16": ('{"model": "z-image"}'.encode("utf-16"), "body: JSON decode error, it is UTF-16, and JSON is UTF-8"),
    "GBK": ('{"model": "换"}'.encode("gbk"), "body: JSON decode error, it is not UTF-8: byte 11 is 0xbb"),
    "gzip": (gzip.compress(b"{}", mtime=0), "body: JSON decode error, it is compressed (gzip); send it as it is"),
    "10,000 lists": (b"[" * 10_000 + b"]" * 10_000, "body: JSON decode error, nested deeper than 200 levels"),
    "10,000 objects": (
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "body: JSON decode error, nested deeper than 200 levels",
    ),
    "10,000 levels, never closed": (b"[" * 10_000, "body: JSON decode error, nested deeper than 200 levels"),
    "NUL byte": (b'{"image_url": "https://example.com/\x00"}', "body: JSON decode error, "),
    "NUL at the end": (b'{"image_url": "https://example.com/"}\x00', "body: JSON decode error, "),
    "lone surrogate": (b'{"image_url": "https://example.com/\\ud800"}', "body: JSON decode error, "),
    "lone low surrogate": (b'{"image_url": "https://example.com/\\udc00"}', "body: JSON decode error, "),
    "lone surrogate as a key": (b'{"\\udfff": 1}', "body: JSON decode error, "),
    "null": (b"null", "body: Input should be a valid dictionary"),
    "a list": (b"[]", "body: Input should be a valid dictionary"),
    "a string": (b'"x"', "body: Input should be a valid dictionary"),
    "a number": (b"1", "body: Input should be a valid dictionary"),
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body(crun, path, name):
    raw, start = BAD_BODIES[name]
    refused = crun.refused("POST", path, data=raw, headers={"Content-Type": "application/json"})
    assert (refused["http"], refused["code"], refused["message"]) == (422, 422, MESSAGE)
    (sentence,) = refused["errors"]
    assert sentence.startswith(start)
    assert "Traceback" not in sentence


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "x"],
)
def test_another_content_type(crun, kind):
    raw = b'{"image_url": "https://example.com/a.png"}'
    refused = crun.refused("POST", "job/detect-face-image", data=raw, headers={"Content-Type": kind})
    assert (refused["http"], refused["code"]) == (422, 422)
    assert refused["errors"] == [f"body: Content-Type should be application/json, not {kind}"]


def test_a_compressed_body_is_told(crun):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refused = crun.refused("POST", "job/detect-face-image", data=gzip.compress(b"{}"), headers=headers)
    assert refused["errors"] == ["body: Content-Encoding gzip is not taken; send the body as it is"]


def test_a_byte_order_mark_is_read(crun):
    raw = b'\xef\xbb\xbf{"image_url": "https://example.com/a.png"}'
    made = crun.data("POST", "job/detect-face-image", data=raw, headers={"Content-Type": "application/json"})
    assert made["detect_task_id"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json", None]
)
def test_spellings_of_the_content_type(crun, kind):
    raw = b'{"image_url": "https://example.com/a.png"}'
    assert crun.data("POST", "job/detect-face-image", data=raw, headers={"Content-Type": kind})["detect_task_id"]


def says(field, sentence, model="image-face-swap"):
    return f"Value error, Invalid input for model {model}: {field}: {sentence}"


BAD_TASKS = {
    "nothing at all": ({}, ["input: Field required", "model: Field required"]),
    "no input": ({"model": "image-face-swap"}, ["input: Field required"]),
    "no model": ({"input": SWAP}, ["model: Field required"]),
    "a model that is no text": ({"model": 5, "input": SWAP}, ["model: Input should be a valid string"]),
    "input that is no object": (
        {"model": "image-face-swap", "input": "x"},
        ["input: Input should be a valid dictionary"],
    ),
    "input null": ({"model": "z-image", "input": None}, ["input: Input should be a valid dictionary"]),
    "empty input": (
        {"model": "image-face-swap", "input": {}},
        [says("image_url", "Field required"), says("new_face", "Field required")],
    ),
    "a number for a URL": (
        {"model": "image-face-swap", "input": {**SWAP, "new_face": 5}},
        [says("new_face", "Input should be a valid string")],
    ),
    "no URL": (
        {"model": "image-face-swap", "input": {**SWAP, "new_face": "ftp://example.com/a"}},
        [says("new_face", "URL scheme should be 'http' or 'https'")],
    ),
    "text for a boolean": (
        {"model": "image-face-swap", "input": {**SWAP, "disable_safety_checker": "no"}},
        [says("disable_safety_checker", "Input should be a valid boolean")],
    ),
    "faces that are no list": (
        {"model": "image-face-swap-multi", "input": {"detect_id": "x", "image_url": SWAP["image_url"], "faces": {}}},
        [says("faces", "Input should be a valid list", "image-face-swap-multi")],
    ),
    "no faces": (
        {"model": "image-face-swap-multi", "input": {"detect_id": "x", "image_url": SWAP["image_url"], "faces": []}},
        [says("faces", "List should have at least 1 item after validation, not 0", "image-face-swap-multi")],
    ),
    "a face without its target": (
        {
            "model": "image-face-swap-multi",
            "input": {"detect_id": "x", "image_url": SWAP["image_url"], "faces": [{"face_id": 0}]},
        },
        [says("faces.0.target", "Field required", "image-face-swap-multi")],
    ),
    "a callback URL that is none": (
        {"model": "image-face-swap", "input": SWAP, "callback_url": "example.com"},
        ["callback_url: URL scheme should be 'http' or 'https'"],
    ),
    # The vendor's own documents contain these two sentences.
    "a format that does not exist": (
        {"model": "google/nano-banana-pro", "input": {"prompt": "a", "output_format": "gif"}},
        [says("output_format", "Input should be 'png' or 'jpg'", "google/nano-banana-pro")],
    ),
    "a duration that does not exist": (
        {"model": "google/veo3-1-fast-t2v", "input": {"prompt": "a", "duration": 5}},
        [says("duration", "Input should be 4, 6 or 8", "google/veo3-1-fast-t2v")],
    ),
    "too many pictures": (
        {"model": "bytedance/seedream-4-5", "input": {"prompt": "a", "num_outputs": 16}},
        [says("num_outputs", "Input should be less than or equal to 15", "bytedance/seedream-4-5")],
    ),
    "a long prompt": (
        {"model": "z-image", "input": {"prompt": "a" * 801}},
        [says("prompt", "String should have at most 800 characters", "z-image")],
    ),
    "NUL in a prompt": (
        {"model": "z-image", "input": {"prompt": "a\0"}},
        [says("prompt", "Input should be text without control characters", "z-image")],
    ),
}


@pytest.mark.parametrize("path", ["job/CreateTask", "job/estimate-credits", "job/EstimateTask"])
@pytest.mark.parametrize("name", BAD_TASKS)
def test_a_bad_task(crun, path, name):
    body, sentences = BAD_TASKS[name]
    before = crun.balance()
    refused = crun.refused("POST", path, json=body)
    assert refused == {"http": 422, "code": 422, "message": MESSAGE, "errors": sentences}
    assert crun.balance() == before


@pytest.mark.parametrize("model", ["nothing", "", "\0", "IMAGE-FACE-SWAP", "x" * 5000, "<script>"])
def test_an_unknown_model(crun, model):
    refused = crun.refused("POST", "job/CreateTask", json={"model": model, "input": SWAP})
    assert (refused["http"], refused["code"], refused["message"]) == (422, 422, MESSAGE)
    assert re.match(r"model: Input should be a known model, not '", refused["errors"][0])
    assert len(refused["errors"][0]) < 300


@pytest.mark.parametrize(
    ("path", "field"), [("job/detect-face-image", "image_url"), ("job/detect-face-video", "video_url")]
)
@pytest.mark.parametrize(
    "value", [None, 5, True, [], {}, "", "x", "//example.com/a", "data:image/png;base64,AAAA", "https://", "a" * 3000]
)
def test_a_bad_detection(crun, path, field, value):
    refused = crun.refused("POST", path, json={field: value})
    assert (refused["http"], refused["code"], refused["message"]) == (422, 422, MESSAGE)
    assert all(sentence.startswith(f"{field}: ") for sentence in refused["errors"])
    missing = crun.refused("POST", path, json={})
    assert missing["errors"] == [f"{field}: Field required"]


@pytest.mark.parametrize(("path", "name"), [("job/TaskInfo", "task_id"), ("job/detect-face-result", "detect_task_id")])
def test_polls_without_an_id(crun, path, name):
    assert crun.refused("GET", path)["errors"] == [f"{name}: Field required"]
    for value in ("", "\0", "a\nb", "x" * 201):
        refused = crun.refused("GET", path, params={name: value})
        assert (refused["http"], refused["code"]) == (422, 422)
    for value in ("x", "é", "../..", "x" * 36, "%ff", "' or 1=1"):
        refused = crun.refused("GET", path, params={name: value})
        assert refused == {"http": 404, "code": 404, "message": "Task not found", "data": None}


@pytest.mark.parametrize("path", GETS)
def test_a_get_may_claim_json_and_have_no_body(crun, path):
    plain = crun.call("GET", path)
    claimed = crun.call("GET", path, headers={"Content-Type": "application/json"})
    garbage = crun.call("GET", path, headers={"Content-Type": "application/json"}, data=b"{{{")
    assert plain.status_code == claimed.status_code == garbage.status_code
    assert plain.json()["code"] == claimed.json()["code"] == garbage.json()["code"] != 422


@pytest.mark.parametrize("callback_url", ["", None])
def test_an_empty_callback_url_is_none(crun, callback_url):
    task_id = crun.create("image-face-swap", SWAP, callback_url=callback_url)
    assert crun.info(task_id)["param"]["callback_url"] is None


def test_a_callback_url_is_kept_as_it_is(crun):
    url = "https://example.com/hook?secret=a%20b&c=%2F#d"
    task_id = crun.create("image-face-swap", SWAP, callback_url=url)
    assert crun.info(task_id)["param"] == {"model": "image-face-swap", "input": SWAP, "callback_url": url}


def test_unknown_fields_are_tolerated_and_echoed(crun):
    given = {**SWAP, "img_urls": ["https://example.com/c.png"], "note": {"a": [1, None, "é😀"]}}
    task_id = crun.create("image-face-swap", given, extra=True)
    assert crun.info(task_id)["param"] == {
        "model": "image-face-swap",
        "input": given,
        "extra": True,
        "callback_url": None,
    }


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/nothing",
        "/job",
        "/job/",
        "/job/createtask",
        "/job/CreateTask/",
        "//job/CreateTask",
        "/job/%00",
        "/../x",
        "/é",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_unknown_path(server, crun, method, path):
    answer = requests.request(
        method, f"{server.url}/api/v1/client{path}", headers={"x-api-key": crun.key}, json={"a": 1}, timeout=10
    )
    if path == "/../x":  # the client makes another path of it
        assert answer.status_code == 404
        return
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")
    assert answer.json() == {"code": 404, "message": "Not Found", "data": None}


@pytest.mark.parametrize("path", POSTS + [path.partition("?")[0] for path in GETS])
def test_a_wrong_method(crun, path):
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - {"POST" if path in POSTS else "GET"}:
        refused = crun.refused(method, path)
        assert refused == {"http": 404, "code": 404, "message": "Not Found", "data": None}
    assert crun.call("HEAD", path).status_code == 404


@pytest.mark.parametrize("path", POSTS + GETS)
def test_keys(crun, path):
    method = "POST" if path in POSTS else "GET"
    missing = {"http": 401, "code": 401, "message": "API key missing", "data": None}
    unknown = {"http": 401, "code": 401, "message": "Invalid API key", "data": None}
    disabled = {"http": 403, "code": 403, "message": "API key disabled", "data": None}
    for key, expected in (
        (None, missing),
        ("", missing),
        ("ak_" + "x" * 32, unknown),
        ("nonsense", unknown),
        (crun.key.upper(), unknown),
        (crun.key[:-1], unknown),
        ("ak_swapmockdisabled0000000000000000", disabled),
    ):
        assert crun.refused(method, path, headers={"x-api-key": key}) == expected
    assert re.fullmatch(r"ak_[A-Za-z0-9]{32}", crun.key)


def test_the_key_comes_before_the_body(crun):
    wrong = {"x-api-key": "ak_" + "x" * 32, "Content-Type": "application/json"}
    assert crun.refused("POST", "job/CreateTask", headers=wrong, data=b"{")["code"] == 401


@pytest.mark.parametrize("spelling", ["X-API-KEY", "x-api-key", "X-Api-Key"])
def test_the_header_may_be_written_in_any_case(server, crun, spelling):
    answer = requests.get(f"{server.url}/api/v1/client/account/balance", headers={spelling: crun.key}, timeout=10)
    assert answer.json()["code"] == 200


def large(size):
    head, tail = b'{"image_url": "https://example.com/a.png", "x": "', b'"}'
    return head + b"a" * (size - len(head) - len(tail)) + tail


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("size", [MIB + 1, 20 * MIB])
def test_a_body_over_one_mebibyte(crun, path, size):
    refused = crun.refused("POST", path, data=large(size), headers={"Content-Type": "application/json"})
    assert refused == {
        "http": 413,
        "code": 422,
        "message": MESSAGE,
        "errors": ["body: larger than 1048576 bytes; --max-body allows more"],
    }


def test_a_body_over_one_mebibyte_in_chunks(crun):
    chunks = (large(2 * MIB)[start : start + 65_536] for start in range(0, 2 * MIB, 65_536))
    refused = crun.refused("POST", "job/CreateTask", data=chunks, headers={"Content-Type": "application/json"})
    assert (refused["http"], refused["code"]) == (413, 422)


def test_a_body_of_one_mebibyte(crun):
    headers = {"Content-Type": "application/json"}
    assert crun.data("POST", "job/detect-face-image", data=large(MIB), headers=headers)["detect_task_id"]
    chunks = (large(MIB)[start : start + 65_536] for start in range(0, MIB, 65_536))
    assert crun.data("POST", "job/detect-face-image", data=chunks, headers=headers)["detect_task_id"]


def test_deep_nesting_within_reason(crun):
    given: object = 1
    for level in range(197):
        given = {"a": given} if level % 2 else [given]
    assert crun.create("z-image", {"prompt": "a", "x": given})


def test_numbers_beyond_reason(crun):
    headers = {"Content-Type": "application/json"}
    for seed in ("1e400", "-1e400", "9" * 400):
        raw = f'{{"model": "z-image", "input": {{"prompt": "a", "seed": {seed}}}}}'
        assert crun.call("POST", "job/CreateTask", data=raw, headers=headers).status_code == 422


def test_what_is_nested_as_deep_as_it_may_be_is_told_everywhere(account, receiver):
    """The answers that quote the input and the callback can be written, too, however deep the input is."""
    deep = "[" * 198 + "]" * 198
    body = f'{{"model":"image-face-swap","callback_url":"{receiver.url()}","input":{{"image_url":"https://example.com/a.png"'
    body += f',"new_face":"https://example.com/b.png","x":{deep}}}}}'
    headers = {"content-type": "application/json"}
    task = account.crun.data("POST", "job/CreateTask", data=body, headers=headers)["task_id"]
    assert account.crun.info(task)["param"]["input"]["x"] == json.loads(deep)
    account.advance(until="idle")
    assert receiver.bodies()[0]["param"]["input"]["x"] == json.loads(deep)
    for path in (f"tasks/{task}", "tasks", "journal", "har", "snapshot", f"why/{task}", "deliveries"):
        assert account.admin("GET", path)
    refused = account.crun.refused("POST", "job/CreateTask", data=body.replace(deep, f"[{deep}]"), headers=headers)
    assert "nested deeper than 200 levels" in refused["errors"][0]
