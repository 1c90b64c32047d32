"""Reads the shape of a result from the input of its task: ratio, resolution, size, length, frame rate."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.crun.catalogue import model_row
from swapmock.mock_server.providers.crun.swap import SWAPS

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: Resolution -> the side in pixels of a square with as many pixels as such a picture.
PICTURE_SIDES = {"512": 512, "0.5k": 512, "1k": 1024, "2k": 2048, "3k": 3072, "4k": 4096}

#: Resolution -> the pixels of the shorter side of such a video.
VIDEO_SIDES = {"360p": 360, "480p": 480, "512p": 512, "540p": 540, "580p": 580, "720p": 720, "768p": 768, "1080p": 1080}
VIDEO_SIDES |= {"1k": 720, "2k": 1440, "1440p": 1440, "4k": 2160, "2160p": 2160}

#: The defaults of a video: those on most models' pages.
VIDEO_RATIO, VIDEO_SIDE, VIDEO_SECONDS, SOUND_SECONDS = (16, 9), 720, 5, 10

#: The limits of what is drawn; larger requests are reduced to these.
LONGEST_SIDE, MOST_SECONDS, RATES = 4096, 60, range(1, 61)
LONGEST_SOUND = 480

#: The sides of a song's small and large cover, in pixels.
COVER_SIDES = (360, 720)

RATIO = re.compile(r"\s*(\d{1,4}(?:\.\d{1,3})?)\s*[:/]\s*(\d{1,4}(?:\.\d{1,3})?)\s*")
SIZE = re.compile(r"\s*(\d{2,5})\s*[x*×]\s*(\d{2,5})\s*", re.IGNORECASE)
LENGTH = re.compile(r"\s*(\d{1,4}(?:\.\d{1,3})?)\s*s?\s*", re.IGNORECASE)


def shape(task: Task, engine: Engine, number: int = 0) -> Shape | None:
    """Return the shape that the task's input asks for file `number`; None if it asks for none, and for face swaps,
    which keep the shape of their source."""
    if task.model in SWAPS or task.operation != "create_task":
        return None
    body = engine.json.loads(task.request)
    given = body.get("input") if isinstance(body, Mapping) else None
    found = shape_of(model_row(engine, task.model)["modality"], given if isinstance(given, Mapping) else {})
    covers = [n for n, (extension, _) in enumerate(task.facts["more"], 1) if extension != task.facts["extension"]]
    if task.facts["extension"] != ".wav" or number not in covers:
        return found
    side = COVER_SIDES[covers.index(number) % len(COVER_SIDES)]
    return Shape(side, side)


def shape_of(modality: str, given: Mapping[str, Any]) -> Shape | None:
    """Return the shape of an `image`, `video` or `audio` result for the input `given`."""
    if modality == "audio":
        return Shape(0, 0, _seconds(given, SOUND_SECONDS, LONGEST_SOUND))
    size = _exact_size(given)
    ratio = _ratio(given)
    side = _side(given, VIDEO_SIDES if modality == "video" else PICTURE_SIDES)
    if modality == "image":
        if size is None and ratio is None and side is None:
            return None
        return Shape(*(size or _picture_size(ratio or (1, 1), side or PICTURE_SIDES["1k"])))
    width, height = size or _video_size(ratio or VIDEO_RATIO, side or VIDEO_SIDE)
    return Shape(width, height, _seconds(given, VIDEO_SECONDS, MOST_SECONDS), _rate(given))


def _exact_size(given: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return a size in pixels: from `width` and `height`, or from a text such as 1024x1536 in `size`, `image_size`
    or `resolution`."""
    if isinstance(given.get("width"), int) and isinstance(given.get("height"), int):
        return _even(given["width"]), _even(given["height"])
    for name in ("size", "image_size", "resolution"):
        found = SIZE.fullmatch(given[name]) if isinstance(given.get(name), str) else None
        if found is not None:
            return _even(int(found[1])), _even(int(found[2]))
    return None


def _ratio(given: Mapping[str, Any]) -> tuple[float, float] | None:
    for name in ("aspect_ratio", "ratio", "image_size", "size"):
        found = RATIO.fullmatch(given[name]) if isinstance(given.get(name), str) else None
        if found is not None and 0.1 <= float(found[1]) / max(float(found[2]), 1e-3) <= 10:
            return float(found[1]), float(found[2])
    return None


def _side(given: Mapping[str, Any], sides: Mapping[str, int]) -> int | None:
    for name in ("resolution", "image_size", "size", "quality"):
        found = sides.get(str(given.get(name, "")).strip().lower())
        if found is not None:
            return found
    return None


def _picture_size(ratio: tuple[float, float], side: int) -> tuple[int, int]:
    scale = math.sqrt(ratio[0] / ratio[1])
    return _even(side * scale), _even(side / scale)


def _video_size(ratio: tuple[float, float], shorter: int) -> tuple[int, int]:
    wide = ratio[0] / ratio[1]
    return (_even(shorter * wide), _even(shorter)) if wide >= 1 else (_even(shorter), _even(shorter / wide))


def _even(pixels: float) -> int:
    return min(LONGEST_SIDE, max(32, round(pixels / 2) * 2))


def _seconds(given: Mapping[str, Any], usual: int, most: int) -> int:
    """Return whole seconds from `duration`, `seconds` or `length`: a number, or a text such as 10 or 10s."""
    for name in ("duration", "seconds", "length"):
        value = given.get(name)
        if isinstance(value, str) and (found := LENGTH.fullmatch(value)):
            value = float(found[1])
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 10_000:
            return min(most, max(1, round(value)))
    return usual


def _rate(given: Mapping[str, Any]) -> int:
    for name in ("fps", "frame_rate", "frames_per_second"):
        value = given.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value in RATES:
            return value
    return Shape(0, 0).fps
