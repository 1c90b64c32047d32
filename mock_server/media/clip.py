"""Videos of any length and size. Their bytes are made piece by piece while they are read.

A clip shows one cycle of movement (`group.BEATS`) with one picture per second, and repeats that picture in the
frames between. The first frame of every second is a key frame, so that a player can seek to each second. The size
of each frame is known before it is drawn. So the size of the file, and any range of it, is known at once, and a
clip of minutes needs only the memory of its eight pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Final

from swapmock.mock_server.media import h264, mp4
from swapmock.mock_server.media.features import Face
from swapmock.mock_server.media.group import BEATS, group
from swapmock.mock_server.media.h264_stills import GREY, Coder
from swapmock.mock_server.media.video import planes_of

#: The largest drawn part of a picture, in pixels. The rest is background, which costs one byte for each 256 pixels.
REGION: Final = (640, 352)

#: The side of one face in pixels, before the picture is scaled.
DRAWN_SIDE: Final = 192

#: The bytes of one piece.
PIECE: Final = 1 << 18

#: The most key frames in the cache, of at most 340 kB each.
KEY_FRAMES_KEPT: Final = 64


@dataclass(frozen=True)
class Clip:
    """An MP4 file of `seconds` seconds at `fps` frames a second, `width` by `height` pixels, without sound.

    Raises ValueError for a length or rate below 1, for odd sizes, for sizes below 32 pixels or beyond H.264's level 5.2.
    """

    faces: tuple[Face, ...]
    width: int
    height: int
    seconds: int
    fps: int = 24

    def __post_init__(self) -> None:
        if min(self.seconds, self.fps) < 1 or min(self.width, self.height) < 32 or self.width % 2 or self.height % 2:
            raise ValueError(f"no clip of {self.width}x{self.height}, {self.seconds} s, {self.fps} frames a second")

    @cached_property
    def size(self) -> int:
        """The bytes of the whole file."""
        return len(self._head) + self.seconds * self._second_size

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `stop` (by default the end), in pieces of at most 256 KiB."""
        end = self.size if stop is None else min(stop, self.size)
        for at, length, make in self._segments():
            if at >= end:
                return
            if at + length > start:
                content = make()[max(0, start - at) : end - at]
                for piece in range(0, len(content), PIECE):
                    yield content[piece : piece + PIECE]

    def _segments(self) -> Iterator[tuple[int, int, Callable[[], bytes]]]:
        """Yield offset, length and maker of the head and of each second."""
        start = len(self._head)
        yield 0, start, lambda: self._head
        for number in range(self.seconds):
            yield start + number * self._second_size, self._second_size, partial(self._second, number)

    def _second(self, number: int) -> bytes:
        """Return the samples of one second: a key frame and its repeats."""
        # The cycle has an even number of pictures, so that consecutive key frames have different ids (7.4.3).
        key = _key_frame(self.faces, self._coder, number % len(BEATS))
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in (key, *self._repeats))

    @cached_property
    def _coder(self) -> Coder:
        most = REGION if self.width >= self.height else REGION[::-1]
        across, down = (
            min(limit, size) // h264.SIDE * h264.SIDE
            for limit, size in zip(most, (self.width, self.height), strict=True)
        )
        return Coder(self.width, self.height, self.fps, across, down)

    @cached_property
    def _repeats(self) -> tuple[bytes, ...]:
        return tuple(map(self._coder.repeat, range(1, self.fps)))

    @cached_property
    def _second_size(self) -> int:
        return sum(self._sample_sizes)

    @cached_property
    def _sample_sizes(self) -> list[int]:
        return [4 + self._coder.key_frame_size, *(4 + len(unit) for unit in self._repeats)]

    @cached_property
    def _head(self) -> bytes:
        coder = self._coder
        keys = [1 + self.fps * second for second in range(self.seconds)]
        sizes = self._sample_sizes * self.seconds
        return mp4.head(mp4.Track(self.width, self.height, self.fps, coder.sps, coder.pps, sizes, keys))


@lru_cache(KEY_FRAMES_KEPT)
def _key_frame(faces: tuple[Face, ...], coder: Coder, beat: int) -> bytes:
    return coder.key_frame(_region(faces, coder.region_width, coder.region_height, beat), beat % 2)


def _region(faces: tuple[Face, ...], width: int, height: int, beat: int) -> h264.Planes:
    """Return the picture in the middle of a grey region, whose last column and row stay grey."""
    from PIL import Image

    drawn = group(faces, DRAWN_SIDE, beat)
    scale = min((width - 4) / drawn.width, (height - 4) / drawn.height)
    inner = max(2, int(drawn.width * scale) // 2 * 2), max(2, int(drawn.height * scale) // 2 * 2)
    planes = planes_of(drawn.resize(inner))
    left, top = (width - inner[0]) // 4 * 2, (height - inner[1]) // 4 * 2

    def framed(plane: bytes, by: int) -> bytes:
        canvas = Image.new("L", (width // by, height // by), GREY)
        canvas.paste(Image.frombytes("L", (inner[0] // by, inner[1] // by), plane), (left // by, top // by))
        return canvas.tobytes()

    return h264.Planes(framed(planes.luma, 1), framed(planes.cb, 2), framed(planes.cr, 2))
