"""crun.ai over real HTTP: detect faces, poll, swap some of them, poll, pay, download."""

import re
import struct
from io import BytesIO

import pytest
import requests
from PIL import Image, ImageChops

PHOTO = "https://faces.invalid/3.png"
NEW_FACES = ("https://example.com/ann.jpg", "https://example.com/bob.jpg")

#: The field that names the media -> URL, model, extension of the result and how its bytes start.
MULTI = {
    "picture": ("image", PHOTO, "image-face-swap-multi", ".png", "image/png", b"\x89PNG\r\n\x1a\n"),
    "photo": ("image", "https://faces.invalid/3.jpg", "image-face-swap-multi", ".jpg", "image/jpeg", b"\xff\xd8\xff"),
    "webp": ("image", "https://faces.invalid/3.webp", "image-face-swap-multi", ".webp", "image/webp", b"RIFF"),
    "film": ("video", "https://faces.invalid/3.mp4", "video-face-swap-multi", ".mp4", "video/mp4", b"\0\0\0"),
    "gif": ("video", "https://faces.invalid/3.gif", "video-face-swap-multi", ".gif", "image/gif", b"GIF89a"),
}


def download(url):
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer


def picture(url):
    return Image.open(BytesIO(download(url).content)).convert("RGB")


def statuses_until_the_end(ask, time, step=0.5):
    """Every status in turn, polled twice each: a poll changes nothing."""
    seen: list[dict] = []
    for _ in range(200):
        data = ask()
        assert ask() == data
        if not seen or seen[-1]["status"] != data["status"]:
            seen.append(data)
        if data["status"] in ("succeeded", "success", "failed"):
            return seen
        time.advance(step)
    raise AssertionError(f"still {seen[-1]['status']}")


@pytest.mark.parametrize("name", MULTI)
def test_two_of_three_faces_are_swapped(crun, time, name):
    media, url, model, extension, content_type, magic = MULTI[name]
    detect_task_id = crun.detect(url, media)
    assert re.fullmatch(r"d[a-z0-9]{17}", detect_task_id)

    seen = statuses_until_the_end(lambda: crun.detection(detect_task_id), time)
    assert [data["status"] for data in seen] == ["starting", "processing", "succeeded"]
    assert [data["result"] for data in seen[:2]] == [None, None]
    assert {data["detect_task_id"] for data in seen} == {detect_task_id}
    assert {data["error"] for data in seen} == {None}
    found = seen[-1]["result"]
    assert found["status"] == "succeed"
    assert (found["type"], found["hair_id"], found["error"]) == ("face_detect", None, None)
    assert re.fullmatch(r"[A-Za-z0-9]{11}", found["id"])
    assert all(re.fullmatch(r"2025-05-28 12:00:\d\d", found[at]) for at in ("started_at", "finished_at"))
    assert found["started_at"] <= found["finished_at"]
    assert [face["id"] for face in found["faces"]] == [0, 1, 2]

    before = crun.balance()
    given = {
        "detect_id": found["id"],
        f"{media}_url": url,
        "faces": [{"face_id": 0, "target": NEW_FACES[0]}, {"face_id": 2, "target": NEW_FACES[1]}],
    }
    task_id = crun.create(model, given)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", task_id)
    created = crun.info(task_id)
    price = created["credits"]
    assert price > 0
    assert crun.balance() == before - price

    seen = statuses_until_the_end(lambda: crun.info(task_id), time)
    assert [data["status"] for data in seen] == ["pending", "running", "success"]
    for data in seen[:2]:
        assert (data["result"], data["duration_s"], data["complete_at"]) == (None, None, None)
    for data in seen:
        assert (data["task_id"], data["credits"], data["source"]) == (task_id, price, "api")
        assert (data["provider"], data["model_version"]) == ("crun", model)
        assert data["param"] == {"model": model, "input": given, "callback_url": None}
        assert data["create_at"] == created["create_at"]
    end = seen[-1]
    assert end["complete_at"] - end["create_at"] == end["duration_s"] > 0
    assert crun.balance() == before - price

    assert (end["result"]["code"], end["result"]["message"]) == (200, "success")
    (link,) = end["result"]["media_urls"]
    assert link.endswith(extension)
    file = download(link)
    assert file.headers["Content-Type"] == content_type
    assert file.content.startswith(magic)
    assert download(link).content == file.content


