"""Pictures and GIFs as bytes. Each is a pure function of its arguments, so the last few results are cached."""

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from swapmock.mock_server.media.features import Face
from swapmock.mock_server.media.group import group, moving
from swapmock.mock_server.media.portrait import portrait

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE: Final = 256
"""The side of a portrait in pixels, alone or in a group, so that a crop is exactly a part of the group picture."""
GROUND: Final = (236, 232, 226)
GIF_SIDE: Final = 128
GIF_SIDE_IN_A_CROWD: Final = 64
CROWD: Final = 9
"""If there are more faces than this, a GIF is drawn smaller."""
GIF_COLOURS: Final = 128
BEAT_MS: Final = 120
JPEG: Final[Mapping[str, Any]] = MappingProxyType({"format": "JPEG", "quality": 88})
PNG: Final[Mapping[str, Any]] = MappingProxyType({"format": "PNG"})
WEBP: Final[Mapping[str, Any]] = MappingProxyType({"format": "WEBP", "quality": 85, "method": 2})
FORMATS: Final = MappingProxyType({"png": PNG, "jpg": JPEG, "webp": WEBP})


@lru_cache(maxsize=256)
def face_jpeg(face: Face) -> bytes:
    """Return the portrait of ``face`` as a JPEG of 256 by 256 pixels."""
    return _saved(portrait(face, SIDE), JPEG)


@lru_cache(maxsize=128)
def face_png(face: Face) -> bytes:
    """Return the portrait of ``face`` as a PNG of 256 by 256 pixels."""
    return _saved(portrait(face, SIDE), PNG)


def group_picture(faces: Sequence[Face], fmt: str) -> bytes:
    """Return the faces side by side, 256 by 256 pixels each, as ``png``, ``jpg`` or ``webp``.

    They are placed from left to right, then down, in rows of at most six. A part of the PNG is equal to the crop
    of that face, pixel for pixel. Without faces the picture is a landscape, 384 by 256. Raises ValueError for
    another format and for more than 24 faces."""
    if fmt not in FORMATS:
        raise ValueError(f"cannot draw {fmt!r}, only {', '.join(FORMATS)}")
    return _group_picture(tuple(faces), fmt)


def sized_picture(faces: Sequence[Face], fmt: str, width: int, height: int) -> bytes:
    """Return the picture of `group_picture`, as large as possible within `width` by `height` pixels, on a plain
    background.

    Raises ValueError for another format, a side below 1 pixel, and for more than 24 faces."""
    if fmt not in FORMATS or min(width, height) < 1:
        raise ValueError(f"cannot draw {fmt!r} of {width}x{height}")
    return _sized_picture(tuple(faces), fmt, width, height)


def group_gif(faces: Sequence[Face]) -> bytes:
    """Return a GIF of 8 frames, about one second, that loops: heads sway, eyes blink, mouths talk.

    Laid out like `group_picture`, at 128 by 128 pixels for each face, or 64 by 64 for more than 9. Raises ValueError
    for more than 24 faces.
    """
    return _group_gif(tuple(faces))


@lru_cache(maxsize=32)
def _group_picture(faces: tuple[Face, ...], fmt: str) -> bytes:
    return _saved(group(faces, SIDE), FORMATS[fmt])


@lru_cache(maxsize=8)
def _sized_picture(faces: tuple[Face, ...], fmt: str, width: int, height: int) -> bytes:
    from PIL import Image

    drawn = group(faces, SIDE)
    scale = min(width / drawn.width, height / drawn.height)
    inner = max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale))
    canvas = Image.new("RGB", (width, height), GROUND)
    canvas.paste(drawn.resize(inner), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return _saved(canvas, FORMATS[fmt])


@lru_cache(maxsize=16)
def _group_gif(faces: tuple[Face, ...]) -> bytes:
    from PIL import Image

    pictures = list(moving(faces, GIF_SIDE if len(faces) <= CROWD else GIF_SIDE_IN_A_CROWD))
    # One palette for all frames: unmoved parts keep their colour, and only the moving part is stored again.
    first = pictures[0].quantize(GIF_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    rest = [picture.quantize(palette=first, dither=Image.Dither.NONE) for picture in pictures[1:]]
    how = {"format": "GIF", "save_all": True, "append_images": rest, "loop": 0, "duration": BEAT_MS}
    return _saved(first, how)


def _saved(picture: "Image", how: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    picture.save(out, **how)
    return out.getvalue()
