"""Draws one portrait with Pillow, at any size and in any pose.

Coordinates are fractions of the side of the picture, y downwards. The parts are drawn from back to front:
backdrop, hair behind the head, shoulders, head, face, hair in front, hat."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from swapmock.mock_server.media.backdrops import BACKDROP
from swapmock.mock_server.media.clothing import GLASSES, HAT, draw_shoulders
from swapmock.mock_server.media.face_parts import MOUTH, NOSE, draw_brows, draw_eyes, draw_head
from swapmock.mock_server.media.features import Face, Look, mix
from swapmock.mock_server.media.hair import BEARD, HAIR_BEHIND, HAIR_IN_FRONT
from swapmock.mock_server.media.pen import BLACK, Pen, X, nothing

if TYPE_CHECKING:
    from PIL.Image import Image

FINER: Final = 3
"""How many times larger a portrait is drawn before it is scaled down, because ImageDraw does not smooth edges."""


@dataclass(frozen=True, slots=True)
class Pose:
    """The pose of a head: its shift (fractions of the side), eyes closed or not, mouth open or not."""

    dx: float = 0.0
    dy: float = 0.0
    blink: bool = False
    talk: bool = False


STILL: Final = Pose()


def portrait(face: Face, size: int, pose: Pose = STILL) -> "Image":
    """Draw ``face`` as an RGB picture of ``size`` by ``size`` pixels."""
    from PIL import Image, ImageDraw

    look = Look.of(face)
    canvas = Image.new("RGB", (size * FINER, size * FINER), look.wall)
    pen = Pen(ImageDraw.Draw(canvas), size * FINER)
    BACKDROP[look.backdrop](pen, look)
    _person(pen, look, pose)
    return canvas.reduce(FINER)


def _person(pen: Pen, look: Look, pose: Pose) -> None:
    head = pen.moved(pose.dx, pose.dy)
    HAIR_BEHIND.get(look.haircut, nothing)(head, look)
    pen.block(X, 0.78, 0.075, 0.14, mix(look.skin, BLACK, 0.16))
    draw_shoulders(pen, look)
    draw_head(head, look)
    BEARD[look.beard](head, look)
    draw_eyes(head, look, blink=pose.blink)
    NOSE[look.nose](head, look)
    MOUTH["round" if pose.talk else look.mouth](head, look)
    HAIR_IN_FRONT[look.haircut](head, look)
    draw_brows(head, look)
    GLASSES[look.glasses](head, look)
    HAT[look.hat](head, look)
