"""Portraits: always the same for the same face, clearly different for different ones."""

import io
import itertools
import os
import subprocess
import sys

import pytest
from PIL import Image, ImageChops

from swapmock.mock_server.media import Face, face_jpeg, face_png
from swapmock.mock_server.media.backdrops import BACKDROP
from swapmock.mock_server.media.features import Look, colour, mix
from swapmock.mock_server.media.portrait import STILL, Pose, portrait

CROWD = [Face(f"https://example.com/{number // 4}.png", number % 4) for number in range(200)]
FINGERPRINT = """
import sys, hashlib
from swapmock.mock_server.media import Face, face_jpeg, group_mp4
assert "PIL" not in sys.modules, "Pillow is loaded before the first picture"
print(hashlib.sha256(face_jpeg(Face("a", 0)) + group_mp4([Face("a", 0)])).hexdigest())
"""


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures, 0 to 255."""
    [mean] = ImageChops.difference(one, other).resize((1, 1), Image.Resampling.BOX).convert("L").tobytes()
    return mean


@pytest.mark.parametrize(("render", "kind"), [(face_jpeg, "JPEG"), (face_png, "PNG")])
def test_a_crop_is_a_picture_of_256_pixels(render, kind):
    picture = Image.open(io.BytesIO(render(CROWD[0])))
    picture.load()
    assert (picture.format, picture.size, picture.mode) == (kind, (256, 256), "RGB")
    assert not picture.getexif()


def test_no_two_faces_share_their_bytes():
    assert len({face_jpeg(face) for face in CROWD}) == len(CROWD)


def test_any_two_faces_differ_visibly():
    pictures = [portrait(face, 48) for face in CROWD]
    assert min(difference(one, other) for one, other in itertools.combinations(pictures, 2)) > 12


def test_the_face_itself_differs_and_not_only_the_wall():
    middles = [portrait(face, 48).crop((14, 10, 34, 36)) for face in CROWD]
    assert min(difference(one, other) for one, other in itertools.combinations(middles, 2)) > 4


def test_a_face_keeps_its_features_at_every_size():
    large, small = portrait(CROWD[0], 256), portrait(CROWD[0], 64)
    assert difference(large.resize((64, 64), Image.Resampling.BOX), small) < 4


@pytest.mark.parametrize("pose", [Pose(dx=0.02), Pose(dy=0.02), Pose(blink=True), Pose(talk=True)])
def test_a_pose_moves_something_but_remains_the_same_person(pose):
    smiling = next(face for face in CROWD if Look.of(face).mouth == "smile")
    rest, moved = portrait(smiling, 64), portrait(smiling, 64, pose)
    assert ImageChops.difference(rest, moved).getbbox() is not None
    assert difference(rest, moved) < min(difference(moved, portrait(face, 64)) for face in CROWD if face != smiling)


@pytest.mark.parametrize("identity", ["", "https://例え.jp/顔.png", "\ud800", "a" * 10_000, "a\0b"])
def test_any_text_is_an_identity(identity):
    assert face_jpeg(Face(identity, 0)) != face_jpeg(Face(identity, 1))


def test_index_and_identity_do_not_run_into_each_other():
    assert Look.of(Face("1", 2)) != Look.of(Face("2", 1))
    assert Look.of(Face("x", 11)) != Look.of(Face("1x", 1))


def test_every_word_of_a_look_can_be_drawn():
    looks = [Look.of(Face("all", number)) for number in range(400)]
    assert {look.backdrop for look in looks} == set(BACKDROP)
    for number in range(400):
        portrait(Face("all", number), 16, STILL)


def test_the_same_bytes_in_every_process_and_pillow_only_when_needed():
    def fingerprint(hash_seed):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", FINGERPRINT]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert fingerprint("1") == fingerprint("2")


def test_colours():
    assert colour(1.0, 1.0, 1.0) == colour(0.0, 1.0, 1.0) == (255, 0, 0)
    assert mix((0, 0, 0), (100, 200, 50), 0.5) == (50, 100, 25)