def test_the_faces_are_files_that_can_be_told_apart(crun):
    links = [face["link"] for face in crun.detected(PHOTO)["faces"]]
    answers = [download(link) for link in links]
    assert {answer.headers["Content-Type"] for answer in answers} == {"image/jpeg"}
    pictures = [Image.open(BytesIO(answer.content)).convert("RGB") for answer in answers]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        histogram = ImageChops.difference(pictures[one], pictures[other]).convert("L").histogram()
        assert sum(histogram[32:]) > pictures[0].width * pictures[0].height // 20, "hardly a pixel differs"
    again = [face["link"] for face in crun.detected(PHOTO)["faces"]]
    assert [download(link).content for link in again] == [answer.content for answer in answers]


def test_the_swap_changes_the_named_faces_and_no_other(crun, time):
    found = crun.detected(PHOTO)
    links = [face["link"] for face in found["faces"]]

    def swapped(faces):
        task_id = crun.create(
            "image-face-swap-multi",
            {
                "detect_id": found["id"],
                "image_url": PHOTO,
                "faces": [{"face_id": face_id, "target": target} for face_id, target in faces],
            },
        )
        time.advance(60)
        return picture(crun.info(task_id)["result"]["media_urls"][0])

    untouched = swapped([(0, links[0])])
    third = untouched.width // 3
    change = ImageChops.difference(untouched, swapped([(1, NEW_FACES[0])])).getbbox()
    assert change is not None
    assert third <= change[0] < change[2] <= 2 * third, "only the face in the middle is another"
    assert swapped([(0, links[0]), (1, links[1]), (2, links[2])]).tobytes() == untouched.tobytes()
    crossed = swapped([(0, links[2]), (2, links[0])])
    assert crossed.crop((0, 0, third, third)).tobytes() == untouched.crop((2 * third, 0, 3 * third, third)).tobytes()


@pytest.mark.parametrize(
    ("model", "field", "url", "extension"),
    [
        ("image-face-swap", "image_url", "https://faces.invalid/2.jpg", ".jpg"),
        ("image-face-swap", "image_url", "https://example.com/without-extension", ".png"),
        ("image-face-swap", "image_url", "https://example.com/picture.jpeg?size=large", ".jpeg"),
        ("video-face-swap", "video_url", "https://faces.invalid/2.mp4", ".mp4"),
        ("video-face-swap", "video_url", "https://faces.invalid/2.gif", ".gif"),
        ("video-face-swap", "video_url", "https://example.com/film.mov", ".mp4"),
    ],
)
def test_the_primary_face_is_swapped_without_detection(crun, time, model, field, url, extension):
    def swapped(new_face):
        task_id = crun.create(model, {field: url, "new_face": new_face, "disable_safety_checker": False})
        time.advance(60)
        return crun.info(task_id)["result"]["media_urls"][0]

    link = swapped(NEW_FACES[0])
    assert link.endswith(extension)
    content = download(link).content
    assert content == download(swapped(NEW_FACES[0])).content
    assert content != download(swapped(NEW_FACES[1])).content


def test_the_film_is_an_mp4_with_a_picture_track(crun, time):
    task_id = crun.create("video-face-swap", {"video_url": "https://example.com/a.mp4", "new_face": NEW_FACES[0]})
    time.advance(60)
    content = download(crun.info(task_id)["result"]["media_urls"][0]).content
    boxes, at = [], 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        boxes.append(kind)
        at += size
    assert at == len(content)
    assert set(boxes) >= {b"ftyp", b"moov", b"mdat"}
    assert b"avc1" in content


