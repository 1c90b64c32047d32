"""Draws the hair and the beard of a portrait."""

import math
from collections.abc import Mapping
from typing import Final

from swapmock.mock_server.media.features import Colour, Look, mix
from swapmock.mock_server.media.pen import BLACK, LIP_LINE, WHITE, Drawing, Pen, Point, X, Y, nothing


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
    """Fill the part of the head above the straight line between two angles; 180 and 360 are the ears."""
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
    "none": nothing,
    "stubble": _stubble,
    "full": _full,
    "goatee": _goatee,
    "moustache": _moustache,
}
