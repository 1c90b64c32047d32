"""Drawing one portrait with Pillow, at any size and in any pose.

Coordinates are fractions of the side of the picture, y downwards. The order of drawing is the order of depth: backdrop,
hair behind the head, shoulders, head, face, hair in front, hat.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from swapmock.mock_server.media.features import Colour, Face, Look, mix

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

BLACK: Final[Colour] = (24, 20, 24)
WHITE: Final[Colour] = (252, 252, 250)
LIPS: Final[Colour] = (178, 66, 76)
ROSE: Final[Colour] = (232, 112, 104)
FINER: Final = 3
"""How many times larger a portrait is drawn before it is scaled down: ImageDraw itself does not smooth edges."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is held: its shift (fractions of the side), eyes shut or not, mouth open or not."""

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


class Pen:
    """ImageDraw in fractions of the side; ``origin`` shifts everything that it draws."""

    def __init__(self, draw: "ImageDraw", side: int, origin: Point = (0.0, 0.0)) -> None:
        self._draw = draw
        self._side = side
        self._origin = origin

    def moved(self, dx: float, dy: float) -> "Pen":
        return Pen(self._draw, self._side, (self._origin[0] + dx, self._origin[1] + dy))

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        self._draw.ellipse(self._box(x, y, rx, ry), fill=fill)

    def ring(self, x: float, y: float, rx: float, ry: float, ink: Colour, width: float) -> None:
        self._draw.ellipse(self._box(x, y, rx, ry), outline=ink, width=self._length(width))

    def cut(self, x: float, y: float, rx: float, ry: float, angles: Point, fill: Colour) -> None:
        """Fill the part of an oval between two angles and the straight line that joins them."""
        self._draw.chord(self._box(x, y, rx, ry), *angles, fill=fill)

    def bow(self, x: float, y: float, rx: float, ry: float, angles: Point, ink: Colour, width: float) -> None:
        self._draw.arc(self._box(x, y, rx, ry), *angles, fill=ink, width=self._length(width))

    def block(self, x: float, y: float, rx: float, ry: float, fill: Colour, corner: float = 0.0) -> None:
        self._draw.rounded_rectangle(self._box(x, y, rx, ry), self._length(corner), fill=fill)

    def frame(self, x: float, y: float, rx: float, ry: float, ink: Colour, width: float) -> None:
        box = self._box(x, y, rx, ry)
        self._draw.rounded_rectangle(box, self._length(0.015), outline=ink, width=self._length(width))

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        self._draw.polygon([self._point(x, y) for x, y in points], fill=fill)

    def line(self, points: Sequence[Point], ink: Colour, width: float) -> None:
        self._draw.line([self._point(x, y) for x, y in points], fill=ink, width=self._length(width), joint="curve")

    def _point(self, x: float, y: float) -> Point:
        return (x + self._origin[0]) * self._side, (y + self._origin[1]) * self._side

    def _box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        return (*self._point(x - rx, y - ry), *self._point(x + rx, y + ry))

    def _length(self, fraction: float) -> int:
        return max(1, round(fraction * self._side))


Drawing = Callable[[Pen, Look], None]
X: Final = 0.5
Y: Final = 0.47
"""Where the middle of a resting head is."""
EYES: Final = Y - 0.01


def _nothing(pen: Pen, look: Look) -> None:
    """Most people wear no hat."""


def _person(pen: Pen, look: Look, pose: Pose) -> None:
    head = pen.moved(pose.dx, pose.dy)
    HAIR_BEHIND.get(look.haircut, _nothing)(head, look)
    pen.block(X, 0.78, 0.075, 0.14, mix(look.skin, BLACK, 0.16))
    _shoulders(pen, look)
    _head(head, look)
    BEARD[look.beard](head, look)
    _eyes(head, look, blink=pose.blink)
    NOSE[look.nose](head, look)
    MOUTH["round" if pose.talk else look.mouth](head, look)
    HAIR_IN_FRONT[look.haircut](head, look)
    _brows(head, look)
    GLASSES[look.glasses](head, look)
    HAT[look.hat](head, look)


# -- backdrops -----------------------------------------------------------------------------------------------------


