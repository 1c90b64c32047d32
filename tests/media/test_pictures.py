"""Group pictures and GIFs, decoded with Pillow; media types; sounds."""

import io
import wave
from array import array

import pytest
from PIL import Image, ImageChops, ImageSequence

from swapmock.mock_server.media import (
    Face,
    audio_wav,
    content_type,
    face_png,
    group_gif,
    group_mp4,
    group_picture,
    silence_wav,
)
from swapmock.mock_server.media.group import MAX_FACES
from swapmock.mock_server.media.pictures import sized_picture

PEOPLE = [Face("https://example.com/group.png", index) for index in range(MAX_FACES)]


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize(("fmt", "kind"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")])
@pytest.mark.parametrize(
    ("count", "size"), [(0, (384, 256)), (1, (256, 256)), (3, (768, 256)), (6, (1536, 256)), (7, (1024, 512))]
)
def test_a_group_picture_has_room_for_everybody(fmt, kind, count, size):
    picture = opened(group_picture(PEOPLE[:count], fmt))
    assert (picture.format, picture.size) == (kind, size)


def test_a_crop_is_exactly_a_piece_of_the_group():
    picture = opened(group_picture(PEOPLE[:8], "png"))
    for at, face in enumerate(PEOPLE[:8]):
        left, top = at % 4 * 256, at // 4 * 256
        piece = picture.crop((left, top, left + 256, top + 256))
        assert ImageChops.difference(piece, opened(face_png(face))).getbbox() is None


def test_order_of_the_faces_is_the_order_in_the_picture():
    assert group_picture(PEOPLE[:2], "png") != group_picture(PEOPLE[1::-1], "png")


@pytest.mark.parametrize("fmt", ["gif", "jpeg", "PNG", "", "mp4"])
def test_other_formats_are_refused(fmt):
    with pytest.raises(ValueError, match="cannot draw"):
        group_picture(PEOPLE[:1], fmt)


@pytest.mark.parametrize("render", [group_gif, group_mp4, lambda faces: group_picture(faces, "png")])
def test_a_crowd_too_large_is_refused(render):
    with pytest.raises(ValueError, match="at most 24"):
        render([*PEOPLE, PEOPLE[0]])


@pytest.mark.parametrize(("count", "size"), [(0, (192, 128)), (1, (128, 128)), (4, (512, 128)), (12, (384, 128))])
def test_a_gif_moves_and_loops(count, size):
    picture = opened(group_gif(PEOPLE[:count]))
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]
    assert (picture.format, picture.size, len(frames)) == ("GIF", size, 8)
    assert picture.info["loop"] == 0, "0 is for ever"
    for one, other in zip(frames, [*frames[1:], frames[0]], strict=True):
        assert ImageChops.difference(one, other).getbbox() is not None


def test_everybody_in_a_gif_moves():
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(opened(group_gif(PEOPLE[:3])))]
    for left in (0, 128, 256):
        looks = {frame.crop((left, 0, left + 128, 128)).tobytes() for frame in frames}
        assert len(looks) >= 6


def test_a_rendering_is_kept():
    assert group_picture(PEOPLE[:2], "png") is group_picture(tuple(PEOPLE[:2]), "png")
    assert group_gif(PEOPLE[:2]) is group_gif(PEOPLE[:2])


@pytest.mark.parametrize("render", [silence_wav, lambda: audio_wav("https://example.com/voice.mp3")])
def test_a_sound_is_one_second_of_pcm(render):
    with wave.open(io.BytesIO(render())) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 16_000)
        assert len(sound.readframes(sound.getnframes())) == 2 * sound.getnframes() == 32_000


def test_a_tone_sounds_fades_and_has_its_own_pitch():
    samples = array("h", audio_wav("a")[44:])
    assert 5_000 < max(samples) <= 12_000
    assert max(map(abs, samples[:20] + samples[-20:])) < 500, "it would click"
    assert len({audio_wav(f"voice {number}") for number in range(50)}) == 50


def test_silence_is_silent():
    assert not any(silence_wav()[44:])


@pytest.mark.parametrize(
    ("ext", "expected"),
    [
        (".png", "image/png"),
        ("png", "image/png"),
        (".JPG", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".webp", "image/webp"),
        (".gif", "image/gif"),
        (".bmp", "image/bmp"),
        (".mp4", "video/mp4"),
        (".mov", "video/quicktime"),
        (".webm", "video/webm"),
        (".mp3", "audio/mpeg"),
        (".wav", "audio/wav"),
        (".m4a", "audio/mp4"),
        (".exe", None),
        ("", None),
        (".", None),
        ("..png", None),
    ],
)
def test_content_types(ext, expected):
    assert content_type(ext) == expected


@pytest.mark.parametrize(
    ("fmt", "width", "height"), [("png", 640, 960), ("jpg", 1024, 576), ("webp", 300, 300), ("png", 3, 2)]
)
def test_a_picture_has_the_size_that_was_asked_for(fmt, width, height):
    with Image.open(io.BytesIO(sized_picture((Face("a", 0),), fmt, width, height))) as picture:
        assert picture.size == (width, height)


@pytest.mark.parametrize(("fmt", "width"), [("bmp", 10), ("png", 0)])
def test_a_size_that_cannot_be_drawn_is_told(fmt, width):
    with pytest.raises(ValueError, match="cannot draw"):
        sized_picture((), fmt, width, 10)
