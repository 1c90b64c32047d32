"""Detect the faces of a picture, let a user choose, swap, poll, fetch the result."""

import io
import re

import pytest
import requests
from PIL import Image

from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import ImgOpenClient

GROUP = "https://faces.invalid/3.png"
ANNA = "https://example.com/anna.png"
BERT = "https://example.com/bert.png"
TASK_ID = re.compile(r"pre(\d{13})\d{9}")


def picture(url):
    """The picture behind a link, fetched without credentials."""
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def tiles(url):
    """The faces of a result picture, left to right."""
    whole = picture(url)
    return [whole.crop((x, 0, x + 256, 256)).tobytes() for x in range(0, whole.width, 256)]


def crops(imgopen, url, own_id="detection"):
    """The faces of any picture, as a detection crops them."""
    return [picture(link).tobytes() for link in imgopen.detect(url, own_id)["faceUrls"]]


def fused(imgopen, time, *arguments, **more):
    """The faces of a finished multiple swap."""
    made = imgopen.fuse(*arguments, **more)
    time.advance(10)
    done = imgopen.query("face/fusion", made["taskId"])
    assert done["status"] == 2
    return tiles(done["outputImageUrl"])


def test_detect_choose_swap_query_download(imgopen, time):
    found = imgopen.detect(GROUP)
    assert found == {
        "businessTaskId": "10086996",
        "toolTask": "faceDetection",
        "faceUrls": [
            f"{imgopen.base_url}/Output-Img2/tool/faceDetection/{found['taskId']}-{number}.png" for number in range(3)
        ],
        "status": 2,
        "taskId": found["taskId"],
    }
    shown = [picture(url) for url in found["faceUrls"]]
    assert [face.size for face in shown] == [(256, 256)] * 3
    assert len({face.tobytes() for face in shown}) == 3

    # The user selects the second face: faces are counted from 1, files from 0.
    chosen = found["faceUrls"].index(found["faceUrls"][1]) + 1
    made = imgopen.fuse([ANNA], GROUP, own_id="swap-1", faceIdx=chosen)
    assert made == {"businessTaskId": "swap-1", "toolTask": "faceFusion", "status": 3, "taskId": made["taskId"]}

    time.advance(1)
    assert imgopen.query("face/fusion", "swap-1")["status"] == 1
    time.advance(4)
    done = imgopen.query("face/fusion", "swap-1")
    link = f"{imgopen.base_url}/Output-Img2/tool/faceFusion/{made['taskId']}-0.png"
    assert done == {**made, "status": 2, "outputImageUrl": link}
    assert imgopen.query("face/fusion", made["taskId"]) == done

    before = [face.tobytes() for face in shown]
    assert tiles(done["outputImageUrl"]) == [before[0], crops(imgopen, ANNA)[0], before[2]]


def test_one_source_goes_to_the_leftmost_face(imgopen, time):
    assert fused(imgopen, time, [ANNA], GROUP) == [crops(imgopen, ANNA)[0], *crops(imgopen, GROUP)[1:]]


def test_two_sources_go_to_the_two_leftmost_faces(imgopen, time):
    swapped = fused(imgopen, time, [ANNA, BERT], GROUP)
    assert swapped == [crops(imgopen, ANNA)[0], crops(imgopen, BERT)[0], crops(imgopen, GROUP)[2]]


def test_a_second_source_is_left_over_where_there_is_one_face(imgopen, time):
    assert fused(imgopen, time, [ANNA, BERT], "https://faces.invalid/1.png") == [crops(imgopen, ANNA)[0]]


def test_a_crop_of_ours_brings_its_own_face(imgopen, time):
    found = imgopen.detect(GROUP)["faceUrls"]
    swapped = fused(imgopen, time, [found[2]], "https://faces.invalid/2.png", faceIdx=1)
    assert swapped[0] == picture(found[2]).tobytes()


def test_the_spelling_of_the_page_s_text_is_taken_too(imgopen, time):
    assert fused(imgopen, time, [ANNA], GROUP, face_idx=3) == [*crops(imgopen, GROUP)[:2], crops(imgopen, ANNA)[0]]


