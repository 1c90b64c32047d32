"""Several faces in one picture: their positions, and their movement."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from swapmock.mock_server.media.features import Face
from swapmock.mock_server.media.portrait import STILL, Pose, portrait

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_FACES: Final = 24
"""The most faces in one picture; more would need unexpectedly much memory and time."""
COLUMNS: Final = 6
"""The most faces in a row."""
BEATS: Final = (
    STILL,
    Pose(dx=-0.02, talk=True),
    Pose(dx=-0.03, dy=0.01),
    Pose(dx=-0.02, blink=True),
    Pose(talk=True),
    Pose(dx=0.02),
    Pose(dx=0.03, dy=0.01, blink=True),
    Pose(dx=0.02, talk=True),
)
"""One cycle of movement. Consecutive pictures differ, also the last and the first, so that a loop never stops."""


def group(faces: Sequence[Face], tile: int, beat: int | None = None) -> "Image":
    """Draw the faces side by side, ``tile`` pixels each: from left to right, then down, in rows of at most six.

    ``beat`` is the position in the cycle of movement; None means that no face moves, as in the crops. Without
    faces the picture is a landscape, 1.5 times as wide as high. Raises ValueError for more than ``MAX_FACES``."""
    if len(faces) > MAX_FACES:
        raise ValueError(f"{len(faces)} faces in one picture, at most {MAX_FACES} can be drawn")
    if not faces:
        return _landscape(tile, beat or 0)
    return _side_by_side([portrait(face, tile, _pose(beat, at)) for at, face in enumerate(faces)], tile)


def moving(faces: Sequence[Face], tile: int) -> "Iterator[Image]":
    """Draw one cycle of movement: a picture for each of the ``BEATS``, to be shown in a loop."""
    return (group(faces, tile, beat) for beat in range(len(BEATS)))


def _pose(beat: int | None, at: int) -> Pose:
    # The faces do not move in step: each is three beats ahead of its neighbour.
    return STILL if beat is None else BEATS[(beat + 3 * at) % len(BEATS)]


def _side_by_side(portraits: "Sequence[Image]", tile: int) -> "Image":
    from PIL import Image

    rows = -(-len(portraits) // COLUMNS)
    columns = -(-len(portraits) // rows)
    canvas = Image.new("RGB", (columns * tile, rows * tile), (236, 232, 226))
    for at, picture in enumerate(portraits):
        canvas.paste(picture, (at % columns * tile, at // columns * tile))
    return canvas


def _landscape(height: int, beat: int) -> "Image":
    from PIL import Image, ImageDraw

    finer = 3
    unit = height * finer
    canvas = Image.new("RGB", (unit * 3 // 2, unit), (150, 205, 240))
    draw = ImageDraw.Draw(canvas)

    def oval(x: float, y: float, rx: float, ry: float, fill: tuple[int, int, int]) -> None:
        draw.ellipse(((x - rx) * unit, (y - ry) * unit, (x + rx) * unit, (y + ry) * unit), fill=fill)

    oval(1.2, 0.22, 0.11, 0.11, (255, 214, 92))
    for puff, size in ((0.0, 0.06), (0.08, 0.085), (0.17, 0.06)):
        oval(0.3 + puff + beat * 0.02, 0.24, size * 1.3, size, (250, 252, 255))
    oval(0.25, 1.15, 0.75, 0.55, (104, 164, 96))
    oval(1.2, 1.2, 0.8, 0.5, (84, 144, 84))
    return canvas.reduce(finer)