def _sunset(pen: Pen, look: Look) -> None:
    for step in range(16):
        pen.block(X, (step + 0.5) / 16, 0.5, 1 / 28, mix(look.wall, look.accent, step / 15))


def _stripes(pen: Pen, look: Look) -> None:
    lean = look.slant - 0.5
    for left in range(-4, 14, 2):
        at = left / 10
        pen.shape([(at, 0.0), (at + 0.1, 0.0), (at + 0.1 + lean, 1.0), (at + lean, 1.0)], look.accent)


def _dots(pen: Pen, look: Look) -> None:
    radius = 0.03 + 0.025 * look.slant
    for row in range(7):
        for column in range(7):
            pen.oval((column + 0.5 * (row % 2)) / 6, row / 6, radius, radius, look.accent)


def _rays(pen: Pen, look: Look) -> None:
    for ray in range(10):
        turns = [(ray + look.slant + part) * math.pi / 5 for part in (0.0, 0.5)]
        pen.shape([(X, Y), *((X + math.cos(turn), Y + math.sin(turn)) for turn in turns)], look.accent)


def _halves(pen: Pen, look: Look) -> None:
    edge = 0.3 + 0.4 * look.slant
    pen.shape([(0.0, edge), (1.0, 1.0 - edge), (1.0, 1.0), (0.0, 1.0)], look.accent)


BACKDROP: Final[Mapping[str, Drawing]] = {
    "plain": _nothing,
    "sunset": _sunset,
    "stripes": _stripes,
    "dots": _dots,
    "rays": _rays,
    "halves": _halves,
}


# -- body and head -------------------------------------------------------------------------------------------------


def _shoulders(pen: Pen, look: Look) -> None:
    pen.oval(X, 1.04, 0.38, 0.24, look.cloth)
    SHIRT[look.shirt](pen, look)


def _crew(pen: Pen, look: Look) -> None:
    pen.oval(X, 0.815, 0.1, 0.05, look.trim)
    pen.oval(X, 0.8, 0.085, 0.045, mix(look.skin, BLACK, 0.16))


def _vee(pen: Pen, look: Look) -> None:
    pen.shape([(X - 0.12, 0.8), (X + 0.12, 0.8), (X, 0.97)], look.trim)
    pen.shape([(X - 0.09, 0.79), (X + 0.09, 0.79), (X, 0.92)], mix(look.skin, BLACK, 0.1))


def _collar(pen: Pen, look: Look) -> None:
    for side in (-1, 1):
        pen.shape([(X + side * 0.13, 0.79), (X + side * 0.03, 0.83), (X + side * 0.1, 0.93)], look.trim)


def _striped(pen: Pen, look: Look) -> None:
    for stripe, half in ((0.87, 0.26), (0.94, 0.335)):
        pen.block(X, stripe, half, 0.017, look.trim)
    _crew(pen, look)


def _buttons(pen: Pen, look: Look) -> None:
    pen.block(X, 0.92, 0.022, 0.1, mix(look.cloth, BLACK, 0.2))
    for button in (0.87, 0.92, 0.97):
        pen.oval(X, button, 0.011, 0.011, look.trim)
    _collar(pen, look)


SHIRT: Final[Mapping[str, Drawing]] = {
    "crew": _crew,
    "vee": _vee,
    "collar": _collar,
    "striped": _striped,
    "buttons": _buttons,
}


def _head(pen: Pen, look: Look) -> None:
    for side in (-1, 1):
        ear = X + side * (look.width + 0.005)
        pen.oval(ear, Y + 0.02, 0.032, 0.048, mix(look.skin, BLACK, 0.1))
        if look.earrings:
            pen.oval(ear + side * 0.008, Y + 0.075, 0.014, 0.014, (240, 200, 80))
    pen.oval(X, Y, look.width, look.height, look.skin)
    for side in (-1, 1):
        pen.oval(X + side * 0.105, Y + 0.085, 0.038, 0.026, mix(look.skin, ROSE, 0.28))
    if look.freckles:
        _freckles(pen, look)


def _freckles(pen: Pen, look: Look) -> None:
    for side in (-1, 1):
        for dx, dy in ((0.06, 0.055), (0.085, 0.045), (0.11, 0.06), (0.075, 0.075), (0.1, 0.08)):
            pen.oval(X + side * dx, Y + dy, 0.006, 0.006, mix(look.skin, (120, 60, 30), 0.5))


