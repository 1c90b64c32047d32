"""Files are decoded to their end, and held to what their request asks for."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from swapmock.client_checks.conformance.asked import FORMS, deviations, wrong_count
from swapmock.client_checks.conformance.context import Submission
from swapmock.client_checks.conformance.media import kind_of
from swapmock.client_checks.conformance.medium import Medium, decoded
from swapmock.client_checks.conformance.profile import profile
from swapmock.contracts import load
from swapmock.mock_server.media import Face
from swapmock.mock_server.media.clip import Clip
from swapmock.mock_server.media.tone import Tone
from tests.broken_servers.harmless_media import encoded_anew, index_last
from tests.broken_servers.media import damaged


def picture(form: str, size: tuple[int, int] = (48, 32), **options: Any) -> bytes:
    out = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, form, **options)
    return out.getvalue()


def animated() -> bytes:
    frames = [Image.new("RGB", (20, 10), (shade, 0, 0)) for shade in (0, 90, 180)]
    out = BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=200)
    return out.getvalue()


@pytest.fixture(scope="module")
def video() -> bytes:
    return b"".join(Clip((Face("a", 0),), 128, 96, 2, 12).read())


@pytest.fixture(scope="module")
def sound() -> bytes:
    return b"".join(Tone("a", 3).read())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_pictures_are_decoded(form: str) -> None:
    content = picture(form)
    assert decoded(content, str(kind_of(content))) == Medium(form.lower(), 48, 32)


def test_an_animation_has_a_length() -> None:
    found = decoded(animated(), "gif")
    assert (found.width, found.height, found.seconds, found.broken) == (20, 10, 0.6, "")


def test_a_picture_is_as_large_as_a_viewer_shows_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    assert decoded(picture("JPEG", exif=exif), "jpeg") == Medium("jpeg", 32, 48)


def test_videos_and_sounds_are_decoded(video: bytes, sound: bytes) -> None:
    for content in (video, index_last(video), encoded_anew(video)):
        found = decoded(content, "mp4")
        assert (found.width, found.height, found.broken) == (128, 96, "")
        assert found.seconds == pytest.approx(2.0, abs=0.1)
        assert found.rate == pytest.approx(12.0, abs=0.1)
    assert decoded(sound, "wav").seconds == pytest.approx(3.0)
    assert decoded(sound, "wav").broken == ""


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("missing", [1, 2, 12, 40])
def test_a_picture_without_its_end_is_broken(form: str, missing: int) -> None:
    content = picture(form)
    assert decoded(content[:-missing], str(kind_of(content))).broken


def test_a_changed_bit_of_a_picture_is_found() -> None:
    content = picture("PNG")
    place = content.index(b"IDAT") + 10
    assert decoded(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :], "png").broken


@pytest.mark.parametrize("part", [0.02, 0.5, 0.99])
def test_a_video_or_a_sound_without_its_end_is_broken(video: bytes, sound: bytes, part: float) -> None:
    assert decoded(video[: int(len(video) * part)], "mp4").broken
    assert decoded(sound[: int(len(sound) * part)], "wav").broken


def test_a_damaged_video_is_found(video: bytes) -> None:
    assert decoded(damaged(video), "mp4").broken


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "mp4", "webm", "wav", "mp3"])
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"<html>", b"\xff\xd8\xff", b"RIFF\xff\xff\xff\xffWAVE"])
def test_what_is_no_file_is_broken_without_an_exception(kind: str, content: bytes) -> None:
    assert decoded(content, kind).broken


#: Form, what the row has besides, what was asked for, files that are so, and files that are not.
SIDES = {"image": {"1k": 1024, "2k": 2048}, "video": {"480p": 480, "720p": 720}}
JUDGED: list[tuple[str, dict[str, Any], list[Any], list[Medium], list[Medium]]] = [
    ("ratio", {}, ["16:9"], [Medium("png", 1344, 768), Medium("png", 1920, 1080)], [Medium("png", 1024, 768), Medium("png", 768, 1344)]),
    ("ratio", {}, ["auto"], [Medium("png", 1, 9)], []),
    ("ratio", {}, ["3:0"], [Medium("png", 1, 9)], []),
    ("pixels", {}, [512, 768], [Medium("png", 512, 768), Medium("png", 520, 768)], [Medium("png", 512, 512), Medium("png", 768, 512)]),
    ("pixels", {}, [True, 7], [Medium("png", 512, 768)], []),
    ("resolution", {"sides": SIDES}, ["2K"], [Medium("png", 2048, 2048), Medium("png", 2752, 1536)], [Medium("png", 1024, 1024)]),
    ("resolution", {"sides": SIDES}, ["720p"], [Medium("mp4", 1280, 720), Medium("mp4", 960, 960), Medium("mp4", 720, 1280)], [Medium("mp4", 854, 480), Medium("mp4", 1920, 1080)]),
    ("resolution", {"sides": SIDES}, ["480p"], [Medium("mp4", 864, 480), Medium("mp4", 640, 640)], [Medium("mp4", 1280, 720), Medium("mp4", 640, 360)]),
    ("resolution", {"sides": SIDES}, ["1024x1536"], [Medium("png", 1024, 1536)], [Medium("png", 1536, 1024)]),
    ("resolution", {"sides": SIDES}, ["best"], [Medium("png", 1, 1)], []),
    ("seconds", {}, [5], [Medium("mp4", seconds=5.04), Medium("mp4", seconds=4.96), Medium("mp4", seconds=5.5)], [Medium("mp4", seconds=4), Medium("mp4", seconds=6), Medium("mp4")]),
    ("seconds", {}, ["10s"], [Medium("mp3", seconds=10.6)], [Medium("mp3", seconds=11)]),
    ("seconds", {}, [-1], [Medium("mp4", seconds=4)], []),
    ("rate", {}, [30], [Medium("mp4", rate=29.97)], [Medium("mp4", rate=24)]),
    ("format", {"kinds": {"jpg": "jpeg"}}, ["jpg"], [Medium("jpeg")], [Medium("png")]),
    ("format", {"kinds": {"jpg": "jpeg"}}, ["best"], [Medium("png")], []),
]  # fmt: skip


@pytest.mark.parametrize(("form", "more", "values", "good", "bad"), JUDGED)
def test_what_was_asked(
    form: str, more: dict[str, Any], values: list[Any], good: list[Medium], bad: list[Medium]
) -> None:
    row = {"form": form, **more}
    assert [one for one in good if FORMS[form](row, values, one) is not None] == []
    assert [one for one in bad if FORMS[form](row, values, one) is None] == []


def found(model: str, given: dict[str, Any], medium: Medium) -> set[str]:
    submission = Submission(1, 0.0, {"model": model, "input": given}, "create_task")
    rows = profile("crun").asked["create_task"]
    return {one.place for one in deviations(rows, load("crun"), submission, medium)}


def test_only_fields_that_a_model_has_are_judged() -> None:
    small = Medium("png", 100, 100)
    assert found("z-image", {"aspect_ratio": "16:9", "resolution": "2K"}, small) == {"ratio"}
    assert found("google/nano-banana-pro", {"aspect_ratio": "16:9", "resolution": "2K"}, small) == {
        "ratio",
        "resolution",
    }
    assert (
        found("google/nano-banana-pro", {"aspect_ratio": "16:9", "img_urls": ["https://x.example/a.png"]}, small)
        == set()
    )
    assert found("google/nano-banana-pro", {"output_format": "jpg"}, small) == {"format"}
    assert found("google/nano-banana-pro-v2", {"output_format": "jpg"}, small) == set()
    assert found("no-such-model", {"aspect_ratio": "16:9"}, small) == set()


def test_other_files_of_a_result_are_not_held_to_it() -> None:
    """The last frame of a video, the cover of a song."""
    given = {"aspect_ratio": "16:9", "duration": 4}
    assert found("google/veo3-1-fast-t2v", given, Medium("png", 10, 10)) == set()
    assert found("google/veo3-1-fast-t2v", given, Medium("mp4", 10, 10, 8.0)) == {"ratio", "seconds"}


def test_the_number_of_files() -> None:
    rows = profile("imgopen").asked["sd_text2image"]
    submission = Submission(1, 0.0, {"n_iter": 2, "batch_size": 3}, "sd_text2image")
    assert wrong_count(rows, load("imgopen"), submission, 6) is None
    assert wrong_count(rows, load("imgopen"), submission, 2) is not None
    assert wrong_count(rows, load("imgopen"), Submission(1, 0.0, {}, "sd_text2image"), 2) is None


@pytest.mark.parametrize("provider", ["crun", "imgopen"])
def test_the_rows_have_forms_and_operations_that_exist(provider: str) -> None:
    for operation, rows in profile(provider).asked.items():
        assert operation in load(provider).operations
        assert all(row["form"] in {*FORMS, "count"} and row["evidence"] and row["source"] for row in rows)
