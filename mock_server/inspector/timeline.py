"""The geometry of timelines: the position of each thing on a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: The width of the drawing, in its own units.
WIDTH = 1000.0

#: The most marks that are drawn for one task.
MOST_MARKS = 200


class Mark(NamedTuple):
    """Something that happened at `x`; `kind` is request, callback or missed."""

    x: float
    kind: str


class Bar(NamedTuple):
    """The bar of a task: it waits from `x` to `start` and runs from `start` to `end`. `is_open` says that it has no
    end."""

    x: float
    start: float
    end: float
    is_open: bool
    marks: tuple[Mark, ...]


class Axis(NamedTuple):
    """A range of sandbox time, drawn from 0 to WIDTH."""

    begin: float
    end: float

    def x(self, at: float) -> float:
        """Return the position of the time `at`."""
        span = self.end - self.begin
        return round(max(0.0, min(1.0, (at - self.begin) / span)) * WIDTH, 1) if span > 0 else 0.0

    @property
    def seconds(self) -> float:
        """The length of the range."""
        return self.end - self.begin


def axis_of(
    tasks: Sequence[Mapping[str, Any]], marks: Mapping[str, Sequence[tuple[float, str, str]]], now: float
) -> Axis:
    """Return the axis that contains all `tasks` and their `marks`, and `now` if it is near."""
    begins = [task["created_at"] for task in tasks]
    ends = [task["ends_at"] or task["starts_at"] for task in tasks]
    ends += [at for task in tasks for at, _, _ in marks.get(task["id"], ())]
    if not begins:
        return Axis(now - 1.0, now)
    begin, end = min(begins), max(ends)
    span = max(end - begin, 0.001)
    if end < now <= end + span / 2:
        end = now
    return Axis(begin, max(end, begin + 0.001) + span * 0.02)


def bar(task: Mapping[str, Any], axis: Axis, marks: Sequence[tuple[float, str, str]], now: float) -> Bar:
    """Return the bar of one task; if the task has not ended, the bar goes up to `now`. `axis` gives positions,
    `marks` are what happened."""
    end = task["ends_at"]
    is_open = end is None
    until = max(now, task["starts_at"]) if end is None else end
    drawn = tuple(Mark(axis.x(at), kind) for at, kind, _ in marks[-MOST_MARKS:])
    return Bar(axis.x(task["created_at"]), axis.x(task["starts_at"]), axis.x(until), is_open, drawn)
