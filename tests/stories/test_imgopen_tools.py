"""Every tool from submission to result: the wire agrees with its row in tools.yaml."""

import io

import pytest
import requests
from PIL import Image

from swapmock.contracts import load
from tests.stories.imgopen_jobs import PICTURE, job

CONTRACT = load("imgopen")
RULES = CONTRACT.behaviour
TOOLS = {row["operation"]: row for row in CONTRACT.tables["tools"]["tools"]}
RESULTS = {
    "faceUrls", "outputImageUrl", "outputImageUrls", "caption", "prompts", "style",
}  # fmt: skip


def urls_in(value):
    """Every link of ours."""
    if isinstance(value, str):
        return [value] if value.startswith("http://127.0.0.1") else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [url for item in items for url in urls_in(item)]


@pytest.mark.parametrize("operation", [name for name, row in TOOLS.items() if row["kind"] in ("detection", "tool")])
def test_a_tool(imgopen, time, operation):
    row = TOOLS[operation]
    numbers = RULES.status_words[row["numbers"]]
    path, body = job(operation, own_id="own")
    first = imgopen.data(path, body)
    task_id = first[row["id_name"]]
    mode = RULES.defaults.get(row["mode"], row["mode"])
    (result,) = RESULTS & set(row["shown"])
    if row["family"] == "S":
        assert first == {"task_id": task_id}
    elif mode == "sync":
        assert list(first) == row["shown"]
        assert first["status"] == numbers["succeeded"]
    else:
        assert list(first) == [name for name in row["shown"] if name != result]
        assert first["status"] == numbers["queued"]

    time.advance(100)
    done = imgopen.query(row["code"], "own")
    assert imgopen.query(row["code"], task_id) == done
    assert list(done) == row["shown"]
    assert done[row["id_name"]] == task_id
    assert done["status"] == numbers["succeeded"]
    assert done.get("businessTaskId", "own") == "own"
    assert done.get("toolTask") == row.get("tool_task")
    if mode == "sync":
        assert done == first
    for url in urls_in(done):
        answer = requests.get(url, timeout=10)
        assert answer.headers["content-type"] == "image/png"
        Image.open(io.BytesIO(answer.content)).verify()
        assert f"/Output-Img2/{row['folder']}/{task_id}-" in url
    if result in ("caption", "style"):
        assert len(done[result]) > 3


@pytest.mark.parametrize("operation", [name for name, row in TOOLS.items() if row["kind"] == "sd"])
def test_generation(imgopen, time, operation):
    path, body = job(operation, own_id="own")
    many = (
        {"iterationCount": 2, "singleBatchImageCount": 3}
        if operation.endswith("v3")
        else {"n_iter": 2, "batch_size": 3}
    )
    task_id = imgopen.data(path, {**body, **many, "seed": "41"})["task_id"]
    asked = imgopen.data("sd/v2/queryTaskInfo", {"businessTaskId": task_id})
    assert asked == {
        "id_task": "own",
        "status": 3,
        "desc": "任务排队中",
        "temporaryImageDto": None,
        "differentialImageRspList": [],
    }
    time.advance(10)
    done = imgopen.data("sd/v2/queryTaskInfo", {"businessTaskId": "own"})
    pictures = done["differentialImageRspList"]
    assert [picture["seed"] for picture in pictures] == [41, 42, 43, 44, 45, 46]
    assert len({picture["image_url"] for picture in pictures}) == 6
    for url in urls_in(pictures):
        Image.open(io.BytesIO(requests.get(url, timeout=10).content)).verify()
    older = imgopen.data("sd/queryTaskInfo", {"businessTaskId": task_id})
    assert older == {
        "task_id": "own",
        "status": 2,
        "desc": "任务成功 !",
        "differentialImageRspList": pictures,
    }


@pytest.mark.parametrize("seed", ["7", 7, "-1", -1])
def test_a_seed_is_a_text_or_a_number(imgopen, time, seed):
    path, body = job("sd_controlnet", own_id="own")
    imgopen.data(path, {**body, "seed": seed})
    time.advance(10)
    done = imgopen.data("sd/v2/queryTaskInfo", {"businessTaskId": "own"})
    found = done["differentialImageRspList"][0]["seed"]
    assert found == 7 if int(seed) == 7 else 0 <= found < 2**32


