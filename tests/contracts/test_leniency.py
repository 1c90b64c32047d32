"""Null for absence, and URLs in the spellings that servers take."""

import pytest

from swapmock.contracts import load
from swapmock.contracts.leniency import accepted

CRUN, IMGOPEN = load("crun"), load("imgopen")
SWAP = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}


def judged(operation, body, **variants):
    """The body that a handler would get, and the rules that it breaks by place."""
    broken = operation.check_body(body)
    left, broken = accepted(operation, body, broken, variants) if broken else (body, broken)
    return left, {violation.place[1:]: violation.rule for violation in broken}


def create(**given):
    return judged(CRUN.operations["create_task"], {"model": "image-face-swap", "input": {**SWAP, **given}})


@pytest.mark.parametrize("name", ["disable_safety_checker"])
def test_null_of_an_optional_member_is_absence(name):
    assert create(**{name: None}) == ({"model": "image-face-swap", "input": SWAP}, {})


def test_null_of_a_required_member_is_wrong_as_a_null():
    left, broken = create(new_face=None, disable_safety_checker=None)
    assert broken == {("input", "new_face"): "type"}
    assert left["input"] == {**SWAP, "new_face": None}


def test_other_violations_are_left():
    assert create(new_face=5, disable_safety_checker=None)[1] == {("input", "new_face"): "type"}
    assert judged(CRUN.operations["create_task"], {"model": None, "input": None})[1].keys() >= {("model",)}


def test_under_the_variant_null_is_refused():
    body = {"model": "image-face-swap", "input": {**SWAP, "disable_safety_checker": None}}
    _, broken = judged(CRUN.operations["create_task"], body, null_fields="refuse")
    assert broken == {("input", "disable_safety_checker"): "type"}


def test_every_optional_member_of_every_img_open_request_may_be_null():
    seen = 0
    for operation in IMGOPEN.operations.values():
        if not operation.takes_json:
            continue
        for example in (operation.body_spec or {})["content"]["application/json"].get("examples", {}).values():
            body = operation.normalize(example["value"])
            schema = operation.body_schema
            optional = schema.get("properties", {}).keys() - set(schema.get("required", ()))
            assert judged(operation, {**body, **dict.fromkeys(optional)})[1] == {}, operation.id
            seen += len(optional)
    assert seen > 40


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://example.com/2.png",
        "hTTp://example.com/2.png",
        "https://example.com/图片/脸.png?名=值#页",
        "HTTPS://例子.example/ä.png",
        "https://example.com/" + "图" * 2000,
    ],
)
def test_urls_in_other_spellings(url):
    body = {"model": "image-face-swap", "input": {**SWAP, "image_url": url}}
    assert judged(CRUN.operations["create_task"], body) == (body, {})
    assert judged(IMGOPEN.operations["face_detection"], {"imageUrl": url, "businessTaskId": "1"})[1] == {}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/\u0000图",
        "https://example.com:图/a.png",
        "ftp://example.com/图.png",
        "图片.png",
        "httpſ://example.com/a.png",
        "https://example.com/a b图.png",
        "https://example.com/" + "图" * 2100,
    ],
)
def test_urls_that_stay_wrong(url):
    assert create(image_url=url)[1].keys() == {("input", "image_url")}


def test_a_text_that_is_no_url_is_not_touched():
    body = {"model": "google/nano-banana-pro", "input": {"prompt": "图" * 20_001}}
    assert judged(CRUN.operations["create_task"], body)[1] == {("input", "prompt"): "maxLength"}


def test_only_the_first_violation_of_a_long_body_is_told_and_null_is_still_absence():
    many = {"faces": [{"face_id": n, "target": "HTTPS://例.example/a.png"} for n in range(900)], "detect_id": "x"}
    body = {
        "model": "image-face-swap-multi",
        "input": {**many, "image_url": "https://例.example/a.png", "disable_safety_checker": None},
    }
    assert judged(CRUN.operations["create_task"], body)[1] == {}
