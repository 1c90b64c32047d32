"""Magic values: every outcome and every code by reserved URLs alone, without further set-up."""

import pytest
import requests

from swapmock.contracts import load

RULES = load("crun").behaviour
REFUSALS = [row for row in RULES.magic.values() if row.refuse is not None]
SCENARIOS = [row for row in RULES.magic.values() if row.scenario is not None]
FACES = [row for row in RULES.magic.values() if row.faces is not None]
DOCUMENTED_CODES = {401, 402, 404, 422, 429, 455, 500, 501, 505}

SUBMISSIONS = {
    "job/detect-face-image": lambda url: {"image_url": url},
    "job/detect-face-video": lambda url: {"video_url": url},
    "job/CreateTask": lambda url: {"model": "image-face-swap", "input": {"image_url": url, "new_face": url}},
    "job/estimate-credits": lambda url: {"model": "google/nano-banana", "input": {"prompt": "a", "img_urls": [url]}},
    "job/EstimateTask": lambda url: {"model": "video-face-swap", "input": {"video_url": url, "new_face": url}},
}


def test_every_code_can_be_had():
    codes = {RULES.refusals[row.refuse or ""].code for row in REFUSALS}
    assert codes == DOCUMENTED_CODES | {403, 451}
    assert codes | {200} == set(RULES.body_codes)


@pytest.mark.parametrize("path", SUBMISSIONS)
@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.value)
def test_a_refusal(crun, row, path):
    before = crun.balance()
    refusal = RULES.refusals[row.refuse]
    refused = crun.refused("POST", path, json=SUBMISSIONS[path](row.value))
    assert (refused["code"], refused["message"]) == (refusal.code, refusal.message)
    assert refused["http"] == RULES.body_codes[refusal.code].http
    assert f"/{refusal.code}" in row.value
    if refusal.code == 422:
        assert row.value in refused["errors"][0]
    elif refusal.code == 402:
        assert refused["data"] == {"balance": before}
    elif refused["http"] == 200:
        assert "data" not in refused
    else:
        assert refused["data"] is None
    assert crun.balance() == before


@pytest.mark.parametrize("row", SCENARIOS, ids=lambda row: row.value)
def test_a_scenario(crun, time, row):
    scenario = RULES.scenarios[row.scenario]
    before = crun.balance()
    task_id = crun.create("image-face-swap", {"image_url": row.value + ".png", "new_face": "https://example.com/a.png"})
    detect_task_id = crun.detect(row.value)
    line, detection = RULES.timelines["image"], RULES.timelines["detection_image"]
    just_before = min(line.queued + line.running, detection.queued + detection.running) * scenario.stretch - 0.1
    if scenario.stretch and just_before > 0:
        time.advance(just_before)
        assert crun.info(task_id)["status"] in ("pending", "running")
        assert crun.detection(detect_task_id)["status"] in ("starting", "processing")
    time.advance(1e6 if not scenario.ends else line.queued * scenario.stretch + line.running * scenario.stretch)
    info, found = crun.info(task_id), crun.detection(detect_task_id)
    if not scenario.ends:
        assert (info["status"], found["status"]) == ("running", "processing")
        assert crun.balance() == before - info["credits"] < before
        return
    if scenario.fails is None:
        assert (info["status"], found["status"]) == ("success", "succeeded")
        links = info["result"]["media_urls"]
        assert len(links) == scenario.media
        if not scenario.download:
            assert [requests.get(url, timeout=10).status_code for url in links] == [200] * scenario.media
        assert info["credits"] == before - crun.balance() > 0
        return
    assert (info["status"], found["status"]) == ("failed", "failed")
    told = scenario.fails.get("result", True)
    expected = {"code": scenario.fails["code"], "message": scenario.fails["message"]}
    assert info["result"] == (expected if told else None)
    assert info.get("reason") == scenario.fails.get("reason")
    assert (found["result"], found["error"]) == (None, scenario.fails["message"] or None)
    assert info["credits"] == (before - crun.balance() if scenario.charged else 0)


@pytest.mark.parametrize("ending", ["png", "mp4"])
@pytest.mark.parametrize("row", FACES, ids=lambda row: row.value)
def test_a_number_of_faces(crun, time, row, ending):
    media = "video" if ending == "mp4" else "image"
    detect_task_id = crun.detect(row.value.replace("png", ending), media)
    time.advance(10)
    found = crun.detection(detect_task_id)
    if row.faces == 0:
        assert (found["status"], found["result"]) == ("failed", None)
        return
    links = [face["link"] for face in found["result"]["faces"]]
    assert len(links) == row.faces
    assert len({requests.get(link, timeout=10).content for link in links}) == row.faces


@pytest.mark.parametrize(
    "url", ["https://errors.invalid/501", "https://errors.invalid/501.mp4", "http://errors.invalid/501"]
)
def test_scheme_and_extension_do_not_matter(crun, url):
    assert crun.refused("POST", "job/detect-face-image", json={"image_url": url})["code"] == 501


@pytest.mark.parametrize(
    "url", ["https://errors.invalid/slwo", "https://faces.invalid/9.png", "https://faces.invalid/"]
)
def test_a_misspelt_one_is_refused_with_the_list(crun, url):
    refused = crun.refused("POST", "job/detect-face-image", json={"image_url": url})
    assert refused["code"] == 422
    (sentence,) = refused["errors"]
    assert url in sentence
    assert "knows: " in sentence


def test_one_deep_inside_an_input_counts(crun):
    found = crun.detected("https://faces.invalid/2.png")
    given = {
        "detect_id": found["id"],
        "image_url": "https://faces.invalid/2.png",
        "faces": [{"face_id": 1, "target": "https://errors.invalid/429"}],
    }
    refused = crun.refused("POST", "job/CreateTask", json={"model": "image-face-swap-multi", "input": given})
    assert (refused["http"], refused["code"]) == (429, 429)


def test_callback_urls_are_no_media(crun):
    body = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
    assert crun.create("image-face-swap", body, callback_url="https://errors.invalid/501")


def test_other_hosts_are_ordinary(crun):
    assert crun.detected("https://other.invalid/501")["faces"]
