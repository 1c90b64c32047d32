"""The backdrop of a portrait."""

import math
from collections.abc import Mapping
from typing import Final

from swapmock.mock_server.media.features import Look, mix
from swapmock.mock_server.media.pen import Drawing, Pen, X, Y, nothing


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
    "plain": nothing,
    "sunset": _sunset,
    "stripes": _stripes,
    "dots": _dots,
    "rays": _rays,
    "halves": _halves,
}