@pytest.mark.parametrize("path", ["roop", "v2/roop"])
def test_a_single_swap(imgopen, time, path):
    body = {"sourceUrl": ANNA, "targetUrl": "https://faces.invalid/2.png", "businessTaskId": "single"}
    made = imgopen.data(f"tool/{path}", {**body, **({"fidelityWeight": "0.5"} if path == "v2/roop" else {})})
    assert made == {"taskId": made["taskId"], "businessTaskId": "single", "status": 3}
    time.advance(10)
    done = imgopen.query(path, "single")
    assert done == {**made, "status": 2, "outputImageUrl": done["outputImageUrl"]}
    assert tiles(done["outputImageUrl"]) == [crops(imgopen, ANNA)[0], crops(imgopen, "https://faces.invalid/2.png")[1]]


def test_ids_hold_the_sandbox_s_time(imgopen, time):
    made = set()
    for _ in range(3):
        task_id = imgopen.detect(ANNA)["taskId"]
        stamp = TASK_ID.fullmatch(task_id)
        assert stamp is not None
        assert int(stamp[1]) == round(time.now() * 1000)
        made.add(task_id)
        time.advance(0.001)
    assert len(made) == 3


def test_nothing_is_shared_between_accounts(imgopen, other_imgopen, time):
    made = imgopen.fuse([ANNA], GROUP, own_id="mine")
    time.advance(10)
    for name in (made["taskId"], "mine"):
        refused = other_imgopen.refused("tool/face/fusion/queryTask", {"businessTaskId": name})
        assert refused["code"] == "404"


@pytest.mark.parametrize(
    "change",
    [
        lambda link: link.replace("-0.png", "-3.png"),
        lambda link: link.replace("-0.png", "-00.png"),
        lambda link: link.replace("-0.png", "-0.jpg"),
        lambda link: link.replace("faceDetection", "faceFusion"),
        lambda link: link.replace("/pre", "/pre0"),
        lambda link: link.replace("-0.png", f"-{'9' * 5000}.png"),
        lambda link: link.replace("/Output-Img2/tool/faceDetection/", "/media/"),
    ],
)
def test_no_other_files_are_there(imgopen, change):
    link = imgopen.detect(GROUP)["faceUrls"][0]
    assert requests.get(change(link), timeout=10).status_code == 404


def test_results_are_there_when_they_are_told_and_for_thirty_days(imgopen, time):
    made = imgopen.fuse([ANNA], GROUP)
    link = f"{imgopen.base_url}/Output-Img2/tool/faceFusion/{made['taskId']}-0.png"
    assert requests.get(link, timeout=10).status_code == 404
    time.advance(5)
    assert imgopen.query("face/fusion", made["taskId"])["outputImageUrl"] == link
    picture(link)
    time.advance(30 * 86400 - 1)
    picture(link)
    time.advance(1)
    assert requests.get(link, timeout=10).status_code == 403


def test_detection_here_swap_there(imgopen, crun, time):
    """In one sandbox, a face that one vendor detected is the same face for the other vendor."""
    found = imgopen.detect(GROUP)["faceUrls"][1]
    task = crun.create("image-face-swap", {"image_url": "https://faces.invalid/1.png", "new_face": found})
    theirs = crun.detected(GROUP)["faces"][1]["link"]
    made = imgopen.fuse([theirs], "https://faces.invalid/1.png")
    time.advance(60)
    swapped = requests.get(crun.info(task)["result"]["media_urls"][0], timeout=10)
    assert tiles(imgopen.query("face/fusion", made["taskId"])["outputImageUrl"]) == [picture(found).tobytes()]
    assert Image.open(io.BytesIO(swapped.content)).convert("RGB").tobytes() == picture(found).tobytes()


def test_a_sandbox_that_moved_serves_what_it_made(imgopen, system, settings, time):
    """A snapshot of one emulator is restored in another: the first poll of a result there publishes its link."""
    made = imgopen.fuse([ANNA], GROUP, own_id="moved")
    time.advance(10)
    there = build(settings, time)
    with system.engine.store.open("default") as box, there.engine.store.open("default") as new:
        new.load(box.state())
    with LiveServer(there.asgi_app) as server:
        moved = ImgOpenClient(server.url, time)
        done = moved.query("face/fusion", "moved")
        assert done["taskId"] == made["taskId"]
        assert done["outputImageUrl"].startswith(server.url)
        assert tiles(done["outputImageUrl"]) == tiles(imgopen.query("face/fusion", "moved")["outputImageUrl"])
