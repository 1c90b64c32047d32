"""The size and length of a result, by the input of its task."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.crun.shapes import COVER_SIDES, PICTURE_SIDES, VIDEO_SIDES, shape, shape_of


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, None),
        ({"aspect_ratio": "1:1"}, (1024, 1024)),
        ({"aspect_ratio": "16:9"}, (1366, 768)),
        ({"ratio": " 3 / 2 "}, (1254, 836)),
        ({"size": "9:16"}, (768, 1366)),
        ({"image_size": "4:1"}, (2048, 512)),
        ({"aspect_ratio": "10:1"}, (3238, 324)),
        ({"aspect_ratio": "1:10"}, (324, 3238)),
        ({"aspect_ratio": "10.1:1"}, None),
        ({"aspect_ratio": "1:10.1"}, None),
        ({"aspect_ratio": "1:0"}, None),
        ({"aspect_ratio": "0:1"}, None),
        ({"aspect_ratio": "wide"}, None),
        ({"aspect_ratio": "wide", "ratio": "1:1"}, (1024, 1024)),
        ({"aspect_ratio": 2}, None),
        ({"resolution": "512"}, (512, 512)),
        ({"resolution": "0.5K"}, (512, 512)),
        ({"resolution": " 1k "}, (1024, 1024)),
        ({"image_size": "2K"}, (2048, 2048)),
        ({"size": "3k"}, (3072, 3072)),
        ({"quality": "4K"}, (4096, 4096)),
        ({"resolution": "720p"}, None),
        ({"resolution": "2k", "aspect_ratio": "4:1"}, (4096, 1024)),
        ({"resolution": "4k", "aspect_ratio": "1:2"}, (2896, 4096)),
        ({"size": "1024x1536"}, (1024, 1536)),
        ({"image_size": "640 * 480"}, (640, 480)),
        ({"resolution": "500X300"}, (500, 300)),
        ({"size": "800×600", "aspect_ratio": "1:1"}, (800, 600)),
        ({"width": 1000, "height": 600}, (1000, 600)),
        ({"width": 1001, "height": 603}, (1000, 604)),
        ({"width": 8, "height": 99_999}, (32, 4096)),
        ({"width": 1000, "height": 600, "size": "800x800"}, (1000, 600)),
        ({"width": 1000, "size": "800x800"}, (800, 800)),
        ({"height": 1000, "size": "800x800"}, (800, 800)),
        ({"width": "1000", "height": "600"}, None),
    ],
)
def test_the_size_of_a_picture(given, size):
    assert shape_of("image", given) == (None if size is None else Shape(*size))


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, (1280, 720)),
        ({"aspect_ratio": "9:16"}, (720, 1280)),
        ({"aspect_ratio": "1:1"}, (720, 720)),
        ({"ratio": "4:3", "resolution": "480p"}, (640, 480)),
        ({"ratio": "3:4", "resolution": "480P"}, (480, 640)),
        ({"size": "640x360"}, (640, 360)),
        ({"resolution": "512"}, (1280, 720)),
        ({"resolution": "4k", "aspect_ratio": "21:9"}, (4096, 2160)),
        *(
            ({"resolution": name, "aspect_ratio": "1:1"}, (side, side))
            for name, side in {
                "360p": 360, "480p": 480, "512p": 512, "540p": 540, "580p": 580, "720p": 720, "768p": 768, "1080p": 1080,
                "1k": 720, "2k": 1440, "1440p": 1440, "4k": 2160, "2160p": 2160,
            }.items()
        ),
    ],
)  # fmt: skip
def test_the_size_of_a_video(given, size):
    width, height = size
    assert shape_of("video", given) == Shape(width, height, 5)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, None),
        ({"duration": 7}, 7),
        ({"duration": 0.3}, 1),
        ({"duration": 1}, 1),
        ({"duration": 7.6}, 8),
        ({"duration": "10"}, 10),
        ({"duration": " 10 S "}, 10),
        ({"duration": "3.6s"}, 4),
        ({"seconds": 8}, 8),
        ({"length": "9s"}, 9),
        ({"duration": "long", "seconds": 8}, 8),
        ({"duration": 6, "seconds": 8}, 6),
        ({"duration": 0}, None),
        ({"duration": -1}, None),
        ({"duration": True}, None),
        ({"duration": None}, None),
        ({"duration": 10_000}, None),
        ({"duration": 20_000}, None),
        ({"duration": "99999"}, None),
    ],
)
def test_how_long_a_result_is(given, seconds):
    video, sound = shape_of("video", given), shape_of("audio", given)
    assert video == Shape(1280, 720, seconds or 5)
    assert sound == Shape(0, 0, seconds or 10)


@pytest.mark.parametrize(("asked", "video", "sound"), [(60, 60, 60), (61, 60, 61), (480, 60, 480), (9999, 60, 480)])
def test_the_longest_results(asked, video, sound):
    assert shape_of("video", {"duration": asked}) == Shape(1280, 720, video)
    assert shape_of("audio", {"duration": asked}) == Shape(0, 0, sound)


@pytest.mark.parametrize(
    ("given", "fps"),
    [
        ({"fps": 1}, 1),
        ({"fps": 60}, 60),
        ({"frame_rate": 30}, 30),
        ({"frames_per_second": 24}, 24),
        ({"fps": 0, "frame_rate": 50}, 50),
        *(({"fps": wrong}, Shape(0, 0).fps) for wrong in (0, 61, -5, True, "30", 29.97, None)),
    ],
)
def test_frames_in_a_second(given, fps):
    assert shape_of("video", given) == Shape(1280, 720, 5, fps)


ENGINE: Any = SimpleNamespace(contracts={"crun": load("crun")}, json=json)


def task_of(model, given, extension=".png", more=(), operation="create_task"):
    request = json.dumps({"model": model, "input": given}).encode()
    facts = {"extension": extension, "more": [[ending, []] for ending in more]}
    return Task("t", "task", "crun", operation, model, request, 0.0, 1.0, 2.0, facts=facts)


def test_a_result_has_the_shape_that_its_input_asks_for():
    assert shape(task_of("z-image", {"size": "640x480"}), ENGINE) == Shape(640, 480)
    assert shape(task_of("z-image", {"size": "640x480"}, more=[".jpg"]), ENGINE, 1) == Shape(640, 480)
    assert shape(task_of("z-image", {}), ENGINE) is None
    assert shape(task_of("z-image", "no object"), ENGINE) is None
    assert shape(task_of("image-face-swap", {"size": "640x480"}), ENGINE) is None
    assert shape(task_of("z-image", {"size": "640x480"}, operation="detect_face_image"), ENGINE) is None


@pytest.mark.parametrize("request_body", [b"[]", b"5", b"null", b"{}", b'{"input": null}', b'{"input": [1]}'])
def test_a_request_without_an_input_asks_for_nothing(request_body):
    assert shape(replace(task_of("z-image", {}), request=request_body), ENGINE) is None
    assert shape(replace(task_of("suno/music-generate", {}), request=request_body), ENGINE) == Shape(0, 0, 10)


@pytest.mark.parametrize(
    "model", ["image-face-swap", "image-face-swap-multi", "video-face-swap", "video-face-swap-multi"]
)
def test_a_face_swap_keeps_the_shape_of_its_source(model):
    assert shape(task_of(model, {"size": "640x480", "duration": 5}), ENGINE) is None


def test_the_further_files_of_a_picture_and_of_a_video():
    """They are as large as the first one; only the covers of songs are not."""
    pictures = task_of("z-image", {"size": "640x480"}, ".png", [".png", ".png"])
    video = task_of("google/veo3-1-fast-t2v", {"size": "640x480"}, ".mp4", [".png"])
    assert [shape(pictures, ENGINE, number) for number in range(3)] == [Shape(640, 480)] * 3
    assert [shape(video, ENGINE, number) for number in range(2)] == [Shape(640, 480, 5)] * 2
    odd = task_of("suno/music-generate", {}, ".wav", [".aaa", ".zzz"])
    assert [shape(odd, ENGINE, number) for number in (1, 2)] == [Shape(360, 360), Shape(720, 720)]


def test_the_covers_of_a_song():
    """Two tracks, then a small and a large cover for each."""
    song = task_of("suno/music-generate", {"duration": 30}, ".wav", [".wav", ".png", ".png", ".png", ".png"])
    sound, small, large = Shape(0, 0, 30), Shape(360, 360), Shape(720, 720)
    assert shape(song, ENGINE) == sound
    assert [shape(song, ENGINE, number) for number in range(6)] == [sound, sound, small, large, small, large]


def test_the_sides_by_resolution():
    """To the pixel: sizes are rounded to even numbers, which hides an odd one."""
    assert PICTURE_SIDES == {"512": 512, "0.5k": 512, "1k": 1024, "2k": 2048, "3k": 3072, "4k": 4096}
    by_name = {f"{side}p": side for side in (360, 480, 512, 540, 580, 720, 768, 1080, 1440, 2160)}
    videos = {**by_name, "1k": 720, "2k": 1440, "4k": 2160}
    assert videos == VIDEO_SIDES
    assert COVER_SIDES == (360, 720)
