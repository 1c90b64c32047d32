"""Files behind links: faces, results, previews and uploads. Files of tasks are drawn when they are first fetched.

`find` only looks a file up, in its open sandbox. `opened` draws it or opens its bytes, which may take long: no
sandbox is open then."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b, sha256
from math import floor
from threading import Lock
from typing import Any, NamedTuple

from swapmock.contracts import Operation
from swapmock.contracts.rows import FileLinks
from swapmock.mock_server.core.call import StoreProblem
from swapmock.mock_server.core.faces import FaceRef, path_of
from swapmock.mock_server.core.ports import Box, Source
from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.core.source import Bytes
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.engine.links import preview_token
from swapmock.mock_server.providers import links

#: The most bytes of drawn files in the cache, and the most files. A file that was dropped is drawn again.
MOST_DRAWN_BYTES, MOST_DRAWN = 1 << 26, 512

#: The time of previews of templates, which are older than every sandbox: 2020-01-01.
PREVIEWS_MADE_AT = 1_577_836_800.0

#: By how many seconds a stale file is older than the current one.
STALE_BY = 86_400.0


class Drawing(NamedTuple):
    """A file that is drawn: `make(*args)` returns its bytes, or an object that makes them while they are read. The
    first of `args` are the faces, one face, or the name from which a sound is made."""

    make: Callable[..., bytes | Source]
    args: tuple[Any, ...]

    def older(self) -> Drawing:
        """Return the same kind of file with other faces."""
        from swapmock.mock_server.media import Face

        def other(shown: Any) -> Any:
            if isinstance(shown, str):
                return f"{shown} (older)"
            return (
                Face(f"{shown.identity} (older)", shown.index) if isinstance(shown, Face) else tuple(map(other, shown))
            )

        return Drawing(self.make, (other(self.args[0]), *self.args[1:]))


class Stored(NamedTuple):
    """An uploaded file: the key of its bytes, their entity tag and digest ("" if an older version did not note
    them)."""

    key: str
    etag: str
    digest: str


class Found(NamedTuple):
    """A file that a link leads to. `made_at` is its time of last change in sandbox time, None if unknown. `task` is
    the task that made it."""

    content_type: str
    made_at: float | None
    content: Drawing | Stored
    task: Task | None = None


class Opened(NamedTuple):
    """A file that can be sent. `digest` is the SHA-256 of its bytes; "" if it is known only after they were made.
    `is_made` says that reading takes computing time."""

    source: Source
    etag: str
    digest: str
    is_made: bool = False


class Drawn:
    """A cache of drawn files. Each is drawn once, even if several requests need it at the same time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Drawing, tuple[Lock, list[Opened]]] = OrderedDict()
        self._bytes = 0

    def get(self, drawing: Drawing) -> Opened:
        """Return the file that `drawing` describes."""
        with self._lock:
            own, done = self._kept.setdefault(drawing, (Lock(), []))
            self._kept.move_to_end(drawing)
        with own:
            if not done:
                done.append(_draw(drawing))
                self._note(done[0])
            return done[0]

    def _note(self, opened: Opened) -> None:
        with self._lock:
            self._bytes += _held(opened)
            while (self._bytes > MOST_DRAWN_BYTES or len(self._kept) > MOST_DRAWN) and len(self._kept) > 1:
                _, (_, done) = self._kept.popitem(last=False)
                self._bytes -= sum(map(_held, done))

    def note_digest(self, opened: Opened, digest: str) -> None:
        """Store the digest of a file that was made completely for the first time."""
        with self._lock:
            for _, done in self._kept.values():
                if done and done[0].source is opened.source:
                    done[0] = opened._replace(digest=digest)
                    return


DRAWN = Drawn()


def _held(opened: Opened) -> int:
    return 0 if opened.is_made else opened.source.size


def _draw(drawing: Drawing) -> Opened:
    made = drawing.make(*drawing.args)
    if isinstance(made, bytes):
        return Opened(Bytes(made), blake2b(made, digest_size=16).hexdigest(), sha256(made).hexdigest())
    # The bytes depend only on what the object's repr shows.
    return Opened(made, blake2b(repr(made).encode(), digest_size=16).hexdigest(), "", is_made=True)


