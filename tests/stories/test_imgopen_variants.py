"""The places where the sources disagree or are silent: each choice of each variant is seen on the wire."""

import pytest
import requests

from swapmock.contracts import load
from tests.stories.imgopen_jobs import PICTURE, job, tiles

CONTRACT = load("imgopen")
RULES = CONTRACT.behaviour
GROUP = "https://faces.invalid/3.png"
NOTED: set[tuple[str, str]] = set()


def under(**choices):
    """Run the test with these choices; they are recorded for `test_every_choice_has_a_test`."""
    NOTED.update((name, str(choice)) for name, choice in choices.items())
    return pytest.mark.parametrize("settings", [{"variants": {"imgopen": choices}}], indirect=True, ids=[str(choices)])


def do(imgopen, operation, **more):
    path, body = job(operation, **{name: more.pop(name) for name in ("own_id", "url") if name in more})
    return imgopen.data(path, {**body, **more})


def sd_query(imgopen, own_id="job-1", version="v2/"):
    return imgopen.data(f"sd/{version}queryTaskInfo", {"businessTaskId": own_id})


def statuses(imgopen):
    """Body code -> HTTP status, for every code that a magic value causes."""
    found = {}
    for row in RULES.magic.values():
        if row.refuse is not None:
            asked = imgopen.refused("tool/face/detection", {"imageUrl": row.value, "businessTaskId": "1"})
            found[asked["code"]] = asked["http"]
    return found


@under(http_status="always200")
def test_the_status_is_always_200(imgopen):
    assert set(statuses(imgopen).values()) == {200}


@under(http_status="code")
def test_the_status_is_that_of_the_code(imgopen):
    same = {str(code): code for code in (400, 401, 402, 403, 404, 409, 429, 500, 503)}
    assert statuses(imgopen) == {**same, "501": 500, "1001": 422, "1002": 422, "1003": 422}
    assert imgopen.refused("nothing")["http"] == 404
    assert imgopen.refused("tool/roop", {}, headers={})["http"] == 401


@under(http_status={"402": 200, 1001: 500})
def test_the_status_is_by_a_map(imgopen):
    found = statuses(imgopen)
    assert (found["402"], found["1001"], found["400"]) == (200, 500, 400)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"variants": {"imgopen": {"refusal_data": "null"}}}, {"data": None}),
        ({"variants": {"imgopen": {"refusal_data": "absent"}}}, {}),
        ({"variants": {"imgopen": {"refusal_data": "error_message"}}}, {"data": {"errorMessage": "task does not exist"}}),
    ],
    indirect=["settings"],
)  # fmt: skip
def test_what_a_refusal_holds(imgopen, shown):
    asked = imgopen.call("sd/queryTaskInfo", {"businessTaskId": "x"}).json()
    assert asked == {"code": "404", "msg": "task does not exist", **shown}


NOTED.update(("refusal_data", choice) for choice in ("null", "absent", "error_message"))


@under(credentials="required")
def test_credentials_are_required(imgopen):
    assert imgopen.refused("tool/roop", {}, headers={})["code"] == "401"


@under(credentials="optional")
def test_credentials_are_optional(imgopen, other_imgopen):
    anonymous = {"Content-Type": "application/json"}
    path, body = job("face_detection")
    made = imgopen.data(path, body, headers=anonymous)
    # The call used the default account. Wrong credentials are refused as before.
    assert imgopen.query("face/detection", made["taskId"]) == made
    assert other_imgopen.refused("tool/face/detection/queryTask", {"businessTaskId": made["taskId"]})["code"] == "404"
    wrong = {**anonymous, "X-Request-req-accessKeyId": "nobody", "X-Request-req-accessKeySecret": "x"}
    assert imgopen.refused(path, body, headers=wrong)["code"] == "401"


@under(flux_credentials="header")
def test_flux_takes_headers(imgopen):
    path, body = job("flux_text2image")
    assert imgopen.refused(path, body, headers={}, params=imgopen.credentials)["code"] == "401"
    assert imgopen.data(path, body)["status"] == 1


@under(flux_credentials="query")
def test_flux_takes_query_parameters(imgopen, other_imgopen):
    path, body = job("flux_text2image")
    made = imgopen.data(path, body, headers={}, params=other_imgopen.credentials)
    assert other_imgopen.query("comfyui/text2image", made["taskId"]) == made
    assert imgopen.data(path, body)["status"] == 1
    wrong = {**imgopen.credentials, "X-Request-req-accessKeySecret": "wrong"}
    assert imgopen.refused(path, body, headers={}, params=wrong)["code"] == "401"
    # No other operation does.
    for operation in ("face_detection", "roop", "sd_text2image"):
        other_path, other_body = job(operation)
        assert imgopen.refused(other_path, other_body, headers={}, params=imgopen.credentials)["code"] == "401"


