"""Input that strict schemas refuse and servers take: null for absence, URLs in other spellings, photos as data URIs."""

import gzip
import json

import pytest

from swapmock.mock_server.web.long_bodies import LONGEST_DATA_URI, with_short_data_uris

SWAP = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
JSON = {"Content-Type": "application/json"}


def test_null_is_absence_and_the_task_shows_what_was_sent(crun, time):
    task = crun.create("image-face-swap", {**SWAP, "disable_safety_checker": None}, callback_url=None)
    assert crun.info(task)["param"]["input"] == {**SWAP, "disable_safety_checker": None}
    body = {"model": "google/nano-banana-pro", "input": {"prompt": "a", "resolution": None, "img_urls": None}}
    assert crun.data("POST", "job/estimate-credits", json=body) == {"credits": 8, "estimated": False}


def test_null_at_img_open(imgopen, time):
    body = {"sourceUrl": [SWAP["new_face"]], "targetUrl": SWAP["image_url"], "businessTaskId": "1", "faceIdx": None}
    imgopen.data("tool/face/fusion", {**body, "callbackUrl": None})
    time.advance(10)
    assert imgopen.query("face/fusion", "1")["outputImageUrl"]


@pytest.mark.parametrize(
    "url", ["HTTPS://faces.invalid/2.png", "https://FACES.INVALID/2.png", "Http://Faces.Invalid/2"]
)
def test_scheme_and_host_in_any_case(crun, imgopen, url):
    assert len(crun.detected(url)["faces"]) == 2
    assert len(imgopen.detect(url)["faceUrls"]) == 2


def test_magic_refusals_in_any_case(crun):
    for name in ("429", "http_503"):
        answer = crun.call("POST", "job/detect-face-image", json={"image_url": f"HTTPS://ERRORS.INVALID/{name}"})
        assert answer.status_code == int(name[-3:])


def test_raw_characters_of_another_script(crun, imgopen, time):
    url = "https://例子.example/图片/脸.png?名=值"
    found = crun.detected(url)
    given = {"detect_id": found["id"], "image_url": url, "faces": [{"face_id": 0, "target": url}]}
    task = crun.create("image-face-swap-multi", given)
    time.advance(10)
    info = crun.info(task)
    assert (info["status"], info["param"]["input"]["image_url"]) == ("success", url)
    assert imgopen.detect(url)["faceUrls"]


def test_a_callback_url_in_capitals_is_called(account, receiver):
    url = receiver.url("/cb").replace("http://", "HTTP://")
    account.swap(url)
    account.advance(by=100)
    assert receiver.got[0].json["status"] == "success"
    assert receiver.got[0].path == "/cb"


def photo(size):
    return "data:image/jpeg;base64," + "A" * size


def test_a_photo_as_a_data_uri_fits(crun):
    body = {
        "model": "google/nano-banana-pro",
        "input": {"prompt": "a", "img_urls": [photo(4_000_000), photo(4_000_000)]},
    }
    for path in ("job/estimate-credits", "job/EstimateTask", "job/CreateTask"):
        assert crun.call("POST", path, json=body).json()["code"] == 200


def test_the_task_keeps_the_whole_photo(crun):
    given = {"prompt": "a", "img_urls": [photo(1_500_000) + "B"]}
    task = crun.create("google/nano-banana-pro", given)
    assert crun.info(task)["param"]["input"] == given


def test_a_long_body_is_short_where_it_is_checked():
    short = with_short_data_uris({"a": [photo(9000) + "B", photo(9000) + "C", "https://x/" + "a" * 9000, 5, None]})["a"]
    assert [len(text) for text in short[:3]] == [LONGEST_DATA_URI + 32, LONGEST_DATA_URI + 32, 9010]
    assert short[0] != short[1]
    assert short[3:] == [5, None]


def test_a_long_body_without_data_uris_is_too_large(crun):
    for text in ("a" * 1_100_000, "data:image/png"):
        body = {"model": "google/nano-banana", "input": {"prompt": text}, "more": ["x" * 1_100_000]}
        refused = crun.refused("POST", "job/CreateTask", json=body)
        assert (refused["http"], refused["code"]) == (413, 422)
        assert "1048576" in refused["errors"][0]


@pytest.mark.parametrize("settings", [{"max_media_body": 3_000_000}], indirect=True)
def test_the_limit_is_a_setting(crun):
    one, two = (
        {"model": "google/nano-banana", "input": {"prompt": "a", "img_urls": [photo(2_000_000)] * count}}
        for count in (1, 2)
    )
    assert crun.call("POST", "job/CreateTask", json=one).json()["code"] == 200
    refused = crun.refused("POST", "job/CreateTask", json=two)
    assert (refused["http"], "--max-media-body" in refused["errors"][0]) == (413, True)


def test_a_face_swap_takes_no_photo_in_its_body(crun):
    refused = crun.refused(
        "POST", "job/CreateTask", json={"model": "image-face-swap", "input": {**SWAP, "image_url": photo(2_000_000)}}
    )
    assert (refused["code"], "image_url" in refused["errors"][0]) == (422, True)
    assert len(str(refused)) < 1000


BODY = json.dumps({"image_url": "https://example.com/例图.png"}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("content", "headers", "words"),
    [
        (gzip.compress(BODY.encode()), {"Content-Encoding": "gzip"}, "Content-Encoding gzip is not taken"),
        (gzip.compress(BODY.encode()), {}, "compressed (gzip)"),
        (BODY.encode("utf-16"), {}, "UTF-16"),
        (BODY.encode("utf-16-le"), {}, "UTF-16"),
        (BODY.encode("utf-32-be"), {}, "UTF-32"),
        (BODY.encode("gbk"), {}, "not UTF-8"),
    ],
    ids=["gzip", "gzip-untold", "utf-16", "utf-16-le", "utf-32-be", "gbk"],
)
def test_bodies_in_other_forms_are_told(crun, imgopen, content, headers, words):
    refused = crun.refused("POST", "job/detect-face-image", data=content, headers={**JSON, **headers})
    assert (refused["code"], words in refused["errors"][0]) == (422, True), refused
    asked = imgopen.call(
        "tool/face/detection", None, json=None, data=content, headers={**imgopen.credentials, **JSON, **headers}
    )
    assert words in asked.json()["msg"]


def test_a_byte_order_mark_is_read(crun):
    answer = crun.call("POST", "job/detect-face-image", data=b"\xef\xbb\xbf" + BODY.encode(), headers=JSON)
    assert answer.json()["code"] == 200
