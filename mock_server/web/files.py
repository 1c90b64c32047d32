"""Files behind links: faces, results, uploads. Faces and results are drawn when they are fetched, from the task's facts."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple, Protocol

from swapmock.mock_server.core.faces import FaceRef, path_of
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.providers import links


class Made(Protocol):
    """A file whose bytes are made when they are read."""

    @property
    def size(self) -> int: ...

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]: ...


class Media(NamedTuple):
    """A file with its content type: its bytes, or what makes them."""

    content_type: str
    content: bytes | Made

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.size

    @property
    def etag(self) -> str:
        """The same for the same bytes: their digest, or that of what they are made from."""
        facts = self.content if isinstance(self.content, bytes) else repr(self.content).encode()
        return blake2b(facts, digest_size=16).hexdigest()

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`."""
        if isinstance(self.content, bytes):
            yield self.content[start:stop]
        else:
            yield from self.content.read(start, stop)


def fetch(engine: Engine, path: str) -> Media | None:
    """The file that the path of a link leads to; None if there is none, or it has expired."""
    link = links.read(path, engine.contracts)
    found = None if link is None else engine.published(link.token)
    if link is None or found is None:
        return None
    box, task = found
    if link.folder != task.facts.get("folder", "") or not _is_available(engine, box, task):
        return None
    return _drawn(engine, task, link.number, link.extension)


def result_of(engine: Engine, box: Box, task: Task, number: int) -> Media | None:
    """The file `number` of a task, whether somebody has a link to it or not; None if there is none, or it has expired."""
    if not _is_available(engine, box, task):
        return None
    files = ((task.facts.get("extension", ".jpg"), ()), *task.facts.get("more", ()))
    ending = files[
        0 if "faces" in task.facts and isinstance(task.facts["faces"], int) else min(number, len(files) - 1)
    ][0]
    return _drawn(engine, task, number, ending.removeprefix("."))


def source_of(engine: Engine, box: Box, url: str) -> Media | None:
    """The picture behind a media URL of a request: an uploaded file, or the face that the emulator sees there."""
    from swapmock.mock_server.media import Face, face_jpeg

    for contract in engine.contracts.values():
        path = path_of(url)
        if contract.behaviour.uploads and path.startswith(contract.behaviour.uploads):
            return fetch_upload(engine, path.removeprefix(contract.behaviour.uploads))
    return Media("image/jpeg", face_jpeg(Face(*links.face_at(box, engine, url))))


def _drawn(engine: Engine, task: Task, number: int, ending: str) -> Media | None:
    """The file `number` of a task, drawn from the task's facts; None if it has none with this ending."""
    form = engine.contracts[task.provider].behaviour.files
    if form is None:
        return None
    if task.kind in form.faces:
        drawn = _face(task, number, ending)
    else:
        drawn = _result(task, number, ending, engine.providers[task.provider].shape(task, engine, number))
    if drawn is None:
        return None
    from swapmock.mock_server.media import content_type

    return Media(content_type(f".{ending}") or "application/octet-stream", drawn)


def _is_available(engine: Engine, box: Box, task: Task) -> bool:
    with box:
        now = engine.now(box)
    if task.failure is not None or not task.is_over(now) or task.ends_at is None:
        return False
    behaviour = engine.contracts[task.provider].behaviour
    return behaviour.files is not None and now < task.ends_at + behaviour.seconds(behaviour.files.lifetime(task.kind))


def _face(task: Task, index: int, ending: str) -> bytes | Made | None:
    from swapmock.mock_server.media import Face, face_jpeg, face_png

    if f".{ending}" != task.facts.get("extension", ".jpg") or index >= task.facts["faces"]:
        return None
    return (face_png if ending == "png" else face_jpeg)(Face(task.facts["url"], index))


def _result(task: Task, index: int, ending: str, shape: Shape | None) -> bytes | Made | None:
    from swapmock.mock_server.media import Face, audio_wav, group_gif, group_mp4, group_picture
    from swapmock.mock_server.media.clip import Clip
    from swapmock.mock_server.media.pictures import sized_picture
    from swapmock.mock_server.media.tone import Tone

    files = ((task.facts["extension"], task.facts["faces"]), *task.facts.get("more", ()))
    if index >= len(files) or f".{ending}" != files[index][0]:
        return None
    faces = tuple(Face(*FaceRef(*face)) for face in files[index][1])
    if shape is not None and ending == "mp4":
        return Clip(faces, shape.width, shape.height, shape.seconds, shape.fps)
    if shape is not None and ending == "wav":
        return Tone(faces[0].identity, shape.seconds)
    if shape is not None and shape.width and ending != "gif":
        return sized_picture(faces, "jpg" if ending == "jpeg" else ending, shape.width, shape.height)
    if ending == "mp4":
        return group_mp4(faces)
    if ending == "gif":
        return group_gif(faces)
    if ending == "wav":
        return audio_wav(faces[0].identity)
    return group_picture(faces, "jpg" if ending == "jpeg" else ending)


def fetch_upload(engine: Engine, name: str) -> Media | None:
    """An uploaded file by its name, byte for byte; None if there is none, or it has expired."""
    owner = engine.store.owner(name)
    if owner is None:
        return None
    try:
        box = engine.store.open(owner)
    except KeyError:
        return None
    with box:
        file, now = box.file(name), engine.now(box)
    if file is None or file.size is None or now >= file.expires_at:
        return None
    content = engine.blobs.get(f"{owner}/{name}")
    return None if content is None else Media(file.content_type, content)