@under(detection_mode="sync")
def test_detection_at_once(imgopen):
    found = imgopen.detect(GROUP)
    assert (found["status"], len(found["faceUrls"])) == (2, 3)


@under(detection_mode="async")
def test_detection_later(imgopen, time):
    made = imgopen.detect(GROUP)
    assert made == {
        "businessTaskId": "10086996",
        "toolTask": "faceDetection",
        "faceUrls": [],
        "status": 3,
        "taskId": made["taskId"],
    }
    time.advance(0.5)
    assert imgopen.query("face/detection", made["taskId"]) == {**made, "status": 1}
    time.advance(1)
    done = imgopen.query("face/detection", "10086996")
    assert (done["status"], len(done["faceUrls"])) == (2, 3)
    assert requests.get(done["faceUrls"][2], timeout=10).headers["content-type"] == "image/png"


@under(detection_mode="async", receipt="task_id")
def test_an_asynchronous_detection_with_a_bare_receipt(imgopen):
    made = imgopen.detect(GROUP)
    assert list(made) == ["task_id"]
    assert imgopen.query("face/detection", made["task_id"])["taskId"] == made["task_id"]


@under(receipt="result_family")
def test_a_receipt_of_the_result_s_family(imgopen):
    assert list(do(imgopen, "instant_id")) == ["taskId", "businessTaskId", "status"]


@under(fusion_mode="async")
def test_a_multiple_swap_later(imgopen):
    assert "outputImageUrl" not in do(imgopen, "face_fusion")


@under(fusion_mode="sync")
def test_a_multiple_swap_at_once(imgopen):
    done = do(imgopen, "face_fusion")
    assert done["status"] == 2
    assert requests.get(done["outputImageUrl"], timeout=10).status_code == 200
    assert imgopen.refused(*job("face_fusion", url="https://faces.invalid/0.png"))["code"] == "1001"


@under(remarked_mode="async")
@pytest.mark.parametrize("operation", ["roop", "roop_v2", "instant_id", "interrogate"])
def test_a_tool_with_the_remark_later(imgopen, operation):
    assert not {"outputImageUrl", "caption"} & set(do(imgopen, operation))


@under(remarked_mode="sync")
@pytest.mark.parametrize("operation", ["roop", "roop_v2", "instant_id", "interrogate"])
def test_a_tool_with_the_remark_at_once(imgopen, operation):
    assert {"outputImageUrl", "caption"} & set(do(imgopen, operation))


@under(flux_mode="sync")
def test_flux_at_once(imgopen):
    assert do(imgopen, "flux_text2image")["outputImageUrl"]


@under(flux_mode="async")
def test_flux_later(imgopen, time):
    made = do(imgopen, "flux_text2image")
    assert made == {"taskId": made["taskId"], "status": 3}
    time.advance(10)
    assert imgopen.query("comfyui/text2image", made["taskId"])["status"] == 1


SUCCESS = ("face_detection", "interrogate", "flux_text2image", "expand_prompts")


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({"variants": {"imgopen": {"remarked_mode": "sync", "status_numbers": "by_tool"}}}, [2, 1, 1, 0]),
        ({"variants": {"imgopen": {"remarked_mode": "sync", "status_numbers": "two"}}}, [2, 2, 2, 2]),
        ({"variants": {"imgopen": {"remarked_mode": "sync", "status_numbers": "one"}}}, [1, 1, 1, 1]),
    ],
    indirect=["settings"],
)
def test_the_number_of_success(imgopen, numbers):
    assert [do(imgopen, operation)["status"] for operation in SUCCESS] == numbers


NOTED.update(("status_numbers", choice) for choice in ("by_tool", "two", "one"))


@under(detection_status_type="number")
def test_the_status_is_a_number(imgopen):
    assert imgopen.detect(GROUP)["status"] == 2


@under(detection_status_type="string")
def test_the_status_is_a_text_in_detection_alone(imgopen):
    assert imgopen.detect(GROUP)["status"] == "2"
    assert do(imgopen, "flux_text2image")["status"] == 1


