"""The size of a result within what can be drawn."""

import pytest

from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.media import Face
from swapmock.mock_server.media.clip import Clip


@pytest.mark.parametrize(
    ("asked", "side", "seconds", "drawn"),
    [
        (Shape(1280, 720, 5), 4096, 60, (1280, 720, 5)),
        (Shape(3840, 2160, 60, 60), 4096, 480, (3840, 2160, 60)),
        (Shape(1920, 1080, 90), 960, 30, (960, 540, 30)),
        (Shape(1024, 1536), 768, 1, (512, 768, 0)),
        (Shape(0, 0, 100), 32, 10, (0, 0, 10)),
    ],
)
def test_a_shape_within_bounds(asked, side, seconds, drawn):
    assert asked.within(side, seconds)[:3] == drawn


@pytest.mark.parametrize("fps", [1, 24, 60])
@pytest.mark.parametrize("size", [(4096, 4096), (4096, 512), (512, 4096), (32, 32), (4096, 2304)])
def test_every_video_can_be_made(size, fps):
    width, height = size
    shape = Shape(width, height, 2, fps).within(4096, 60)
    clip = Clip((Face("x", 0),), shape.width, shape.height, shape.seconds, shape.fps)
    assert clip.size > 0