# -- eyes, brows, nose, mouth --------------------------------------------------------------------------------------


def _eyes(pen: Pen, look: Look, *, blink: bool) -> None:
    for side in (-1, 1):
        at = X + side * look.eye_gap
        if blink:
            pen.bow(at, EYES - 0.01, look.eye_size, 0.03, (20, 160), BLACK, 0.012)
        else:
            _open_eye(pen, look, at)


def _open_eye(pen: Pen, look: Look, at: float) -> None:
    size = look.eye_size
    pen.oval(at, EYES, size + 0.005, size * 0.8 + 0.005, mix(look.skin, BLACK, 0.45))
    pen.oval(at, EYES, size, size * 0.8, WHITE)
    pen.oval(at, EYES, size * 0.6, size * 0.66, look.iris)
    pen.oval(at, EYES, size * 0.32, size * 0.36, BLACK)
    pen.oval(at + size * 0.2, EYES - size * 0.22, size * 0.15, size * 0.15, WHITE)


def _brows(pen: Pen, look: Look) -> None:
    ink = mix(look.hair, BLACK, 0.3)
    high = EYES - look.eye_size * 0.8 - 0.035
    for side in (-1, 1):
        near, far = X + side * (look.eye_gap - 0.04), X + side * (look.eye_gap + 0.042)
        points = [(near, high - look.brow_tilt), ((near + far) / 2, high - 0.012), (far, high + look.brow_tilt + 0.004)]
        pen.line(points, ink, look.brow_width)


def _button_nose(pen: Pen, look: Look) -> None:
    pen.oval(X, Y + 0.07, 0.028, 0.022, mix(look.skin, BLACK, 0.14))
    pen.oval(X - 0.005, Y + 0.065, 0.016, 0.012, mix(look.skin, WHITE, 0.2))


def _long_nose(pen: Pen, look: Look) -> None:
    pen.line([(X, Y), (X + 0.026, Y + 0.08), (X - 0.012, Y + 0.088)], mix(look.skin, BLACK, 0.3), 0.013)


def _wide_nose(pen: Pen, look: Look) -> None:
    pen.bow(X, Y + 0.058, 0.042, 0.03, (15, 165), mix(look.skin, BLACK, 0.35), 0.014)


NOSE: Final[Mapping[str, Drawing]] = {"button": _button_nose, "long": _long_nose, "wide": _wide_nose}
LIP_LINE: Final = Y + 0.15


def _lips(look: Look) -> Colour:
    # On dark skin dark lips would be lost.
    return mix(LIPS, BLACK, 0.2) if look.skin[0] > 170 else mix(LIPS, ROSE, 0.6)


def _smile(pen: Pen, look: Look) -> None:
    pen.bow(X, LIP_LINE - 0.03, look.mouth_width, 0.055, (15, 165), _lips(look), 0.016)


def _grin(pen: Pen, look: Look) -> None:
    pen.cut(X, LIP_LINE - 0.025, look.mouth_width, 0.07, (0, 180), mix(LIPS, BLACK, 0.35))
    pen.block(X, LIP_LINE - 0.015, look.mouth_width * 0.82, 0.011, WHITE)


def _flat(pen: Pen, look: Look) -> None:
    half = look.mouth_width * 0.8
    pen.line([(X - half, LIP_LINE), (X + half, LIP_LINE)], _lips(look), 0.018)


def _smirk(pen: Pen, look: Look) -> None:
    half = look.mouth_width
    points = [(X - half, LIP_LINE + 0.005), (X, LIP_LINE + 0.012), (X + half, LIP_LINE - 0.025)]
    pen.line(points, _lips(look), 0.016)


def _round(pen: Pen, look: Look) -> None:
    pen.oval(X, LIP_LINE, look.mouth_width * 0.55, 0.034, LIPS)
    pen.oval(X, LIP_LINE, look.mouth_width * 0.38, 0.02, mix(LIPS, BLACK, 0.7))


MOUTH: Final[Mapping[str, Drawing]] = {
    "smile": _smile,
    "grin": _grin,
    "flat": _flat,
    "smirk": _smirk,
    "round": _round,
}


