"""Draws the shoulders of a portrait with a shirt, its glasses and its hat."""

import math
from collections.abc import Mapping
from typing import Final

from swapmock.mock_server.media.features import Look, mix
from swapmock.mock_server.media.pen import BLACK, EYES, WHITE, Drawing, Pen, Point, X, Y, nothing


def draw_shoulders(pen: Pen, look: Look) -> None:
    """Draw the shoulders and the shirt."""
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
    "none": nothing,
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
    "none": nothing,
    "cap": _cap,
    "beanie": _beanie,
    "brim": _brim,
    "band": _band,
}
