"""Draws the shapes of portraits with ImageDraw. Has the positions that several parts of a face share."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from swapmock.mock_server.media.features import Colour, Look

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

BLACK: Final[Colour] = (24, 20, 24)
WHITE: Final[Colour] = (252, 252, 250)
LIPS: Final[Colour] = (178, 66, 76)
ROSE: Final[Colour] = (232, 112, 104)
Point = tuple[float, float]


class Pen:
    """Draws with coordinates and lengths that are fractions of `side`, the side of the picture in pixels. `origin`
    is added to every point. Angles are in degrees, clockwise from three o'clock."""

    def __init__(self, draw: "ImageDraw", side: int, origin: Point = (0.0, 0.0)) -> None:
        self._draw = draw
        self._side = side
        self._origin = origin

    def moved(self, dx: float, dy: float) -> "Pen":
        """Return a pen whose drawings are shifted by (`dx`, `dy`)."""
        return Pen(self._draw, self._side, (self._origin[0] + dx, self._origin[1] + dy))

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """Fill the ellipse with the centre (`x`, `y`) and the radii `rx` and `ry`."""
        self._draw.ellipse(self._box(x, y, rx, ry), fill=fill)

    def ring(self, x: float, y: float, rx: float, ry: float, ink: Colour, width: float) -> None:
        """Draw the outline of the ellipse with the centre (`x`, `y`) and the radii `rx` and `ry`, as a line of
        `width`."""
        self._draw.ellipse(self._box(x, y, rx, ry), outline=ink, width=self._length(width))

    def cut(self, x: float, y: float, rx: float, ry: float, angles: Point, fill: Colour) -> None:
        """Fill the part of an ellipse between two `angles`, up to the straight line that joins its ends."""
        self._draw.chord(self._box(x, y, rx, ry), *angles, fill=fill)

    def bow(self, x: float, y: float, rx: float, ry: float, angles: Point, ink: Colour, width: float) -> None:
        """Draw the part of an ellipse's outline between two `angles`, as a line of `width`."""
        self._draw.arc(self._box(x, y, rx, ry), *angles, fill=ink, width=self._length(width))

    def block(self, x: float, y: float, rx: float, ry: float, fill: Colour, corner: float = 0.0) -> None:
        """Fill the rectangle with the centre (`x`, `y`), the half width `rx` and the half height `ry`. `corner` is
        the radius of its corners."""
        self._draw.rounded_rectangle(self._box(x, y, rx, ry), self._length(corner), fill=fill)

    def frame(self, x: float, y: float, rx: float, ry: float, ink: Colour, width: float) -> None:
        """Draw the outline of the rectangle with the centre (`x`, `y`), the half width `rx` and the half height
        `ry`, as a line of `width`."""
        box = self._box(x, y, rx, ry)
        self._draw.rounded_rectangle(box, self._length(0.015), outline=ink, width=self._length(width))

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill the polygon with the corners `points`."""
        self._draw.polygon([self._point(x, y) for x, y in points], fill=fill)

    def line(self, points: Sequence[Point], ink: Colour, width: float) -> None:
        """Draw a line through several points."""
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
"""The middle of a head without movement."""
EYES: Final = Y - 0.01


LIP_LINE: Final = Y + 0.15


def nothing(pen: Pen, look: Look) -> None:
    """Draw nothing: most people have no hat."""
