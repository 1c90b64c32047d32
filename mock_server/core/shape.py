"""What a result is like: its size in pixels, its length and its rate of frames."""

from __future__ import annotations

import math
from typing import NamedTuple

#: The most blocks of 16 by 16 pixels in a picture of H.264's level 5.2, and in a second of video.
MOST_BLOCKS, MOST_BLOCKS_A_SECOND = 36_864, 2_073_600


class Shape(NamedTuple):
    """`width` and `height` in pixels, even numbers; `seconds` of a video or sound, 0 for a picture; `fps` of a video."""

    width: int
    height: int
    seconds: int = 0
    fps: int = 24

    def within(self, side: int, seconds: int) -> Shape:
        """The same, in the same ratio, with at most `side` pixels a side and `seconds` seconds. A video also keeps to what
        level 5.2 of H.264 allows, as players do."""
        scale = min(1.0, side / max(self.width, self.height, 1))
        if self.seconds and self.width:
            blocks = (self.width * scale / 16 + 1) * (self.height * scale / 16 + 1)
            most = min(MOST_BLOCKS, MOST_BLOCKS_A_SECOND / self.fps)
            scale *= min(1.0, math.sqrt(most / blocks) * 0.99)
        length = min(self.seconds, seconds)
        if scale >= 1.0:
            return self._replace(seconds=length)
        return self._replace(
            width=max(32, int(self.width * scale) // 2 * 2),
            height=max(32, int(self.height * scale) // 2 * 2),
            seconds=length,
        )
