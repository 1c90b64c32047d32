"""The rules of a multi swap: it must use an existing detection, the detected media and the detected faces."""

import pytest

PHOTO = "https://faces.invalid/3.png"
HOUR = 3600


def swap(found, faces=((0, "https://example.com/ann.jpg"),), **other):
    return {
        "model": "image-face-swap-multi",
        "input": {
            "detect_id": found["id"],
            "image_url": PHOTO,
            "faces": [{"face_id": face_id, "target": target} for face_id, target in faces],
            **other,
        },
    }


def refusal(client, body):
    """The sentence with which CreateTask refuses; no task is created and nothing is charged."""
    before = client.balance()
    refused = client.refused("POST", "job/CreateTask", json=body)
    assert (refused["http"], refused["code"], refused["message"]) == (422, 422, "Missing Params or Type Error")
    assert "data" not in refused
    assert client.balance() == before
    (sentence,) = refused["errors"]
    return sentence


def named(field):
    return f"Value error, Invalid input for model image-face-swap-multi: {field}: "


def test_it_lives_an_hour_from_its_success(crun, time):
    found = crun.detected(PHOTO)  # ten seconds have passed, one and a half of which it took
    time.advance(HOUR - 10)
    assert crun.create(**_create(swap(found)))
    time.advance(1.4)
    assert crun.create(**_create(swap(found)))
    time.advance(0.2)
    assert refusal(crun, swap(found)).startswith(named("detect_id"))
    assert crun.detection(crun.detect(PHOTO))["status"] == "starting"


def _create(body):
    return {"model": body["model"], "given": body["input"]}


def test_an_expired_one_is_still_shown(crun, time):
    detect_task_id = crun.detect(PHOTO)
    time.advance(2 * HOUR)
    assert crun.detection(detect_task_id)["status"] == "succeeded"


def test_it_must_have_succeeded(crun, time):
    detect_task_id = crun.detect(PHOTO)
    assert crun.detection(detect_task_id)["result"] is None
    failed = crun.detect("https://faces.invalid/0.png")
    time.advance(10)
    assert crun.detection(failed) == {
        "detect_task_id": failed,
        "result": None,
        "status": "failed",
        "error": "No face detected",
    }


@pytest.mark.parametrize("detect_id", ["AAAAAAAAAAA", "x", "d" + "0" * 17, "Ω", "'; drop table tasks"])
def test_an_unknown_one_is_refused(crun, detect_id):
    assert refusal(crun, swap({"id": detect_id})).startswith(named("detect_id"))


def test_that_of_another_account_is_unknown(crun, other_crun):
    found = crun.detected(PHOTO)
    sentence = refusal(other_crun, swap(found))
    assert sentence.startswith(named("detect_id"))
    assert sentence == refusal(other_crun, swap({"id": "AAAAAAAAAAA"})).replace("AAAAAAAAAAA", found["id"])


def test_the_id_of_the_detection_task_is_none(crun):
    detect_task_id = crun.detect(PHOTO)
    crun.time.advance(10)
    assert refusal(crun, swap({"id": detect_task_id})).startswith(named("detect_id"))


@pytest.mark.parametrize("url", [PHOTO + "?x=1", PHOTO.replace("https", "http"), "https://faces.invalid/2.png"])
def test_the_media_must_be_the_detected_one(crun, url):
    assert refusal(crun, swap(crun.detected(PHOTO), image_url=url)).startswith(named("image_url"))


def test_a_detection_of_a_film_is_none_of_a_picture(crun):
    found = crun.detected("https://example.com/a.mp4", "video")
    body = swap(found, image_url="https://example.com/a.mp4")
    assert refusal(crun, body).startswith(named("detect_id"))


@pytest.mark.parametrize(
    ("faces", "place"),
    [
        ([(3, "https://example.com/a.jpg")], "faces.0.face_id"),
        ([(0, "https://example.com/a.jpg"), (7, "https://example.com/a.jpg")], "faces.1.face_id"),
        ([(-1, "https://example.com/a.jpg")], "faces.0.face_id"),
        ([("0", "https://example.com/a.jpg")], "faces.0.face_id"),
        ([(True, "https://example.com/a.jpg")], "faces.0.face_id"),
        ([(0.5, "https://example.com/a.jpg")], "faces.0.face_id"),
        ([(0, "a.jpg")], "faces.0.target"),
        ([(0, 5)], "faces.0.target"),
        ([(0, "data:image/png;base64,AAAA")], "faces.0.target"),
    ],
)
def test_the_faces_must_be_those_that_were_found(crun, faces, place):
    body = swap(crun.detected(PHOTO), faces)
    before = crun.balance()
    refused = crun.refused("POST", "job/CreateTask", json=body)
    assert (refused["http"], refused["code"]) == (422, 422)
    assert any(sentence.startswith(named(place)) for sentence in refused["errors"]), refused["errors"]
    assert crun.balance() == before


def test_a_target_without_a_face_fails_late(crun, time):
    found = crun.detected(PHOTO)
    before = crun.balance()
    body = swap(found, [(0, "https://faces.invalid/0.jpg")])
    task_id = crun.create(**_create(body))
    time.advance(60)
    ended = crun.info(task_id)
    assert (ended["status"], ended["result"]) == ("failed", {"code": 501, "message": "No face detected"})
    assert (ended["credits"], crun.balance()) == (0, before)


def test_tasks_of_another_account_are_not_found(crun, other_crun, time):
    detect_task_id = crun.detect(PHOTO)
    task_id = crun.create("image-face-swap", {"image_url": PHOTO, "new_face": PHOTO})
    for path, params in (
        ("job/TaskInfo", {"task_id": task_id}),
        ("job/detect-face-result", {"detect_task_id": detect_task_id}),
    ):
        refused = other_crun.refused("GET", path, params=params)
        assert refused == {"code": 404, "message": "Task not found", "data": None, "http": 404}
        assert crun.data("GET", path, params=params)
    # The poll of one kind of task does not find the other kind.
    assert crun.refused("GET", "job/TaskInfo", params={"task_id": detect_task_id})["code"] == 404
    assert crun.refused("GET", "job/detect-face-result", params={"detect_task_id": task_id})["code"] == 404
