"""What nobody knows for certain refuses no client: odd requests become tasks, and the journal notes what they break."""

import itertools
from typing import Any

import pytest

URL = "https://example.com/a.png"
SWAP = {"image_url": URL, "new_face": URL}

#: Values of every JSON type.
ODD: tuple[Any, ...] = (None, True, 0, -1.5, 10**20, "", "x", "\0", [], [5], {}, {"a": [None]})


def strictly(provider):
    return pytest.mark.parametrize("settings", [{"variants": {provider: {"guesses": "refuse"}}}], indirect=True)


CRUN = [
    ("video-face-swap", {}),
    ("video-face-swap", {"video": URL, "face": URL}),
    ("video-face-swap", {"video_url": 5, "new_face": [], "disable_safety_checker": "no"}),
    ("image-face-swap", {**SWAP, "disable_safety_checker": "no"}),
    ("image-face-swap", {**SWAP, "image_url": URL + "a" * 4000}),
    ("google/nano-banana-pro", {"prompt": "a\0b"}),
    ("google/nano-banana", {"prompt": "a", "video_url": 5, "image_url": [1], "audio_url": "x", "images": "y"}),
]


@pytest.mark.parametrize(("model", "given"), CRUN)
def test_a_guess_is_noted_and_refuses_nobody(account, model, given):
    task = account.crun.create(model, given)
    account.advance(by="10m")
    info = account.crun.info(task)
    assert (info["status"], info["param"]["input"]) == ("success", given)
    assert info["result"]["media_urls"]
    (noted,) = account.admin("GET", "journal", params={"operation": "create_task"})["records"]
    assert noted["violations"]
    assert "drift" not in noted


@pytest.mark.parametrize(("model", "given"), CRUN)
@strictly("crun")
def test_the_variant_refuses(crun, model, given):
    assert crun.refused("POST", "job/CreateTask", json={"model": model, "input": given})["code"] == 422


#: Ids of a caller that no page forbids.
OWN_IDS = ["", " ", "a\tb", "a\0b", "y" * 5000]


@pytest.mark.parametrize("own", OWN_IDS, ids=["empty", "blank", "tab", "NUL", "long"])
@pytest.mark.parametrize(
    ("path", "body", "place", "query"),
    [
        ("tool/face/detection", {"imageUrl": URL}, ("businessTaskId",), "tool/face/detection/queryTask"),
        (
            "sd/v2/text2image",
            {"prompt": "a", "n_iter": 1, "batch_size": 1, "steps": 0, "width": 0, "denoising_strength": 2},
            ("alwayson_scripts", "id_task"),
            "sd/v2/queryTaskInfo",
        ),
    ],
)
def test_the_form_of_a_callers_id_is_a_guess(account, own, path, body, place, query):
    named = {place[0]: own} if len(place) == 1 else {place[0]: {place[1]: own}}
    made = account.imgopen.call(path, {**body, **named}).json()
    assert made["code"] == "200", made
    account.advance(by="10m")
    records = account.admin("GET", "journal", params={"type": "exchange"})["records"]
    (noted,) = [row for row in records if row["task"]]
    assert bool(noted.get("violations")) == (own != " " or path.startswith("sd"))
    found = account.imgopen.call(query, {"businessTaskId": own}).json()
    assert (found["code"], own in found["data"].values()) == ("200", True)


def test_a_tool_of_which_only_the_path_is_known_demands_nothing(account):
    assert account.imgopen.call("tool/hair/change", {}).json()["code"] == "200"


def test_a_swap_of_no_face_keeps_them_all(crun, time):
    found = crun.detected("https://faces.invalid/2.png")
    given = {"detect_id": found["id"], "image_url": "https://faces.invalid/2.png", "faces": []}
    task = crun.create("image-face-swap-multi", given)
    time.advance(60)
    assert crun.info(task)["status"] == "success"


