"""What a result is like: its size in pixels, its length and its rate of frames."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """`width` and `height` in pixels, even numbers; `seconds` of a video or sound, 0 for a picture; `fps` of a video."""

    width: int
    height: int
    seconds: int = 0
    fps: int = 24
