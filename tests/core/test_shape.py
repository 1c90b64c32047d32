"""The size of a result within what can be drawn."""

import math

import pytest

from swapmock.mock_server.core.shape import MOST_BLOCKS, MOST_BLOCKS_A_SECOND, Shape
from swapmock.mock_server.media import Face
from swapmock.mock_server.media.clip import Clip


@pytest.mark.parametrize(
    ("asked", "side", "seconds", "drawn"),
    [
        (Shape(1280, 720, 5), 4096, 60, (1280, 720, 5, 24)),
        (Shape(3840, 2160, 60, 60), 4096, 480, (3840, 2160, 60, 60)),
        (Shape(1920, 1080, 90), 960, 30, (960, 540, 30, 24)),
        (Shape(1024, 1536), 768, 1, (512, 768, 0, 24)),
        (Shape(0, 0, 100), 32, 10, (0, 0, 10, 24)),
        # The longer side counts, and a shape that fits is never made larger.
        (Shape(100, 50), 99, 9, (98, 48, 0, 24)),
        (Shape(50, 100), 99, 9, (48, 98, 0, 24)),
        (Shape(99, 99), 99, 9, (99, 99, 0, 24)),
        (Shape(2, 2), 99, 9, (2, 2, 0, 24)),
        (Shape(1, 1), 1, 9, (1, 1, 0, 24)),
        # No side is drawn with less than 32 pixels.
        (Shape(4000, 40), 400, 9, (400, 32, 0, 24)),
        (Shape(40, 4000), 400, 9, (32, 400, 0, 24)),
        (Shape(4000, 68), 2000, 9, (2000, 34, 0, 24)),
        (Shape(68, 4000), 2000, 9, (34, 2000, 0, 24)),
        # A picture has no level of H.264, however large it is; a sound neither.
        (Shape(8192, 8192), 8192, 9, (8192, 8192, 0, 24)),
        (Shape(0, 0, 7, 60), 4096, 9, (0, 0, 7, 60)),
    ],
)
def test_a_shape_within_bounds(asked, side, seconds, drawn):
    assert asked.within(side, seconds) == drawn


def test_a_shape_is_a_picture_unless_it_lasts():
    assert Shape(2, 4) == (2, 4, 0, 24)
    assert (MOST_BLOCKS, MOST_BLOCKS_A_SECOND) == (36_864, 2_073_600)  # Rec. ITU-T H.264, table A-1, level 5.2


@pytest.mark.parametrize("fps", [1, 24, 56, 57, 60])
@pytest.mark.parametrize(
    ("width", "height"), [(4096, 4096), (4096, 2304), (8192, 512), (512, 8192), (16_000, 160), (160, 16_000), (3840, 2400)]
)  # fmt: skip
def test_a_video_is_as_large_as_level_5_2_allows(width, height, fps):
    """Scaled by 99 percent of what would just fit, with a block more a side for what is rounded up."""
    most = min(36_864, 2_073_600 / fps)
    blocks = (width / 16 + 1) * (height / 16 + 1)
    scale = min(1.0, 0.99 * math.sqrt(most / blocks))
    wanted = (width, height) if scale == 1.0 else (int(width * scale) // 2 * 2, int(height * scale) // 2 * 2)
    assert Shape(width, height, 2, fps).within(100_000, 60) == (*wanted, 2, fps)


def test_a_video_is_measured_by_what_its_longest_side_leaves():
    """First the side, then the level: 4096 by 4096 of the 8192 that were asked for."""
    assert Shape(8192, 8192, 2, 60).within(4096, 60) == Shape(4096, 4096, 2, 60).within(4096, 60)
    assert Shape(8192, 4608, 2, 60).within(1920, 60) == (1920, 1080, 2, 60)


@pytest.mark.parametrize("fps", [1, 24, 60])
@pytest.mark.parametrize("size", [(4096, 4096), (4096, 512), (512, 4096), (32, 32), (4096, 2304)])
def test_every_video_can_be_made(size, fps):
    width, height = size
    shape = Shape(width, height, 2, fps).within(4096, 60)
    clip = Clip((Face("x", 0),), shape.width, shape.height, shape.seconds, shape.fps)
    assert clip.size > 0
