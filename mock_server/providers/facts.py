"""The shapes of the `facts` of tasks, and the check that a restored task has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.mock_server.core.codec import BadRecord, decode
from swapmock.mock_server.core.task import Task

#: The most faces in one file, and the most files of one task.
MOST_FACES = 100

#: Stored faces: source and number of each.
Faces = list[tuple[str, int]]

#: The files after the first one: extension and faces of each.
Files = list[tuple[str, Faces]]


def check_facts(task: Task, shapes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield `("facts", sentence)` for each fact of `task` that is missing or does not have its shape."""
    for name, shape in shapes.items():
        if name not in task.facts:
            yield "facts", f"should have `{name}`"
            continue
        try:
            value = decode(shape, task.facts[name], (name,))
        except BadRecord as bad:
            yield "facts", f"`{'.'.join(map(str, bad.place))}` {bad.detail}"
            continue
        if not all(0 <= number <= MOST_FACES for number in _counts(name, value, shape)):
            yield "facts", f"`{name}` should have from 0 to {MOST_FACES} faces and files"


def _counts(name: str, value: Any, shape: Any) -> Iterator[int]:
    """Yield the numbers in a fact that say how many faces and files are drawn."""
    if shape is Files:
        yield len(value)
        for _, faces in value:
            yield from _counts(name, faces, Faces)
    elif shape is Faces:
        yield len(value)
        yield from (number for _, number in value)
    elif name == "faces":
        yield value
