"""Reads the shape of a picture from the request of its task: its width and height in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.imgopen.tools import tools
from swapmock.mock_server.providers.imgopen.wire import NAME

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The smallest and largest side of a generated picture, in pixels. A larger picture is scaled down in its ratio.
SMALLEST, LARGEST = 32, 8192


def shape(task: Task, engine: Engine, number: int = 0) -> Shape | None:
    """Return the shape that the request of `task` asks for. Returns None if it asks for none, and for faces and
    swaps. `number` is the number of the file, from 0."""
    tool = tools(engine.contracts[NAME]).get(task.operation)
    if tool is None or tool.makes != "pictures":
        return None
    body = engine.json.loads(task.request)
    return shape_of(body) if isinstance(body, Mapping) else None


def shape_of(body: Mapping[str, Any]) -> Shape | None:
    """Return the shape of `width` and `height` in the request `body`, multiplied by the scale of a high-resolution
    repair; None without them."""
    sides = [body.get(name) for name in ("width", "height")]
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
        return None
    scale = _scale(body)
    width, height = (_even(side * scale) for side in sides if isinstance(side, int))
    return Shape(width, height)


def _scale(body: Mapping[str, Any]) -> float:
    wanted = body.get("hr_scale") if body.get("enable_hr") is True else body.get("highDefinitionRepairScale")
    is_number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
    return float(wanted) if is_number and wanted is not None and 1 <= wanted <= 4 else 1.0


def _even(pixels: float) -> int:
    return min(LARGEST, max(SMALLEST, round(pixels / 2) * 2))
