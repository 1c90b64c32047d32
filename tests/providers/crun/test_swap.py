"""Which faces a swap shows, and what it refuses: by detection, index and age."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.faces import FaceRef, count_in
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.crun.detection import detect_id
from swapmock.mock_server.providers.crun.swap import multi, single
from tests.providers.direct import Account

NEW = "https://example.com/new.jpg"


def url_with(count):
    return next(url for n in range(1000) if count_in(url := f"https://example.com/{n}.jpg") == count)


GROUP, PAIR, ALONE = url_with(3), url_with(2), url_with(1)


def detected(one: Account, url: str, media: str = "image", *, shown: bool = True) -> str:
    """The `detect_id` of a detection that has ended."""
    _, document = one.crun("POST", f"job/detect-face-{media}", {f"{media}_url": url})
    task = document["data"]["detect_task_id"]
    one.advance(60)
    _, document = one.crun("GET", "job/detect-face-result", query=f"detect_task_id={task}")
    return str(document["data"]["result"]["id"])


def swap(one, detect_id, faces, url=GROUP, model="image-face-swap-multi", field="image_url"):
    given = {field: url, "detect_id": detect_id, "faces": [{"face_id": n, "target": NEW} for n in faces]}
    return one.crun("POST", "job/CreateTask", {"model": model, "input": given})


def refusal(answer):
    status, document = answer
    assert status == 422, document
    (sentence,) = document["errors"]
    return sentence.removeprefix("Value error, Invalid input for model image-face-swap-multi: ")


def test_a_detection_shows_each_face(account):
    one = account()
    _, document = one.crun("POST", "job/detect-face-image", {"image_url": GROUP})
    task = document["data"]["detect_task_id"]
    assert len(task) == 18
    assert task[0] == "d"
    first = one.crun("GET", "job/detect-face-result", query=f"detect_task_id={task}")[1]["data"]
    assert (first["detect_task_id"], first["result"], first["error"]) == (task, None, None)
    one.advance(60)
    result = one.crun("GET", "job/detect-face-result", query=f"detect_task_id={task}")[1]["data"]["result"]
    assert [face["id"] for face in result["faces"]] == [0, 1, 2]
    assert [face["link"].rsplit("/", 1)[1] for face in result["faces"]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert (result["type"], result["hair_id"], result["error"], len(result["id"])) == ("face_detect", None, None, 11)
    assert result["started_at"].startswith("2026-01-01 00:00:0")
    assert result["started_at"] < result["finished_at"]


@pytest.mark.parametrize(
    ("faces", "sentence"),
    [
        ([0], None),
        ([2], None),
        ([0, 1, 2], None),
        ([3], "faces.0.face_id: face 3 was not detected (detected: 0, 1, 2)"),
        ([0, 3], "faces.1.face_id: face 3 was not detected (detected: 0, 1, 2)"),
        ([1, 1], None),
        ([], None),
    ],
)
def test_faces_that_are_named(account, faces, sentence):
    one = account()
    answer = swap(one, detected(one, GROUP), faces)
    assert answer[0] == 200 if sentence is None else refusal(answer) == sentence


def test_a_face_that_is_named_twice_under_the_variant(account):
    one = account(variants={"crun": {"guesses": "refuse"}})
    assert refusal(swap(one, detected(one, GROUP), [1, 1])) == "faces.1.face_id: face 1 is named twice"


def test_detections_that_are_refused(account):
    one = account()
    right = detected(one, GROUP)
    assert refusal(swap(one, "x" * 11, [0])) == "detect_id: no detection has the id 'xxxxxxxxxxx'"
    assert (
        refusal(swap(one, detected(one, GROUP, "video"), [0])) == "detect_id: belongs to the detection of video media"
    )
    assert refusal(swap(one, right, [0], url=PAIR)) == "image_url: must be the media URL that was used for detection"
    assert swap(account(), right, [0])[0] == 422


@pytest.mark.parametrize("choice", ["success", "creation"])
def test_how_long_a_detection_is_good(account, choice):
    """An hour from its end, or from its beginning: the frozen clock stands 60 seconds after the submission."""
    one = account(variants={"crun": {"detect_id_hour_from": choice}})
    _, document = one.crun("POST", "job/detect-face-image", {"image_url": GROUP})
    task, query = document["data"]["detect_task_id"], f"detect_task_id={document['data']['detect_task_id']}"
    assert task
    one.advance(60)
    result = one.crun("GET", "job/detect-face-result", query=query)[1]["data"]["result"]
    ended = int(result["finished_at"][-2:]) if choice == "success" else 0
    one.advance(3600 - 60 + ended - 1)
    assert swap(one, result["id"], [0])[0] == 200
    one.advance(1.999)
    assert refusal(swap(one, result["id"], [0])) == "detect_id: expired; it is valid for one hour after detection"


@pytest.mark.parametrize(
    ("choices", "url", "wait"),
    [({"stale_detect": "fail"}, GROUP, 4000), ({"media_url_match": "fail"}, PAIR, 0)],
)
def test_what_may_fail_later_in_place_of_a_refusal(account, choices, url, wait):
    one = account(variants={"crun": choices})
    found = detected(one, GROUP)
    one.advance(wait)
    status, document = swap(one, found, [0], url=url)
    assert status == 200, document
    one.advance(600)
    assert one.info(document["data"]["task_id"])["status"] == "failed"


DETECTION = Task(
    "d1", "detection", "crun", "detect_face_image", "", b"", 0.0, 1.0, 2.0,
    facts={"url": GROUP, "media": "image", "faces": 3},
)  # fmt: skip


def made(kind, given, field="image_url", now=10.0, detection=DETECTION, **choices):
    """The swap that `kind` reads from the input `given`. `d1`, `0` and `zzz` lead to the detection, too."""
    named = {**dict.fromkeys(("d1", "0", "zzz"), detection), detect_id(detection): detection}
    box = SimpleNamespace(task=named.get)
    call: Any = SimpleNamespace(
        body={"input": {"detect_id": detect_id(detection), **given}}, box=box, now=now,
        variants={**load("crun").behaviour.defaults, **choices},
    )  # fmt: skip
    engine: Any = SimpleNamespace(contracts={"crun": load("crun")})
    return kind(call, engine, "m", field)


NOBODY = next(url for url, row in load("crun").behaviour.magic.items() if row.faces == 0)


@pytest.mark.parametrize(
    ("photo", "face", "expected"),
    [
        (GROUP, NEW, ((FaceRef(NEW, 0), FaceRef(GROUP, 1), FaceRef(GROUP, 2)), None)),
        (PAIR, NEW, ((FaceRef(NEW, 0), FaceRef(PAIR, 1)), None)),
        (ALONE, ALONE, ((FaceRef(ALONE, 0),), None)),
        (NOBODY, NEW, ((), "no_face")),
        (GROUP, NOBODY, ((), "no_face")),
        (NOBODY, NOBODY, ((), "no_face")),
    ],
)
def test_the_main_face_is_replaced(photo, face, expected):
    assert made(single, {"image_url": photo, "new_face": face}) == expected


@pytest.mark.parametrize(
    ("targets", "shown", "fails"),
    [
        ({0: ALONE}, [(ALONE, 0), (GROUP, 1), (GROUP, 2)], None),
        ({2: NEW}, [(GROUP, 0), (GROUP, 1), (NEW, 0)], None),
        ({1: NEW, 0: PAIR}, [(PAIR, 0), (NEW, 0), (GROUP, 2)], None),
        ({1: NEW, 0: NOBODY}, [(NOBODY, 0), (NEW, 0), (GROUP, 2)], "no_face"),
    ],
)
def test_the_chosen_faces_are_replaced(targets, shown, fails):
    faces = [{"face_id": number, "target": target} for number, target in targets.items()]
    assert made(multi, {"image_url": GROUP, "faces": faces}) == (tuple(FaceRef(*face) for face in shown), fails)


@pytest.mark.parametrize("url", [PAIR, "https://a.example/", "https://zzz.example/"])
def test_another_picture_than_the_detected_one(url):
    given = {"image_url": url, "faces": [{"face_id": 0, "target": NEW}]}
    assert made(multi, given, media_url_match="fail").fails == "fails"
    with pytest.raises(Problem, match="invalid"):
        made(multi, given)


def test_a_task_that_is_no_detection_has_no_detect_id():
    for named in ("d1", "0", "zzz", "other"):
        with pytest.raises(Problem, match="no detection has the id"):
            made(multi, {"image_url": GROUP, "faces": [], "detect_id": named})


@pytest.mark.parametrize("kind", ["aaa", "task", "zzz"])
def test_a_task_of_another_kind_is_no_detection(kind):
    with pytest.raises(Problem, match="no detection has the id"):
        made(multi, {"image_url": GROUP, "faces": []}, detection=replace(DETECTION, kind=kind))


@pytest.mark.parametrize(("media", "field"), [("image", "video_url"), ("video", "image_url")])
def test_a_detection_of_the_other_kind_of_media(media, field):
    other = replace(DETECTION, facts={**DETECTION.facts, "media": media})
    with pytest.raises(Problem, match=f"belongs to the detection of {media} media"):
        made(multi, {field: GROUP, "faces": []}, field, detection=other)


@pytest.mark.parametrize("now", [0.0, 1.0, 1.999])
def test_a_detection_that_has_not_ended(now):
    with pytest.raises(Problem, match="the detection has not succeeded"):
        made(multi, {"image_url": GROUP, "faces": []}, now=now)


@pytest.mark.parametrize(("now", "fails"), [(2.0, None), (3601.999, None), (3602.0, "fails"), (9e9, "fails")])
def test_the_hour_of_a_detection_to_the_moment(now, fails):
    given = {"image_url": GROUP, "faces": [{"face_id": 0, "target": NEW}]}
    assert made(multi, given, now=now, stale_detect="fail").fails == fails


@pytest.mark.parametrize(("face", "is_known"), [(-1, False), (0, True), (2, True), (3, False), (4, False), (99, False)])
def test_which_faces_there_are(face, is_known):
    given = {"image_url": GROUP, "faces": [{"face_id": face, "target": NEW}]}
    if is_known:
        assert made(multi, given).faces[face] == FaceRef(NEW, 0)
    else:
        with pytest.raises(Problem) as refused:
            made(multi, given)
        (text,) = refused.value.errors
        assert text.endswith(f"faces.0.face_id: face {face} was not detected (detected: 0, 1, 2)")