@under(no_face="failed")
def test_no_face_is_a_failure(imgopen):
    assert imgopen.refused(*job("face_detection", url="https://faces.invalid/0.png"))["code"] == "1001"


@under(no_face="empty")
def test_no_face_is_an_empty_list(imgopen, time):
    found = imgopen.detect("https://faces.invalid/0.png")
    assert (found["status"], found["faceUrls"]) == (2, [])
    # A swap is refused nevertheless: there is no face.
    do(imgopen, "face_fusion", url="https://faces.invalid/0.png")
    time.advance(10)
    assert imgopen.query("face/fusion", "job-1")["status"] == 4


def faces_of(imgopen, time, **more):
    """Which face of the finished picture is whose: 'a', 'b' or the target's own number."""
    a, b = "https://example.com/anna.png", "https://example.com/bert.png"
    sources = [a, b][: more.pop("sources", 2)]
    known: dict[bytes, object] = {
        requests.get(imgopen.detect(url)["faceUrls"][0], timeout=10).content: name for url, name in ((a, "a"), (b, "b"))
    }
    known |= {requests.get(url, timeout=10).content: n for n, url in enumerate(imgopen.detect(GROUP)["faceUrls"])}
    made = imgopen.fuse(sources, GROUP, **more)
    time.advance(10)
    picture = imgopen.query("face/fusion", made["taskId"])["outputImageUrl"]
    return [known[tile] for tile in tiles(requests.get(picture, timeout=10).content)]


@under(source_order="left_to_right")
def test_sources_from_left_to_right(imgopen, time):
    assert faces_of(imgopen, time) == ["a", "b", 2]


@under(source_order="right_to_left")
def test_sources_from_right_to_left(imgopen, time):
    assert faces_of(imgopen, time) == [0, "b", "a"]
    assert faces_of(imgopen, time, sources=1) == [0, 1, "a"]


@under(index_with_two_sources="first_source")
def test_two_sources_and_an_index(imgopen, time):
    assert faces_of(imgopen, time, faceIdx=2) == [0, "a", 2]


@under(index_with_two_sources="refuse")
def test_two_sources_and_an_index_are_refused(imgopen, time):
    path, body = job("face_fusion")
    asked = imgopen.refused(path, {**body, "sourceUrl": [PICTURE, PICTURE], "faceIdx": 1})
    assert asked["msg"] == "parameter error: faceIdx should not be given with two sources"
    assert faces_of(imgopen, time, sources=1, faceIdx=2) == [0, "a", 2]


@under(index_out_of_range="refuse")
def test_an_index_beyond_the_faces_is_refused(imgopen):
    path, body = job("face_fusion", url=GROUP)
    assert imgopen.refused(path, {**body, "faceIdx": 4})["code"] == "400"


@under(index_out_of_range="fail")
def test_an_index_beyond_the_faces_fails(imgopen, time):
    do(imgopen, "face_fusion", url=GROUP, faceIdx=4)
    time.advance(10)
    done = imgopen.query("face/fusion", "job-1")
    assert (done["status"], done["errorMessage"]) == (4, "faceIdx is out of range")


@under(repeated_id="new_task")
def test_a_repeated_id_makes_another_task(imgopen):
    first, second = do(imgopen, "roop"), do(imgopen, "roop")
    assert first["taskId"] != second["taskId"]
    assert imgopen.query("roop", "job-1")["taskId"] == second["taskId"]
    assert imgopen.query("roop", first["taskId"])["taskId"] == first["taskId"]


@under(repeated_id="refuse")
def test_a_repeated_id_is_refused(imgopen):
    do(imgopen, "roop")
    assert imgopen.refused(*job("roop"))["code"] == "409"
    # Another tool has its own ids.
    assert do(imgopen, "roop_v2")["status"] == 3


@under(repeated_id="same_task")
def test_a_repeated_id_is_the_same_task(imgopen, time):
    first = do(imgopen, "roop")
    assert do(imgopen, "roop") == first
    found = imgopen.detect(GROUP)
    time.advance(10)
    assert imgopen.detect(PICTURE) == found
    assert do(imgopen, "roop")["taskId"] == first["taskId"]


@pytest.mark.parametrize(
    ("settings", "prefix"),
    [({"variants": {"imgopen": {"id_prefix": prefix}}}, prefix) for prefix in ("pre", "test", "pro")],
    indirect=["settings"],
)
def test_the_prefix_of_ids(imgopen, prefix):
    task_id = imgopen.detect(GROUP)["taskId"]
    assert task_id.startswith(prefix)
    assert len(task_id) == len(prefix) + 22