def test_a_swapped_picture_can_be_swapped_again(crun, time):
    task_id = crun.create("image-face-swap", {"image_url": PHOTO, "new_face": NEW_FACES[0]})
    time.advance(60)
    result = crun.info(task_id)["result"]["media_urls"][0]
    found = crun.detected(result)
    second = crun.create(
        "image-face-swap-multi",
        {"detect_id": found["id"], "image_url": result, "faces": [{"face_id": 0, "target": NEW_FACES[1]}]},
    )
    time.advance(60)
    assert crun.info(second)["status"] == "success"


@pytest.mark.parametrize("url", [f"https://example.com/{name}.png" for name in "abcdefgh"])
def test_the_number_of_faces_follows_from_the_url(crun, other_crun, url):
    count = len(crun.detected(url)["faces"])
    assert 1 <= count <= 4
    assert len(other_crun.detected(url)["faces"]) == count


def test_ordinary_urls_show_one_to_four_faces(crun):
    counts = {len(crun.detected(f"https://example.com/{number}.png")["faces"]) for number in range(30)}
    assert counts == {1, 2, 3, 4}


@pytest.mark.parametrize("name", ["media_url", "gif_url"])
def test_other_spellings_of_the_video_field_are_taken(crun, name):
    assert crun.data("POST", "job/detect-face-video", json={name: "https://example.com/a.gif"})["detect_task_id"]


def test_links_end(crun, time):
    found = crun.detected(PHOTO)
    task_id = crun.create("image-face-swap", {"image_url": PHOTO, "new_face": NEW_FACES[0]})
    time.advance(60)
    face, result = found["faces"][0]["link"], crun.info(task_id)["result"]["media_urls"][0]
    time.advance(86_400)
    assert requests.get(face, timeout=10).status_code == 403
    assert requests.get(result, timeout=10).status_code == 200
    time.advance(14 * 86_400)
    assert requests.get(result, timeout=10).status_code == 403


def test_a_link_gives_only_its_own_files(crun):
    link = crun.detected("https://faces.invalid/1.png")["faces"][0]["link"]
    stem = link.removesuffix("0.jpg")
    for name in ("1.jpg", "0.png", "00.jpg", "-1.jpg", "0", "0.jpg.jpg", "²", "٠.jpg", "%00.jpg", "a.jpg"):
        assert requests.get(stem + name, timeout=10).status_code == 404, name
    assert requests.get(stem.replace("/media/", "/media/0") + "0.jpg", timeout=10).status_code == 404


@pytest.mark.parametrize(("asked", "content_type"), [("png", "image/png"), ("jpg", "image/jpeg"), (None, "image/png")])
def test_a_format_can_be_asked_for(crun, time, asked, content_type):
    given = {"prompt": "a café", **({"output_format": asked} if asked else {})}
    task_id = crun.create("google/nano-banana-pro", given)
    time.advance(60)
    (link,) = crun.info(task_id)["result"]["media_urls"]
    assert link.endswith(f".{asked or 'png'}")
    assert download(link).headers["Content-Type"] == content_type


def test_several_pictures_and_a_last_frame(crun, time):
    asked = {
        "bytedance/seedream-4-5": ({"prompt": "a café", "num_outputs": 3}, [".png", ".png", ".png"]),
        "bytedance/seedance1-0-pro-t2v": ({"prompt": "a café", "return_last_frame": True}, [".mp4", ".png"]),
        "suno/music-generate": ({"prompt": "a café"}, [".wav", ".wav"]),
    }
    for model, (given, extensions) in asked.items():
        task_id = crun.create(model, given)
        time.advance(60)
        links = crun.info(task_id)["result"]["media_urls"]
        assert [link[link.rindex(".") :] for link in links] == extensions
        contents = [download(link) for link in links]
        assert len({answer.content for answer in contents}) == len(links)
        kinds = {".png": "image/png", ".mp4": "video/mp4", ".wav": "audio/wav"}
        assert [answer.headers["Content-Type"] for answer in contents] == [kinds[name] for name in extensions]