# -- hair, beard ---------------------------------------------------------------------------------------------------


def _long_behind(pen: Pen, look: Look) -> None:
    pen.oval(X, Y - 0.03, look.width + 0.06, look.height + 0.05, look.hair)
    pen.block(X, Y + 0.17, look.width + 0.06, 0.21, look.hair, 0.05)


def _bob_behind(pen: Pen, look: Look) -> None:
    pen.oval(X, Y - 0.03, look.width + 0.055, look.height + 0.045, look.hair)
    pen.block(X, Y + 0.08, look.width + 0.06, 0.13, look.hair, 0.04)


def _bun_behind(pen: Pen, look: Look) -> None:
    pen.oval(X, Y - look.height - 0.05, 0.08, 0.075, look.hair)
    pen.oval(X, Y - look.height - 0.05, 0.05, 0.045, mix(look.hair, BLACK, 0.2))


def _afro_behind(pen: Pen, look: Look) -> None:
    pen.oval(X, Y - 0.1, look.width + 0.12, look.height + 0.05, look.hair)


def _mohawk_behind(pen: Pen, look: Look) -> None:
    pen.oval(X, Y - look.height + 0.02, 0.06, 0.13, look.hair)


HAIR_BEHIND: Final[Mapping[str, Drawing]] = {
    "long": _long_behind,
    "bob": _bob_behind,
    "bun": _bun_behind,
    "afro": _afro_behind,
    "mohawk": _mohawk_behind,
}


def _crown(pen: Pen, look: Look, angles: Point) -> None:
    """Cover the head above the straight line between two angles; 180 and 360 are the ears."""
    pen.cut(X, Y, look.width + 0.014, look.height + 0.018, angles, look.hair)


def _rim(look: Look, degrees: float, out: float) -> Point:
    turn = math.radians(degrees)
    return X + (look.width + out) * math.cos(turn), Y + (look.height + out) * math.sin(turn)


def _short(pen: Pen, look: Look) -> None:
    _crown(pen, look, (214, 326))


def _parted(pen: Pen, look: Look) -> None:
    _crown(pen, look, (196, 300))
    _crown(pen, look, (285, 348))


def _fringe(pen: Pen, look: Look) -> None:
    _crown(pen, look, (208, 332))
    for lock in range(5):
        pen.oval(X + (lock - 2) * look.width * 0.34, Y - look.height * 0.5, 0.042, 0.035, look.hair)


def _curly(pen: Pen, look: Look) -> None:
    _crown(pen, look, (214, 326))
    for degrees in range(190, 360, 20):
        pen.oval(*_rim(look, degrees, 0.0), 0.055, 0.055, look.hair)
    for degrees in range(200, 360, 40):
        pen.ring(*_rim(look, degrees, 0.0), 0.035, 0.035, mix(look.hair, WHITE, 0.18), 0.008)


def _curtains(pen: Pen, look: Look) -> None:
    _crown(pen, look, (190, 280))
    _crown(pen, look, (260, 350))


def _spiky(pen: Pen, look: Look) -> None:
    _crown(pen, look, (210, 330))
    for degrees in range(205, 336, 26):
        spike = [_rim(look, degrees - 15, 0.0), _rim(look, degrees, 0.1), _rim(look, degrees + 15, 0.0)]
        pen.shape(spike, look.hair)


def _mohawk(pen: Pen, look: Look) -> None:
    pen.cut(X, Y - look.height + 0.04, 0.055, 0.08, (160, 380), look.hair)


def _temples(pen: Pen, look: Look) -> None:
    for side in (-1, 1):
        pen.oval(X + side * (look.width - 0.002), Y - 0.055, 0.02, 0.05, look.hair)


HAIR_IN_FRONT: Final[Mapping[str, Drawing]] = {
    "bald": _temples,
    "short": _short,
    "parted": _parted,
    "fringe": _fringe,
    "curly": _curly,
    "long": _curtains,
    "bob": _fringe,
    "bun": _short,
    "mohawk": _mohawk,
    "afro": _short,
    "spiky": _spiky,
}