NOTED.update(("id_prefix", choice) for choice in ("pre", "test", "pro"))


@under(sd_task_id="server")
def test_the_server_s_id_for_generation(imgopen):
    made = do(imgopen, "sd_text2image")["task_id"]
    assert made.startswith("pre")
    assert sd_query(imgopen, made) == sd_query(imgopen, "job-1")


@under(sd_task_id="caller")
def test_the_caller_s_id_for_generation(imgopen):
    assert do(imgopen, "sd_text2image") == {"task_id": "job-1"}
    assert sd_query(imgopen)["id_task"] == "job-1"


@under(failed_task_code="200")
def test_a_failed_task_is_told_with_code_200(imgopen, time):
    do(imgopen, "roop", url="https://errors.invalid/moderated")
    time.advance(10)
    assert imgopen.query("roop", "job-1")["errorMessage"] == "content rejected by moderation"


@under(failed_task_code="failure")
def test_a_failed_task_is_told_with_its_own_code(imgopen, time):
    do(imgopen, "roop", url="https://errors.invalid/moderated")
    do(imgopen, "sd_controlnet", url="https://errors.invalid/fails_500")
    do(imgopen, "roop_v2")
    time.advance(10)
    asked = imgopen.refused("tool/roop/queryTask", {"businessTaskId": "job-1"})
    assert (asked["code"], asked["msg"], asked["data"]["status"]) == ("1003", "content rejected by moderation", 4)
    asked = imgopen.refused("sd/v2/queryTaskInfo", {"businessTaskId": "job-1"})
    assert (asked["code"], asked["data"]["desc"]) == ("500", "系统错误")
    assert imgopen.query("v2/roop", "job-1")["status"] == 2


@under(unknown_task="refuse")
def test_an_unknown_task_is_refused(imgopen):
    assert imgopen.refused("tool/roop/queryTask", {"businessTaskId": "x"})["code"] == "404"


@under(unknown_task="null")
def test_an_unknown_task_is_null(imgopen):
    for path in ("tool/roop/queryTask", "sd/queryTaskInfo", "sd/v2/queryTaskInfo"):
        assert imgopen.data(path, {"businessTaskId": "x"}) is None


@under(tool_mismatch="refuse")
def test_another_tool_s_code_finds_nothing(imgopen):
    made = do(imgopen, "roop")
    for name in (made["taskId"], "job-1"):
        assert imgopen.refused("tool/v2/roop/queryTask", {"businessTaskId": name})["code"] == "404"


@under(tool_mismatch="answer")
def test_another_tool_s_code_finds_the_task(imgopen):
    made, generated = do(imgopen, "roop"), do(imgopen, "sd_text2image", own_id="sd-1")
    for name in (made["taskId"], "job-1"):
        assert imgopen.query("v2/roop", name) == made
    for name in (generated["task_id"], "sd-1"):
        assert imgopen.refused("tool/v2/roop/queryTask", {"businessTaskId": name})["code"] == "404"


#: Seconds from the tests' start, 2025-05-28 12:00 UTC, to the first of June in China and in Greenwich.
TO_JUNE_IN_CHINA = 3 * 86400 + 4 * 3600
TO_JUNE = TO_JUNE_IN_CHINA + 8 * 3600


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        ({"variants": {"imgopen": {"month_zone": "china"}}}, TO_JUNE_IN_CHINA),
        ({"variants": {"imgopen": {"month_zone": "utc"}}}, TO_JUNE),
    ],
    indirect=["settings"],
)
def test_the_real_time_query_reaches_this_month_alone(imgopen, time, end):
    do(imgopen, "sd_text2image")
    time.advance(end - 1)
    assert sd_query(imgopen)["status"] == 2
    time.advance(1)
    assert imgopen.refused("sd/v2/queryTaskInfo", {"businessTaskId": "job-1"})["code"] == "404"
    assert sd_query(imgopen, version="")["status"] == 2


NOTED.update(("month_zone", choice) for choice in ("china", "utc"))


@under(v1_reach="all")
def test_the_older_query_finds_all(imgopen):
    do(imgopen, "sd_text2image")
    assert sd_query(imgopen, version="")["status"] == 3


