"""Videos as bytes: one cycle of movement, encoded as H.264 in an MP4 file."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from swapmock.mock_server.media import h264, mp4
from swapmock.mock_server.media.features import Face
from swapmock.mock_server.media.group import moving

if TYPE_CHECKING:
    from PIL.Image import Image

FPS: Final = 10
HOLD: Final = 2
"""How many pictures show the same beat: a repeat costs a dozen bytes."""
SIDES: Final = ((2, 128), (4, 96), (9, 64), (12, 48))
"""(number of faces, pixels of each): samples are not compressed, so more faces are drawn smaller."""
SMALLEST: Final = 32
LIMITED_LUMA: Final = [round(16 + value * 219 / 255) for value in range(256)]
LIMITED_CHROMA: Final = [round(128 + (value - 128) * 224 / 255) for value in range(256)]


def group_mp4(faces: Sequence[Face]) -> bytes:
    """Return an MP4 of 1.6 seconds at 10 pictures a second (H.264, no sound) in which the faces move.

    Laid out like `group_picture`, at 128 down to 32 pixels for each face, and less than 400 kB. Raises ValueError for
    more than 24 faces.
    """
    return _group_mp4(tuple(faces))


@lru_cache(maxsize=16)
def _group_mp4(faces: tuple[Face, ...]) -> bytes:
    side = next((side for most, side in SIDES if len(faces) <= most), SMALLEST)
    pictures = list(moving(faces, side))
    return mp4.mux(h264.encode(_held(pictures), *pictures[0].size, FPS))


def _held(pictures: "Sequence[Image]") -> Iterator[h264.Planes]:
    for picture in pictures:
        planes = planes_of(picture)
        for _ in range(HOLD):
            yield planes


def planes_of(picture: "Image") -> h264.Planes:
    """Return an RGB picture with even sides as 4:2:0 planes in the limited range of BT.601."""
    luma, cb, cr = picture.convert("YCbCr").split()
    # Pillow gives the full range of JPEG.
    luma = luma.point(LIMITED_LUMA)
    cb, cr = (plane.reduce(2).point(LIMITED_CHROMA) for plane in (cb, cr))
    return h264.Planes(luma.tobytes(), cb.tobytes(), cr.tobytes())
