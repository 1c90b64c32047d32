"""The pictures, videos and sounds of tasks: sources that a request named, and results that a task made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from swapmock.mock_server.admin.records import readable
from swapmock.mock_server.core.call import texts
from swapmock.mock_server.core.task import Task

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The most sources and results of one task that are shown.
MOST_SHOWN = 24

#: File extension -> the kind of medium; every other extension is a picture.
KINDS = {"mp4": "video", "wav": "audio", "mp3": "audio"}


class Source(NamedTuple):
    """A media URL of a request: its number among the texts of the body, the place in the body, the URL."""

    number: int
    place: str
    url: str


class Result(NamedTuple):
    """A file that a task made: `kind` is image, video or audio."""

    number: int
    extension: str
    kind: str


def sources(task: Task, engine: Engine) -> list[Source]:
    """Return the media URLs of a task's request, in order."""
    return list(_sources(task, engine))[:MOST_SHOWN]


def _sources(task: Task, engine: Engine) -> Iterator[Source]:
    apart = engine.contracts[task.provider].callback_fields
    for number, (place, text) in enumerate(texts(readable(task.request, engine), apart)):
        if text.startswith(("http://", "https://")) and not any(character.isspace() for character in text):
            yield Source(number, place, text)


def results(task: Task, engine: Engine, now: float) -> list[Result]:
    """Return the files that a task has made by the sandbox time `now`; empty for a task without files."""
    form = engine.contracts[task.provider].behaviour.files
    if form is None or task.failure is not None or not task.is_over(now):
        return []
    if task.kind in form.faces:
        ending = str(task.facts.get("extension", ".jpg"))
        endings = [ending] * int(task.facts.get("faces", 0))
    elif "extension" in task.facts:
        endings = [str(task.facts["extension"]), *(str(more[0]) for more in task.facts.get("more", ()))]
    else:
        return []
    plain = [ending.removeprefix(".") for ending in endings[:MOST_SHOWN]]
    return [Result(number, ending, KINDS.get(ending, "image")) for number, ending in enumerate(plain)]


def expires_at(task: Task, engine: Engine) -> float | None:
    """Return when the links to the files of a task expire, in sandbox time; None if they do not."""
    behaviour = engine.contracts[task.provider].behaviour
    if behaviour.files is None or task.ends_at is None:
        return None
    return task.ends_at + behaviour.seconds(behaviour.files.lifetime(task.kind))