@strictly("crun")
def test_a_swap_of_no_face_under_the_variant(crun):
    found = crun.detected("https://faces.invalid/2.png")
    given = {"detect_id": found["id"], "image_url": "https://faces.invalid/2.png", "faces": []}
    assert (
        crun.refused("POST", "job/CreateTask", json={"model": "image-face-swap-multi", "input": given})["code"] == 422
    )


@pytest.mark.parametrize("body", [{}, {"video": "https://faces.invalid/2.mp4"}, {"video_url": 5}, {"a": [1]}])
def test_a_detection_of_a_video_by_another_name(account, body):
    made = account.crun.data("POST", "job/detect-face-video", json=body)
    account.advance(by="5m")
    found = account.crun.detection(made["detect_task_id"])
    assert found["status"] == "succeeded"
    if "video" in body:
        assert len(found["result"]["faces"]) == 2


@pytest.mark.parametrize(
    ("content_type", "ext", "ending"),
    [
        ("text/html", ".png", ".png"),
        ("image/png", "png", ".png"),
        ("image/x", ".PNG", ".PNG"),
        ("a/" + "b" * 120, ".verylongone", ".verylongone"),
    ],
)
def test_files_of_other_kinds(crun, content_type, ext, ending):
    import requests

    made = crun.data("GET", "files/upload-url", params={"content_type": content_type, "ext": ext})
    assert made["file_url"].endswith(ending)
    stored = requests.put(made["presigned_url"], data=b"x", headers={"Content-Type": content_type}, timeout=10)
    assert stored.status_code == 200
    fetched = requests.get(made["file_url"], timeout=10)
    assert (fetched.content, fetched.headers["Content-Type"]) == (b"x", content_type)


@pytest.mark.parametrize(
    "params", [{"ext": "../x"}, {"ext": ".a/b"}, {"content_type": "image"}, {"content_type": "a/b\r\nc: d"}]
)
def test_what_is_no_extension_and_no_media_type_is_refused(crun, params):
    given = {"content_type": "image/png", "ext": ".png", **params}
    assert crun.refused("GET", "files/upload-url", params=given)["code"] == 422


@pytest.mark.parametrize("field", ["imageCount", "sequencesNum", "n_iter", "batch_size", "iterationCount"])
def test_amounts_beyond_our_bounds_are_bounded_work(account, field):
    """A number that is taken although no page bounds it makes no more work than the largest one that is known."""
    from swapmock.contracts import load

    contract = load("imgopen")
    for operation in contract.operations.values():
        if (
            operation.id == "submit_training"
            or not operation.takes_json
            or operation.body_spec is None
            or field not in operation.body_schema["properties"]
        ):
            continue
        examples = operation.body_spec["content"]["application/json"].get("examples", {})
        for example in examples.values():
            body = {**example["value"], field: 10**9}
            answer = account.imgopen.call(operation.path.partition("/saas/")[2], body)
            assert answer.json()["code"] == "200", answer.text
            assert len(answer.content) < 100_000


def test_every_odd_value_in_a_guessed_field_is_answered(account):
    """Whatever stands in a field whose type is a guess: a task, never a server error."""
    fields = (
        "image_url",
        "video_url",
        "audio_url",
        "images",
        "video_list",
        "duration",
        "resolution",
        "aspect_ratio",
        "seed",
    )
    for name, value in itertools.product(fields, ODD):
        for model in ("google/nano-banana", "kling/v2-1-pro", "suno/music-generate"):
            answer = account.crun.call(
                "POST", "job/CreateTask", json={"model": model, "input": {"prompt": "a", name: value}}
            )
            assert answer.json()["code"] in (200, 402, 404, 422), (model, name, value, answer.text)
    for value in ODD:
        given = {"video_url": value, "new_face": value, "disable_safety_checker": value}
        answer = account.crun.call("POST", "job/CreateTask", json={"model": "video-face-swap", "input": given})
        assert answer.json()["code"] in (200, 402), (value, answer.text)
    account.advance(by="10m")