@pytest.mark.parametrize("seed", [-2, 10**10, 1e300, "1e3", "", "-5"])
@pytest.mark.parametrize("settings", [{"variants": {"imgopen": {"guesses": "refuse"}}}], indirect=True)
def test_what_is_no_seed(imgopen, seed):
    path, body = job("sd_controlnet")
    asked = imgopen.refused(path, {**body, "seed": seed})
    assert asked["msg"].startswith("parameter error: seed should ")


@pytest.mark.parametrize("seed", [-2, 10**10, 1e300, "1e3", "", "-5"])
def test_a_seed_of_another_form_is_taken(imgopen, time, seed):
    path, body = job("sd_controlnet")
    imgopen.data(path, {**body, "seed": seed})


def test_several_prompts(imgopen):
    body = {"businessTaskId": "1", "mode": 0, "sourcePrompt": "a cat", "sequencesNum": 3, "topK": 0, "topP": 0.01}
    made = imgopen.data("tool/prompts/expand", body)["prompts"]
    assert len(made) == 3
    assert all(prompt.startswith("a cat, ") for prompt in made)


def test_as_many_pictures_as_asked_for(imgopen, time):
    path, body = job("img_expand")
    imgopen.data(path, {**body, "imageCount": 4})
    time.advance(100)
    assert len(imgopen.query("imgExpand", "job-1")["outputImageUrls"]) == 4


def test_a_guidance_of_one_point_nought(imgopen):
    """An integer by the schema, 1.0 in a sample."""
    path, body = job("instant_id")
    assert imgopen.data(path, {**body, "guidanceScale": 1.0, "width": 960, "height": 960})["status"] == 3


def test_training(imgopen, time):
    path, body = job("submit_training", own_id="unique")
    made = imgopen.data(path, {**body, "learningRate": "0.00001", "maxTokenLength": 150, "randomCrop": False})
    assert made["taskId"].startswith("pre")
    assert imgopen.refused(path, body)["code"] == "409"
    # The vendor's page about the query of this task could not be read.
    time.advance(10_000)
    for query in ("sd/queryTaskInfo", "sd/v2/queryTaskInfo", "tool/roop/queryTask"):
        assert imgopen.refused(query, {"businessTaskId": made["taskId"]})["code"] == "404"


@pytest.mark.parametrize(
    ("rate", "code"),
    [
        ("0.0000001", "200"),
        ("0.00000010", "200"),
        ("0.0000999", "200"),
        ("0.0001", "200"),
        ("0.00010", "200"),
        ("0.00000009", "400"),
        ("0.00010001", "400"),
        ("0.0000", "400"),
    ],
)
def test_a_learning_rate_lies_within_its_bounds(imgopen, rate, code):
    path, body = job("submit_training")
    assert imgopen.call(path, {**body, "learningRate": rate}).json()["code"] == code


def test_training_in_the_snake_case_of_its_example(imgopen):
    body = {"task_id": "snake", "file_url_list": [PICTURE] * 10, "max_epochs": 10, "random_crop": 0}
    assert imgopen.data("modelTraining/submitTraining/Job", body)["taskId"]
    wrong = imgopen.refused("modelTraining/submitTraining/Job", {**body, "task_id": "other", "max_epochs": 9})
    assert "maxEpochs should be at least 10" in wrong["msg"]


def test_models_by_pages_and_names(imgopen):
    def listed(**more):
        return imgopen.data("sd/v2/queryModelList", {"pageSize": 2, "pageNum": 1, **more})

    first, last = listed(), listed(pageNum=3)
    assert ([row["id"] for row in first["rows"]], first["total"]) == ([39, 40], 5)
    assert ([row["id"] for row in last["rows"]], last["pageNum"]) == ([43], 3)
    assert listed(pageNum=4)["rows"] == []
    assert [row["id"] for row in listed(sdModelName="Photon")["rows"]] == [39]
    assert listed(sdModelCheckpoint="photon_v1_84728.safetensors", sdModelName="other")["total"] == 0


def test_the_same_run_twice_gives_the_same_answers(imgopen, other_imgopen, time):
    """Ids and texts are derived from seed, clock and request; another account has other ids."""
    mine, theirs = imgopen.detect(PICTURE), other_imgopen.detect(PICTURE)
    assert mine["taskId"] != theirs["taskId"]
    assert len(mine["faceUrls"]) == len(theirs["faceUrls"])
