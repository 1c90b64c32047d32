"""A result has the requested form: the ratio and size of a picture, the length, size and rate of a video, the length of a sound."""

import io
import json
import subprocess
import wave

import pytest
import requests
from PIL import Image

from swapmock.mock_server.providers.crun.shapes import shape_of


def fetched(crun, time, model, given, index=0):
    task = crun.create(model, given)
    time.advance(3600 * 0.2)
    url = crun.info(task)["result"]["media_urls"][index]
    answer = requests.get(url, timeout=30)
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["content-length"])
    assert requests.head(url, timeout=30).headers["content-length"] == answer.headers["content-length"]
    return url, answer


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"aspect_ratio": "2:3"}, (836, 1254)),
        ({"aspect_ratio": "16:9", "resolution": "2K"}, (2730, 1536)),
        ({"resolution": "4K"}, (4096, 4096)),
        ({"size": "1024x1536"}, (1024, 1536)),
        ({"width": 300, "height": 100}, (300, 100)),
        ({}, (256, 256)),
    ],
)
def test_pictures(crun, time, given, size):
    _, answer = fetched(crun, time, "google/nano-banana-2", {"prompt": "a", **given})
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == size


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"duration": 10, "resolution": "480p", "aspect_ratio": "16:9"}, (854, 480, 10.0)),
        ({"duration": "4s", "aspect_ratio": "9:16", "resolution": "1080p"}, (1080, 1920, 4.0)),
        ({}, (1280, 720, 5.0)),
    ],
)
def test_videos(crun, time, tmp_path, given, expected):
    url, answer = fetched(crun, time, "bytedance/seedance2-0-fast-r2v", {"prompt": "a", **given})
    assert 0.4e6 < len(answer.content) < 25e6
    file = tmp_path / "a.mp4"
    file.write_bytes(answer.content)
    probe = ["ffprobe", "-v", "error", "-show_entries", "stream=width,height,duration", "-of", "json", str(file)]
    (stream,) = json.loads(subprocess.run(probe, capture_output=True, text=True, timeout=60, check=True).stdout)[
        "streams"
    ]
    assert (stream["width"], stream["height"], float(stream["duration"])) == expected
    part = requests.get(url, headers={"Range": "bytes=1000-300999"}, timeout=30)
    assert (part.status_code, part.content) == (206, answer.content[1000:301000])
    same = requests.get(url, headers={"If-None-Match": answer.headers["etag"]}, timeout=30)
    assert (same.status_code, same.content) == (304, b"")


def test_sounds(crun, time):
    _, answer = fetched(crun, time, "suno/sounds-generate", {"prompt": "a", "duration": 20})
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert sound.getnframes() / sound.getframerate() == 20


@pytest.mark.parametrize(
    ("modality", "given", "expected"),
    [
        ("image", {"aspect_ratio": "auto"}, None),
        ("image", {"aspect_ratio": "0:1"}, None),
        ("image", {"size": "99999x99999"}, (4096, 4096, 0, 24)),
        ("video", {"duration": 10**9}, (1280, 720, 5, 24)),
        ("video", {"duration": float("nan"), "fps": 30}, (1280, 720, 5, 30)),
        ("video", {"duration": 600, "resolution": 5}, (1280, 720, 60, 24)),
        ("video", {"resolution": "4k", "aspect_ratio": "21:9"}, (4096, 2160, 5, 24)),
        ("audio", {"duration": [1]}, (0, 0, 10, 24)),
    ],
)
def test_odd_wishes_are_bounded(modality, given, expected):
    assert shape_of(modality, given) == expected