def opened(found: Found, engine: Engine) -> Opened:
    """Return the bytes of `found`, drawn if necessary. Raises Problem `no_such_key` for an upload that was replaced
    or removed since it was found."""
    content = found.content
    if isinstance(content, Drawing):
        return DRAWN.get(content)
    source = engine.blobs.open(content.key)
    if source is None:
        raise StoreProblem("no_such_key")
    if content.etag:
        return Opened(source, content.etag, content.digest)
    from hashlib import md5

    whole = b"".join(source.read())
    return Opened(source, md5(whole, usedforsecurity=False).hexdigest(), sha256(whole).hexdigest())


def owner_of(operation: Operation, params: Mapping[str, Any], engine: Engine) -> str | None:
    """Return the sandbox that a link to `operation` leads to, by the token in its path `params`; None if there is
    none."""
    token = token_of(operation, params)
    return None if token is None else engine.store.owner(token)


def token_of(operation: Operation, params: Mapping[str, Any]) -> str | None:
    """Return the token in the path of a link; None without one."""
    name = params.get("file_name" if operation.files in ("upload", "store") else "token")
    return None if name is None else str(name)


def find(engine: Engine, box: Box, operation: Operation, params: Mapping[str, Any], now: float) -> Found:
    """Return the file that a link to the open sandbox `box` leads to.

    `operation` and its path `params` are those of the request; `now` is sandbox time. Raises Problem
    `no_such_key` if there is no such file, and `link_expired` if it has expired."""
    if operation.files == "upload":
        return _upload(box, str(params.get("file_name", "")), now)
    if operation.files == "preview":
        return _preview(engine, box, operation, params)
    return _result_of_task(engine, box, params, now)


def _upload(box: Box, name: str, now: float) -> Found:
    file = box.file(name)
    if file is None or file.size is None or now >= file.expires_at:
        raise StoreProblem("no_such_key")
    return Found(file.content_type, file.stored_at, Stored(f"{box.sandbox.id}/{name}", file.etag, file.digest))


def _preview(engine: Engine, box: Box, operation: Operation, params: Mapping[str, Any]) -> Found:
    provider = engine.providers[operation.contract.name]
    name, ending = str(params.get("name", "")), str(params.get("extension", ""))
    shape = provider.preview(f"{name}.{ending}", engine)
    if shape is None or params.get("token") != preview_token(box.sandbox.seed):
        raise StoreProblem("no_such_key")
    return _found(ending, _with_shape((FaceRef(f"template {name}", 0),), ending, shape), PREVIEWS_MADE_AT, None)


def _result_of_task(engine: Engine, box: Box, params: Mapping[str, Any], now: float) -> Found:
    task = box.task(str(params.get("token", "")))
    number = str(params.get("number", ""))
    if task is None or params.get("folder", "") != task.facts.get("folder", "") or not _is_number(number):
        raise StoreProblem("no_such_key")
    return _file_of_task(engine, task, int(number), str(params.get("extension", "")), now)


def _file_of_task(engine: Engine, task: Task, number: int, ending: str, now: float) -> Found:
    behaviour = engine.contracts[task.provider].behaviour
    if behaviour.files is None or task.failure is not None or not task.is_over(now) or task.ends_at is None:
        raise StoreProblem("no_such_key")
    drawing = _drawing(engine, behaviour.files, task, number, ending)
    if now >= task.ends_at + behaviour.seconds(behaviour.files.lifetime(task.kind)):
        raise StoreProblem("link_expired", details={"file": task.kind})
    return _found(ending, drawing, made_at(task), task)


def result_of(engine: Engine, box: Box, task: Task, number: int) -> Found | None:
    """Return the file `number` of a task, whether a client has a link to it or not; None if there is none, or if it
    has expired. The sandbox `box` is not open."""
    endings = (task.facts.get("extension", ".jpg"), *(more[0] for more in task.facts.get("more", ())))
    is_faces = isinstance(task.facts.get("faces"), int)
    ending = str(endings[0 if is_faces else min(number, len(endings) - 1)])
    with box:
        now = engine.now(box)
    try:
        return _file_of_task(engine, task, number, ending.removeprefix("."), now)
    except StoreProblem:
        return None


