"""The results of the music models: tracks, each with a cover in two sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.faces import FaceRef
from swapmock.mock_server.core.seeded import uuid4
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.crun import shapes

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The extension of a track, and of a cover.
TRACK, COVER = ".wav", ".png"

#: The title of a song without a title in its input, and the most characters of a prompt that are used as a title.
UNTITLED, LONGEST_TITLE = "Untitled", 40


def makes_music(row: Mapping[str, Any]) -> bool:
    """Return whether a model's row is one of suno's that make sound."""
    return (row["provider"], row["modality"]) == ("suno", "audio")


def further_tracks(row: Mapping[str, Any], faces: Sequence[FaceRef]) -> list[list[Any]]:
    """Return extension and faces of each file after the first: the second track of a song, then a small and a large
    cover for each track. Sound effects have one track. Empty for other models."""
    if not makes_music(row) or not faces:
        return []
    count = 2 if any("music" in operation for operation in row["operations"]) else 1
    tracks = [[TRACK, [[f"{faces[0].source}-{number}", 0]]] for number in range(1, count)]
    return tracks + [[COVER, [[faces[0].source, number]]] for number in range(count) for _ in shapes.COVER_SIDES]


def music(engine: Engine, task: Task, links: Sequence[str]) -> dict[str, Any]:
    """Return `media_urls` and `suno_data` of a finished task with these `links` to its files; a task of an older
    version has no covers."""
    tracks = [link for link in links if link.endswith(TRACK)]
    covers = [link for link in links if link.endswith(COVER)]
    given = engine.json.loads(task.request).get("input", {})
    shape = shapes.shape(task, engine)
    data = []
    for number, link in enumerate(tracks):
        track = {"suno_id": uuid4(task.id, "track", number), "title": _title(given), "suno_audio_url": link}
        pair = covers[2 * number : 2 * number + 2]
        if pair:
            track |= {"suno_image_url": pair[0], "suno_image_large_url": pair[1]}
        data.append(track if shape is None else {**track, "duration": float(shape.seconds)})
    return {"media_urls": tracks, "suno_data": data}


def _title(given: Mapping[str, Any]) -> str:
    """Return the title of a song: the requested one, else the beginning of its prompt."""
    for name in ("title", "prompt", "lyrics"):
        text = given.get(name)
        if isinstance(text, str) and text.strip():
            return text.strip() if name == "title" else text.strip()[:LONGEST_TITLE]
    return UNTITLED
