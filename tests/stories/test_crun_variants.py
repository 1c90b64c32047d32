"""The places where the sources disagree: each choice of each variant is seen on the wire."""

import pytest
import requests

from swapmock.contracts import load

RULES = load("crun").behaviour
SWAP = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
PHOTO = "https://faces.invalid/3.png"
DATA_URI = "data:image/png;base64," + "A" * 3000


def under(**choices):
    """Run the test with these choices; they are recorded for `test_every_choice_has_a_test`."""
    NOTED.update((name, str(choice)) for name, choice in choices.items())
    return pytest.mark.parametrize("settings", [{"variants": {"crun": choices}}], indirect=True, ids=[str(choices)])


NOTED: set[tuple[str, str]] = set()


def statuses(crun):
    """Body code -> HTTP status, for every code that a magic value causes."""
    found = {}
    for row in RULES.magic.values():
        if row.refuse is not None:
            refused = crun.refused("POST", "job/detect-face-image", json={"image_url": row.value})
            found[refused["code"]] = refused["http"]
    return found


@under(http_status="code")
def test_the_status_is_the_code(crun):
    same = {code: code for code in (401, 402, 403, 404, 422, 429, 451, 500)}
    assert statuses(crun) == {**same, 455: 200, 501: 200, 505: 200}