@under(v1_reach="archived")
def test_the_older_query_finds_archived_tasks_alone(imgopen, time):
    do(imgopen, "sd_text2image")
    assert imgopen.refused("sd/queryTaskInfo", {"businessTaskId": "job-1"})["code"] == "404"
    time.advance(TO_JUNE_IN_CHINA)
    assert sd_query(imgopen, version="")["status"] == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variants": {"imgopen": {"desc_language": "zh"}}}, ("任务成功 !", "任务成功 !")),
        ({"variants": {"imgopen": {"desc_language": "en"}}}, ("Success", "success")),
    ],
    indirect=["settings"],
)
def test_the_language_of_desc(imgopen, time, words):
    do(imgopen, "sd_text2image")
    time.advance(10)
    assert (sd_query(imgopen)["desc"], sd_query(imgopen, version="")["desc"]) == words


NOTED.update(("desc_language", choice) for choice in ("zh", "en"))


@under(temporary_image="null")
def test_no_temporary_image(imgopen, time):
    do(imgopen, "sd_text2image")
    time.advance(4)
    assert sd_query(imgopen)["temporaryImageDto"] is None


@under(temporary_image="progress")
def test_a_temporary_image(imgopen, time):
    do(imgopen, "sd_text2image")
    shown = []
    for _ in range(5):
        shown.append(sd_query(imgopen)["temporaryImageDto"])
        time.advance(2)
    assert shown == [None, *({"percentage": part, "imageUrl": None} for part in (16, 50, 83)), None]


@pytest.mark.parametrize(
    ("settings", "demanding"),
    [
        ({"variants": {"imgopen": {"callback_required": "never"}}}, ""),
        ({"variants": {"imgopen": {"callback_required": "en"}}}, "interrogate"),
        ({"variants": {"imgopen": {"callback_required": "zh"}}}, "flux_text2image"),
    ],
    indirect=["settings"],
)
def test_where_a_callback_url_is_required(imgopen, demanding):
    for operation in ("interrogate", "flux_text2image", "face_detection"):
        path, body = job(operation)
        assert imgopen.data(path, {**body, "callbackUrl": "http://127.0.0.1:9/x"})
        if operation == demanding:
            assert imgopen.refused(path, body)["msg"] == "parameter error: callbackUrl is required"
        else:
            assert imgopen.data(path, body)


NOTED.update(("callback_required", choice) for choice in ("never", "en", "zh"))

#: Variants of callbacks, seen where callbacks are: tests/providers/imgopen/test_imgopen_callback_body.py, and the
#: stories of deliveries.
NULL_INDEX = {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "1", "faceIdx": None}


@under(null_fields="absent")
def test_null_is_absence(imgopen):
    assert imgopen.data("tool/face/fusion", NULL_INDEX)


@under(null_fields="refuse")
def test_null_is_a_wrong_type(imgopen):
    assert (
        imgopen.refused("tool/face/fusion", NULL_INDEX)["msg"] == "parameter error: faceIdx should be of type integer"
    )


def failed_descriptions(imgopen, time):
    """`desc` of tasks that fail in each way, by scenario; "" stands for none."""
    found = {}
    for scenario, row in RULES.scenarios.items():
        if row.fails is not None and scenario != "index_out_of_range":
            imgopen.call(*job("sd_text2image", scenario, url=f"https://errors.invalid/{scenario}"))
            time.advance(1000)
            for path in ("sd/queryTaskInfo", "sd/v2/queryTaskInfo"):
                found[scenario, path] = imgopen.data(path, {"businessTaskId": scenario})["desc"]
    return found


@under(desc_language="zh")
def test_failures_are_told_in_chinese(imgopen, time):
    for (scenario, _), text in failed_descriptions(imgopen, time).items():
        assert not text.isascii(), scenario
    words = RULES.rest["descriptions"]["failures_zh"]
    assert {row.fails["message"] for row in RULES.scenarios.values() if row.fails} - {""} <= set(words)


@under(desc_language="en")
def test_failures_are_told_in_english(imgopen, time):
    for (scenario, _), text in failed_descriptions(imgopen, time).items():
        assert text.isascii(), scenario


#: The variants of the media host are those of every provider: tests/stories/test_media_faults.py. So are guesses:
#: tests/stories/test_guesses.py.
ELSEWHERE = {
    "guesses",
    "media_errors",
    "expired_media",
    "undocumented_callback",
    "callback_body",
    "callback_failures",
    "callback_ladder",
}


def test_every_choice_has_a_test():
    wanted = {
        (name, str(choice)) for name, row in RULES.variants.items() if name not in ELSEWHERE for choice in row.choices
    }
    assert wanted - NOTED == set()
