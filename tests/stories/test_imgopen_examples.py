"""The documented exchanges, reproduced field by field: names, order, types, and every value that is not random."""

import re

import pytest

from swapmock.contracts import load
from swapmock.contracts.lint import examples

CONTRACT = load("imgopen")
EXAMPLES = {title: exchange for title, _, exchange in examples(CONTRACT)}

#: The values of the example's own task -> those of our task in their place.
OF_ITS_OWN = {
    "taskId": re.compile(r"pre\d{22}"),
    "task_id": re.compile(r"pre\d{22}"),
    "caption": re.compile(r"\S.*\S"),
    "seed": re.compile(r"\d+"),
}
URL = re.compile(r"http://127\.0\.0\.1:\d+/Output-Img2/[\w/]+/pre\d{22}-0\.png")

SD = {"prompt": "a", "n_iter": 1, "batch_size": 1}


def path_of(exchange):
    return exchange["request"]["path"].split("/saas/", 1)[1]


def compare(ours, theirs, place=""):
    """Whether two bodies are equal apart from the values of the example's own task."""
    name = place.rsplit("/", 1)[-1]
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs) or set(ours) == set(theirs), place
        for key in theirs:
            compare(ours[key], theirs[key], f"{place}/{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), place
        for one, other in zip(ours, theirs, strict=True):
            compare(one, other, place)
    elif isinstance(theirs, str) and theirs.startswith("http"):
        assert URL.fullmatch(ours), place
    elif name in OF_ITS_OWN and ours != theirs:
        assert type(ours) is type(theirs)
        assert OF_ITS_OWN[name].fullmatch(str(ours)), place
    else:
        assert (ours, type(ours)) == (theirs, type(theirs)), place


def reproduce(imgopen, title):
    """Send an example's request; check that its answer is the example's."""
    exchange = EXAMPLES[title]
    answer = imgopen.call(path_of(exchange), exchange["request"]["body"])
    assert answer.status_code == exchange["response"]["status"]
    assert answer.headers["content-type"] == "application/json"
    compare(answer.json(), exchange["response"]["body"])
    return answer.json()


def test_face_detection(imgopen):
    body = reproduce(imgopen, "face_detection: one face")
    data = body["data"]
    assert list(data) == ["businessTaskId", "toolTask", "faceUrls", "status", "taskId"]
    assert data["faceUrls"][0].endswith(f"/Output-Img2/tool/faceDetection/{data['taskId']}-0.png")


def test_flux(imgopen):
    reproduce(imgopen, "flux_text2image: a picture, as the page shows it")


def test_expanded_prompts(imgopen):
    exchange = EXAMPLES["expand_prompts: one prompt with status 0; the page is cut after the prompts"]
    data = imgopen.data(path_of(exchange), exchange["request"]["body"])
    theirs = exchange["response"]["body"]["data"]
    assert list(data) == list(theirs)
    assert (data["status"], data["toolTask"], data["businessTaskId"]) == (0, "promptsExpand", "10086111")
    assert len(data["prompts"]) == 1
    assert data["prompts"][0].startswith("a cat, ")


@pytest.mark.parametrize(
    "title", ["identify_style: a receipt", "sd_text2image: a receipt"], ids=lambda title: title.split(":")[0]
)
def test_a_receipt(imgopen, title):
    reproduce(imgopen, title)


def test_models(imgopen):
    exchange = EXAMPLES["query_model_list: the one row that can be read, up to where it is cut"]
    data = imgopen.data(path_of(exchange), exchange["request"]["body"])
    theirs = exchange["response"]["body"]["data"]
    assert {**data, "rows": []} == {**theirs, "rows": []}
    (row,) = data["rows"]
    assert list(row)[:8] == list(theirs["rows"][0])
    assert {name: row[name] for name in theirs["rows"][0]} == theirs["rows"][0]
    assert len(row) == 12


@pytest.mark.parametrize(
    ("title", "settings", "path"),
    [
        ("query_task_info_v1: done", {"variants": {"imgopen": {"desc_language": "en"}}}, "sd/v2/text2image"),
        ("query_task_info_v2: done, English edition", {"variants": {"imgopen": {"desc_language": "en"}}}, "sd/v2/image2image"),
        ("query_task_info_v2: done, Chinese edition", {}, "sd/v2/controlnet"),
    ],
    indirect=["settings"],
)  # fmt: skip
def test_a_query(imgopen, time, title, path):
    own_id = EXAMPLES[title]["request"]["body"]["businessTaskId"]
    imgopen.data(path, {**SD, "alwayson_scripts": {"id_task": own_id}})
    time.advance(10)
    reproduce(imgopen, title)


@pytest.mark.parametrize("settings", [{"variants": {"imgopen": {"remarked_mode": "sync"}}}], indirect=True)
@pytest.mark.parametrize(
    "title",
    [
        "interrogate: a caption, as the page shows it",
        "instant_id: the documented request, the answer by its field list",
    ],
    ids=lambda title: title.split(":")[0],
)
def test_a_tool_with_the_remark_as_its_page_shows_it(imgopen, title):
    exchange = EXAMPLES[title]
    ours = imgopen.data(path_of(exchange), exchange["request"]["body"])
    assert ours["businessTaskId"] == exchange["request"]["body"]["businessTaskId"]
    theirs = exchange["response"]["body"]["data"]
    # The example of the image description answers with another id than the request's.
    compare(ours, {**theirs, "businessTaskId": ours["businessTaskId"]})
    assert list(ours) == list(theirs)


def test_every_example_is_reproduced():
    """Each example is named in a test above."""
    assert {title.split(":")[0] for title in EXAMPLES} == {
        "expand_prompts",
        "face_detection",
        "flux_text2image",
        "identify_style",
        "instant_id",
        "interrogate",
        "query_model_list",
        "query_task_info_v1",
        "query_task_info_v2",
        "sd_text2image",
    }