@under(http_status="always200")
def test_the_status_is_always_200(crun, server):
    assert set(statuses(crun).values()) == {200}
    for method, path, more in (
        ("GET", "account/balance", {"headers": {"x-api-key": None}}),
        ("GET", "account/balance", {"headers": {"x-api-key": "nonsense"}}),
        ("GET", "job/TaskInfo", {"params": {"task_id": "x"}}),
        ("GET", "nothing", {}),
        ("POST", "job/CreateTask", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
    ):
        assert crun.refused(method, path, **more)["http"] == 200
    # A body that is too large is refused by the server, before the vendor's code would read it.
    big = crun.refused("POST", "job/CreateTask", data=b" " * 2_000_000, headers={"Content-Type": "application/json"})
    assert (big["http"], big["code"]) == (413, 422)
    # The storage behind uploads is plain HTTP.
    made = crun.data("GET", "files/upload-url", params={"content_type": "image/png", "ext": ".png"})
    assert requests.put(made["presigned_url"], data=b"", timeout=10).status_code == 403


@pytest.mark.parametrize(
    "settings", [{"variants": {"crun": {"http_status": {402: 200, "455": 503, 422: 400}}}}], indirect=True
)
def test_the_status_is_looked_up(crun):
    assert statuses(crun) == {401: 401, 402: 200, 403: 403, 404: 404, 422: 400, 429: 429, 451: 451, 455: 503, 500: 500, 501: 200, 505: 200}  # fmt: skip


@pytest.mark.parametrize("settings", [{"variants": {"crun": {"http_status": "always200"}}}], indirect=True)
def test_under_http_200_data_is_an_object_or_absent(crun):
    for row in RULES.magic.values():
        if row.refuse is not None:
            refused = crun.refused("POST", "job/detect-face-image", json={"image_url": row.value})
            assert isinstance(refused.get("data", {}), dict), row.value
    for method, path, more in (
        ("GET", "account/balance", {"headers": {"x-api-key": None}}),
        ("GET", "job/TaskInfo", {"params": {"task_id": "x"}}),
        ("GET", "nothing", {}),
        ("GET", "job/Models/nothing", {}),
    ):
        assert "data" not in crun.refused(method, path, **more)


@under(task_not_found_http=404)
def test_an_unknown_task_is_a_404(crun):
    for path in ("job/TaskInfo?task_id=x", "job/detect-face-result?detect_task_id=x"):
        assert crun.refused("GET", path)["http"] == 404


@under(task_not_found_http=200)
def test_an_unknown_task_is_a_200(crun):
    for path in ("job/TaskInfo?task_id=x", "job/detect-face-result?detect_task_id=x"):
        assert crun.refused("GET", path) == {"http": 200, "code": 404, "message": "Task not found"}
    assert crun.refused("GET", "job/nothing")["http"] == 404


UNKNOWN_MODEL = {"model": "nothing", "input": {}}


@under(unknown_model=422)
def test_an_unknown_model_is_invalid(crun):
    refused = crun.refused("POST", "job/CreateTask", json=UNKNOWN_MODEL)
    assert (refused["http"], refused["code"]) == (422, 422)


@under(unknown_model=404)
def test_an_unknown_model_is_not_found(crun):
    for path in ("job/CreateTask", "job/estimate-credits", "job/EstimateTask"):
        refused = crun.refused("POST", path, json=UNKNOWN_MODEL)
        assert refused == {"http": 404, "code": 404, "message": "Model not found", "data": None}


def estimates(crun):
    body = {"model": "image-face-swap", "input": SWAP}
    return [crun.call("POST", f"job/{name}", json=body).json()["code"] for name in ("estimate-credits", "EstimateTask")]


@under(estimate_endpoints="both")
def test_both_estimates_exist(crun):
    assert estimates(crun) == [200, 200]


@under(estimate_endpoints="estimate-credits")
def test_only_the_documented_estimate_exists(crun):
    assert estimates(crun) == [200, 404]


@under(estimate_endpoints="EstimateTask")
def test_only_the_estimate_of_the_tool_exists(crun):
    assert estimates(crun) == [404, 200]


@under(detection_inner_status="succeed")
def test_the_inner_word_is_succeed(crun):
    assert crun.detected(PHOTO)["status"] == "succeed"


@under(detection_inner_status="succeeded")
def test_the_inner_word_is_succeeded(crun):
    assert crun.detected(PHOTO)["status"] == "succeeded"


@under(task_id_form="uuid", task_id_length="any")
def test_task_ids_are_uuids(crun):
    task_id = crun.create("image-face-swap", SWAP)
    assert len(task_id) == 36
    assert crun.info(task_id)["task_id"] == task_id
    assert crun.refused("GET", "job/TaskInfo?task_id=x")["code"] == 404


@under(task_id_form="short")
def test_task_ids_are_short(crun):
    made = [crun.create("image-face-swap", SWAP) for _ in range(3)]
    assert len(set(made)) == 3
    for task_id in made:
        assert task_id.startswith("task_")
        assert len(task_id) == len("task_12345678")
        assert crun.info(task_id)["task_id"] == task_id


@under(task_id_length=36)
def test_task_ids_of_another_length_are_invalid(crun):
    short = crun.refused("GET", "job/TaskInfo?task_id=task_12345678")
    assert (short["code"], short["errors"]) == (422, ["task_id: String should have at least 36 characters"])
    long = crun.refused("GET", "job/TaskInfo?task_id=" + "x" * 37)
    assert (long["code"], long["errors"]) == (422, ["task_id: String should have at most 36 characters"])
    assert crun.refused("GET", "job/TaskInfo?task_id=" + "x" * 36)["code"] == 404
    assert crun.info(crun.create("image-face-swap", SWAP))


HALF = {"model": "z-image", "input": {"prompt": "a harbour"}}


@under(credits_number="number")
def test_amounts_have_fractions(crun):
    assert crun.data("POST", "job/estimate-credits", json=HALF)["credits"] == 1.5
    assert crun.info(crun.create("z-image", HALF["input"]))["credits"] == 1.5
    assert crun.balance() == 998.5


@under(credits_number="fraction")
def test_the_credits_of_a_task_have_a_point(crun):
    task_id = crun.create("image-face-swap", SWAP)
    assert '"credits":3.0,' in crun.call("GET", f"job/TaskInfo?task_id={task_id}").text
    assert crun.call("GET", "account/balance").text.endswith('{"balance":997}}')


@under(credits_number="integer")
def test_amounts_are_whole(crun):
    assert crun.data("POST", "job/estimate-credits", json=HALF) == {"credits": 2, "estimated": False}
    task_id = crun.create("z-image", HALF["input"])
    raw = crun.call("GET", f"job/TaskInfo?task_id={task_id}").text
    assert '"credits":2,' in raw
    assert crun.call("GET", "account/balance").json()["data"] == {"balance": 999}
    refused = crun.refused("POST", "job/detect-face-image", json={"image_url": "https://errors.invalid/402"})
    assert refused["data"] == {"balance": 999}
    assert crun.data("POST", "job/EstimateTask", json=HALF) == {
        "estimated_credits": 2,
        "balance": 999,
        "affordable": True,
    }


def data_uris(crun):
    """Body codes for a data URI in `img_urls`, in a face swap, and in a detection."""
    nano = {"model": "google/nano-banana", "input": {"prompt": "a", "img_urls": [DATA_URI]}}
    swap = {"model": "image-face-swap", "input": {**SWAP, "new_face": DATA_URI}}
    answers = [
        crun.call("POST", "job/CreateTask", json=nano),
        crun.call("POST", "job/CreateTask", json=swap),
        crun.call("POST", "job/detect-face-image", json={"image_url": DATA_URI}),
    ]
    return [answer.json()["code"] for answer in answers]


@under(data_uris="img_urls")
def test_data_uris_where_a_client_sends_them(crun, time):
    assert data_uris(crun) == [200, 422, 422]


@under(data_uris="refuse")
def test_data_uris_nowhere(crun):
    assert data_uris(crun) == [422, 422, 422]


@under(data_uris="accept")
def test_data_uris_everywhere(crun):
    assert data_uris(crun) == [200, 200, 200]
    other = {"image_url": "data:text/html;base64,AAAA"}
    assert crun.refused("POST", "job/detect-face-image", json=other)["code"] == 422


DISABLED = {"headers": {"x-api-key": "ak_swapmockdisabled0000000000000000"}}


@under(disabled_key=403)
def test_a_disabled_key_is_forbidden(crun):
    assert crun.refused("GET", "account/balance", **DISABLED)["code"] == 403


@under(disabled_key=401)
def test_a_disabled_key_is_unauthorized(crun):
    refused = crun.refused("GET", "account/balance", **DISABLED)
    assert refused == {"http": 401, "code": 401, "message": "Invalid API key", "data": None}


def with_bearer(crun, **headers):
    given = {"x-api-key": None, "Authorization": f"Bearer {crun.key}", **headers}
    return crun.call("GET", "account/balance", headers=given).json()


@under(bearer="refuse")
def test_bearer_alone_is_no_key(crun):
    assert with_bearer(crun)["message"] == "API key missing"
    assert with_bearer(crun, **{"x-api-key": crun.key})["code"] == 200


@under(bearer="accept")
def test_bearer_alone_is_a_key(crun):
    assert with_bearer(crun)["code"] == 200
    assert with_bearer(crun, Authorization="Bearer nonsense")["message"] == "Invalid API key"
    assert with_bearer(crun, Authorization=f"Basic {crun.key}")["message"] == "API key missing"


def multi(found, url=PHOTO):
    faces = [{"face_id": 0, "target": "https://example.com/a.jpg"}]
    return {"model": "image-face-swap-multi", "input": {"detect_id": found["id"], "image_url": url, "faces": faces}}


def outcome(crun, body):
    """The body code of a refusal, or the final status of the task."""
    answer = crun.call("POST", "job/CreateTask", json=body).json()
    if answer["code"] != 200:
        return answer["code"]
    crun.time.advance(60)
    info = crun.info(answer["data"]["task_id"])
    return (info["status"], info["result"]["code"], info["credits"])


@under(detect_id_hour_from="success")
def test_the_hour_begins_with_success(crun, time):
    found = crun.detected(PHOTO)
    time.advance(3600 + 1.4 - 10)
    assert outcome(crun, multi(found)) == ("success", 200, 4)


@under(detect_id_hour_from="creation")
def test_the_hour_begins_with_creation(crun, time):
    found = crun.detected(PHOTO)
    time.advance(3600 - 0.1 - 10)
    body = multi(found)
    assert crun.create(body["model"], body["input"])
    time.advance(0.2)
    assert outcome(crun, body) == 422


@under(stale_detect="refuse")
def test_a_stale_detection_is_refused(crun, time):
    found = crun.detected(PHOTO)
    time.advance(3700)
    assert outcome(crun, multi(found)) == 422


@under(stale_detect="fail")
def test_a_stale_detection_fails_late(crun, time):
    found = crun.detected(PHOTO)
    time.advance(3700)
    assert outcome(crun, multi(found)) == ("failed", 501, 0)


@under(media_url_match="refuse")
def test_other_media_are_refused(crun):
    assert outcome(crun, multi(crun.detected(PHOTO), "https://example.com/other.png")) == 422


@under(media_url_match="fail")
def test_other_media_fail_late(crun):
    assert outcome(crun, multi(crun.detected(PHOTO), "https://example.com/other.png")) == ("failed", 501, 0)


def failed_detection(crun):
    detect_task_id = crun.detect("https://errors.invalid/fails")
    crun.time.advance(60)
    answer = crun.call("GET", "job/detect-face-result", params={"detect_task_id": detect_task_id})
    return answer.status_code, answer.json()


@under(failed_detection_code=200)
def test_a_failed_detection_is_a_success(crun):
    status, body = failed_detection(crun)
    assert (status, body["code"], body["message"], body["data"]["status"]) == (200, 200, "success", "failed")


@under(failed_detection_code=501)
def test_a_failed_detection_is_a_501(crun):
    status, body = failed_detection(crun)
    assert (status, body["code"], body["data"]["status"]) == (200, 501, "failed")
    assert body["message"] == body["data"]["error"] == "Server exception, please try again later"


def without_faces(crun):
    detect_task_id = crun.detect("https://faces.invalid/0.png")
    crun.time.advance(60)
    return crun.detection(detect_task_id)


@under(no_face="failed")
def test_no_face_is_a_failure(crun):
    assert without_faces(crun)["status"] == "failed"


@under(no_face="empty")
def test_no_face_is_an_empty_list(crun):
    data = without_faces(crun)
    assert (data["status"], data["result"]["faces"]) == ("succeeded", [])


def test_the_defaults_are_the_first_choices():
    for variant in RULES.variants.values():
        assert variant.default == variant.choices[0], variant.name


#: Variants that other tests cover: those of callbacks, and those of the stores (test_media_faults.py, test_upload_store.py).
ELSEWHERE = {name for name in RULES.variants if name.startswith("callback")}
ELSEWHERE |= {"media_errors", "expired_media", "upload_store"}


@under(null_fields="absent")
def test_null_is_absence(crun):
    assert crun.create("image-face-swap", {**SWAP, "disable_safety_checker": None})


@under(null_fields="refuse")
def test_null_is_a_wrong_type(crun):
    body = {"model": "image-face-swap", "input": {**SWAP, "disable_safety_checker": None}}
    refused = crun.refused("POST", "job/CreateTask", json=body)
    assert refused["errors"] == [
        "Value error, Invalid input for model image-face-swap: disable_safety_checker: Input should be a valid boolean"
    ]


LONG = {"model": "openai/gpt-image-2", "input": {"prompt": "a" * 5001}}
UNLISTED = {"model": "kling/template", "input": {"template_id": "mine", "img_urls": ["https://example.com/a.png"]}}


@under(model_limits="observed")
def test_observed_limits_refuse(crun):
    assert crun.call("POST", "job/CreateTask", json=LONG).json()["code"] == 422


@under(model_limits="open")
def test_observed_limits_do_not_refuse(crun):
    assert crun.call("POST", "job/CreateTask", json=LONG).json()["code"] == 200


@under(unknown_template="accept")
def test_an_unknown_template_is_accepted(crun):
    assert crun.call("POST", "job/CreateTask", json=UNLISTED).json()["code"] == 200


@under(unknown_template="refuse")
def test_an_unknown_template_is_refused(crun):
    assert crun.call("POST", "job/CreateTask", json=UNLISTED).json()["code"] == 422


@under(guesses="accept")
def test_a_guess_refuses_nobody(crun):
    assert crun.create("video-face-swap", {"video": "https://example.com/a.mp4"})


@under(guesses="refuse")
def test_a_guess_may_refuse(crun):
    body = {"model": "video-face-swap", "input": {"video": "https://example.com/a.mp4"}}
    assert crun.refused("POST", "job/CreateTask", json=body)["code"] == 422


def test_every_choice_has_a_test():
    every = {(v.name, str(choice)) for v in RULES.variants.values() if v.name not in ELSEWHERE for choice in v.choices}
    assert every == NOTED
