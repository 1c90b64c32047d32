"""Draws the head of a portrait, its eyes, brows, nose and mouth."""

from collections.abc import Mapping
from typing import Final

from swapmock.mock_server.media.features import Colour, Look, mix
from swapmock.mock_server.media.pen import BLACK, EYES, LIP_LINE, LIPS, ROSE, WHITE, Drawing, Pen, X, Y


def draw_head(pen: Pen, look: Look) -> None:
    """Draw the neck, the ears and the head."""
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


def draw_eyes(pen: Pen, look: Look, *, blink: bool) -> None:
    """Draw the eyes; with `blink` they are closed."""
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


def draw_brows(pen: Pen, look: Look) -> None:
    """Draw the eyebrows."""
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


def _lips(look: Look) -> Colour:
    # Dark lips would be invisible on dark skin.
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