def source_of(engine: Engine, box: Box, url: str) -> Found | None:
    """Return the picture at a media URL of a request: an uploaded file, or the face that the emulator derives from
    the URL. None if there is none. The sandbox `box` is not open."""
    from swapmock.mock_server.media import Face, face_jpeg

    path = path_of(url)
    for contract in engine.contracts.values():
        start = contract.behaviour.uploads
        if start and path.startswith(start):
            name = path.removeprefix(start)
            owner = engine.store.owner(name)
            return None if owner is None else _upload_of(engine, owner, name)
    return Found("image/jpeg", None, Drawing(face_jpeg, (Face(*links.face_at(box, engine, url)),)))


def _upload_of(engine: Engine, sandbox_id: str, name: str) -> Found | None:
    try:
        with engine.store.open(sandbox_id) as box:
            return _upload(box, name, engine.now(box))
    except (KeyError, StoreProblem):
        return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4 and (text == "0" or text[0] != "0")


def made_at(task: Task) -> float | None:
    """Return when the files of a task were made: at its end by the sandbox's clock, or at its submission by the
    machine's clock, whichever is earlier. So it never changes, and is never later than a Date by either clock."""
    if task.ends_at is None or task.submitted_at is None:
        return task.ends_at
    return min(task.ends_at, task.submitted_at)


def last_modified(found: Found, date: float) -> int | None:
    """Return the Last-Modified of a file in an answer whose Date is `date`; None for no such header. A file that was
    made later than `date` has none (RFC 9110 8.8.2.1); this happens only if the clock of a sandbox was set back."""
    return None if found.made_at is None or floor(found.made_at) > floor(date) else max(0, floor(found.made_at))


def _found(ending: str, drawing: Drawing | None, at: float | None, task: Task | None) -> Found:
    if drawing is None:
        raise StoreProblem("no_such_key")
    from swapmock.mock_server.media import content_type

    return Found(content_type(f".{ending}") or "application/octet-stream", at, drawing, task)


def _drawing(engine: Engine, form: FileLinks, task: Task, number: int, ending: str) -> Drawing | None:
    if task.kind in form.faces:
        return _face(task, number, ending)
    files = ((task.facts["extension"], task.facts["faces"]), *task.facts.get("more", ()))
    if number >= len(files) or f".{ending}" != files[number][0]:
        return None
    asked = engine.providers[task.provider].shape(task, engine, number)
    shape = None if asked is None else asked.within(engine.max_media_side, engine.max_media_seconds)
    return _with_shape(tuple(FaceRef(*face) for face in files[number][1]), ending, shape)


def _face(task: Task, index: int, ending: str) -> Drawing | None:
    from swapmock.mock_server.media import Face, face_jpeg, face_png

    if f".{ending}" != task.facts.get("extension", ".jpg") or index >= task.facts["faces"]:
        return None
    return Drawing(face_png if ending == "png" else face_jpeg, (Face(task.facts["url"], index),))


def _with_shape(shown: tuple[FaceRef, ...], ending: str, shape: Shape | None) -> Drawing:
    from swapmock.mock_server.media import Face, audio_wav, group_gif, group_mp4, group_picture
    from swapmock.mock_server.media.clip import Clip
    from swapmock.mock_server.media.pictures import sized_picture
    from swapmock.mock_server.media.tone import Tone

    faces = tuple(Face(*face) for face in shown)
    picture = "jpg" if ending == "jpeg" else ending
    if ending == "wav":
        name = faces[0].identity
        return Drawing(audio_wav, (name,)) if shape is None else Drawing(Tone, (name, shape.seconds))
    if ending == "mp4":
        if shape is None:
            return Drawing(group_mp4, (faces,))
        return Drawing(Clip, (faces, shape.width, shape.height, shape.seconds, shape.fps))
    if ending == "gif":
        return Drawing(group_gif, (faces,))
    if shape is not None and shape.width:
        return Drawing(sized_picture, (faces, picture, shape.width, shape.height))
    return Drawing(group_picture, (faces, picture))


def older(found: Found) -> Found:
    """Return an older file of the same type, like a cache that has missed a change."""
    at = None if found.made_at is None else found.made_at - STALE_BY
    if isinstance(found.content, Drawing):
        return found._replace(content=found.content.older(), made_at=at)
    from swapmock.mock_server.media.mime import CONTENT_TYPES

    kind = found.content_type.partition(";")[0].strip().lower()
    ending = next((name for name in ("jpg", "png", "gif", "mp4", "wav") if CONTENT_TYPES[name] == kind), "png")
    return found._replace(content=_with_shape((FaceRef(found.content.key, 0),), ending, None), made_at=at)