def _jaw(pen: Pen, look: Look, fill: Colour) -> None:
    pen.cut(X, Y, look.width + 0.004, look.height + 0.01, (18, 162), fill)
    pen.oval(X, Y + look.height * 0.33, look.width * 0.62, look.height * 0.17, look.skin)


def _stubble(pen: Pen, look: Look) -> None:
    _jaw(pen, look, mix(look.skin, look.hair, 0.28))


def _full(pen: Pen, look: Look) -> None:
    _jaw(pen, look, look.hair)
    _moustache(pen, look)


def _goatee(pen: Pen, look: Look) -> None:
    pen.oval(X, Y + look.height - 0.025, 0.06, 0.05, look.hair)


def _moustache(pen: Pen, look: Look) -> None:
    for side in (-1, 1):
        pen.oval(X + side * 0.036, LIP_LINE - 0.04, 0.044, 0.018, mix(look.hair, BLACK, 0.12))


BEARD: Final[Mapping[str, Drawing]] = {
    "none": _nothing,
    "stubble": _stubble,
    "full": _full,
    "goatee": _goatee,
    "moustache": _moustache,
}


# -- glasses, hats -------------------------------------------------------------------------------------------------


def _arms(pen: Pen, look: Look) -> None:
    pen.line([(X - 0.03, EYES), (X + 0.03, EYES)], BLACK, 0.012)
    for side in (-1, 1):
        pen.line([(X + side * (look.eye_gap + 0.06), EYES), (X + side * look.width, EYES - 0.005)], BLACK, 0.012)


def _round_glasses(pen: Pen, look: Look) -> None:
    _arms(pen, look)
    for side in (-1, 1):
        pen.ring(X + side * look.eye_gap, EYES, 0.064, 0.06, BLACK, 0.012)


def _square_glasses(pen: Pen, look: Look) -> None:
    _arms(pen, look)
    for side in (-1, 1):
        pen.frame(X + side * look.eye_gap, EYES, 0.064, 0.05, mix(look.trim, BLACK, 0.55), 0.014)


def _half_glasses(pen: Pen, look: Look) -> None:
    _arms(pen, look)
    for side in (-1, 1):
        pen.bow(X + side * look.eye_gap, EYES, 0.064, 0.052, (0, 180), mix(look.trim, BLACK, 0.4), 0.012)


GLASSES: Final[Mapping[str, Drawing]] = {
    "none": _nothing,
    "round": _round_glasses,
    "square": _square_glasses,
    "half": _half_glasses,
}


def _dome(pen: Pen, look: Look, angles: Point) -> None:
    pen.cut(X, Y - 0.02, look.width + 0.03, look.height + 0.04, angles, look.trim)


def _cap(pen: Pen, look: Look) -> None:
    _dome(pen, look, (204, 336))
    brim = Y - look.height * 0.52
    pen.block(X + 0.07, brim, look.width + 0.02, 0.02, mix(look.trim, BLACK, 0.3), 0.02)
    pen.oval(X, Y - look.height - 0.055, 0.018, 0.012, mix(look.trim, BLACK, 0.3))


def _beanie(pen: Pen, look: Look) -> None:
    _dome(pen, look, (200, 340))
    pen.block(X, Y - look.height * 0.55, look.width + 0.025, 0.035, mix(look.trim, WHITE, 0.45), 0.02)
    pen.oval(X, Y - look.height - 0.075, 0.045, 0.045, mix(look.trim, WHITE, 0.45))


def _brim(pen: Pen, look: Look) -> None:
    _dome(pen, look, (206, 334))
    pen.block(X, Y - look.height * 0.68, look.width * 0.96, 0.025, mix(look.trim, BLACK, 0.5))
    pen.oval(X, Y - look.height * 0.55, look.width + 0.13, 0.028, mix(look.trim, BLACK, 0.15))


def _band(pen: Pen, look: Look) -> None:
    high = Y - look.height * 0.56
    half = look.width * math.sqrt(1 - 0.56**2) + 0.02
    pen.block(X, high, half, 0.024, look.trim, 0.01)


HAT: Final[Mapping[str, Drawing]] = {
    "none": _nothing,
    "cap": _cap,
    "beanie": _beanie,
    "brim": _brim,
    "band": _band,
}
