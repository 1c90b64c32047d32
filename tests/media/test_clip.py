"""Videos of any length: their size is known before they are made, and players take them as they are."""

import io
import json
import shutil
import subprocess

import pytest

from swapmock.mock_server.media import Face
from swapmock.mock_server.media.clip import Clip

FACES = (Face("https://example.com/a.png", 0), Face("https://example.com/b.png", 1))

#: Width, height, seconds, frames a second.
SHAPES = [
    (1280, 720, 4, 24),
    (1920, 1080, 2, 30),
    (720, 1280, 3, 24),
    (64, 48, 3, 10),
    (854, 480, 2, 24),
    (100, 36, 9, 5),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_size_is_known_before_a_picture_is_drawn(shape):
    clip = Clip(FACES, *shape)
    size = clip.size
    assert len(b"".join(clip.read())) == size


def test_any_range_is_the_same_bytes_as_in_the_whole_file():
    clip = Clip(FACES, 160, 96, 3, 5)
    whole = b"".join(clip.read())
    edges = [0, 1, 500, len(whole) // 2, len(whole) - 1, len(whole)]
    for start in edges:
        for stop in edges:
            assert b"".join(clip.read(start, stop)) == whole[start:stop]
    assert b"".join(clip.read(5, len(whole) + 100)) == whole[5:]


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_player_decodes_every_frame(shape, tmp_path):
    assert shutil.which("ffprobe")
    width, height, seconds, fps = shape
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"".join(Clip(FACES, *shape).read()))
    wanted = "stream=width,height,nb_read_frames,duration,r_frame_rate:frame=key_frame"
    probe = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", wanted, "-of", "json", str(file)]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    (stream,) = found["streams"]
    assert (stream["width"], stream["height"], stream["r_frame_rate"]) == (width, height, f"{fps}/1")
    assert (float(stream["duration"]), int(stream["nb_read_frames"])) == (seconds, seconds * fps)
    keys = [number for number, frame in enumerate(found["frames"]) if frame["key_frame"]]
    assert keys == [second * fps for second in range(seconds)]


@pytest.mark.needs("ffmpeg")
def test_the_ground_is_grey_and_the_picture_moves(tmp_path):
    from PIL import Image

    file = tmp_path / "clip.mp4"
    file.write_bytes(b"".join(Clip(FACES, 1280, 720, 3, 4).read()))

    def frame(at: float) -> Image.Image:
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-ss",
            str(at),
            "-i",
            str(file),
            "-frames:v",
            "1",
            "-f",
            "image2pipe",
            "-c:v",
            "png",
            "-",
        ]
        return Image.open(
            io.BytesIO(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
        ).convert("RGB")

    first, same, later = frame(0), frame(0.5), frame(1)
    for x, y in ((0, 0), (1279, 0), (0, 719), (1279, 719), (300, 360), (960, 360), (640, 100), (640, 600)):
        red, green, blue = first.crop((x, y, x + 1, y + 1)).tobytes()
        assert max(red, green, blue) - min(red, green, blue) <= 3
    assert first.tobytes() == same.tobytes()
    assert first.tobytes() != later.tobytes()


def test_a_long_one_begins_at_once_and_takes_little_memory():
    import tracemalloc

    clip = Clip(FACES, 1920, 1080, 60, 24)
    tracemalloc.start()
    assert 0.4e6 <= clip.size <= 25e6
    assert sum(map(len, clip.read())) == clip.size
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50_000_000


@pytest.mark.parametrize("shape", [(0, 10, 1, 1), (33, 32, 1, 1), (64, 64, 0, 24), (64, 64, 1, 0), (16, 64, 1, 24)])
def test_what_cannot_be_drawn_is_told(shape):
    with pytest.raises(ValueError, match="no clip of"):
        Clip(FACES, *shape)


def test_what_no_level_allows_is_told():
    with pytest.raises(ValueError, match="no level allows"):
        _ = Clip(FACES, 16384, 16384, 1, 60).size
