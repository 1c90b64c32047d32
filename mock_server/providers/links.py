"""Links of ours in what clients send: to which task and which file of it they lead."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from swapmock.mock_server.core.faces import FaceRef
from swapmock.mock_server.core.ports import Box

#: The kind of task that finds faces; its files are these faces.
DETECTION = "detection"


class Link(NamedTuple):
    """A file: the token that its task published, its number, its extension, and the folder before it."""

    token: str
    number: int
    extension: str
    folder: str = ""


def read(path: str) -> Link | None:
    """The link that a path spells: `/media/TOKEN/NUMBER.jpg` or `/Output-Img2/FOLDER/TOKEN-NUMBER.png`."""
    steps = path.removeprefix("/").split("/")
    if steps[0] not in ("media", "Output-Img2"):
        return None
    stem, _, extension = steps[-1].rpartition(".")
    if steps[0] == "media" and len(steps) == 3:
        return _link(steps[1], stem, extension)
    if steps[0] == "Output-Img2" and len(steps) > 2:
        token, _, number = stem.rpartition("-")
        return _link(token, number, extension, "/".join(steps[1:-1]))
    return None


def _link(token: str, number: str, extension: str, folder: str = "") -> Link | None:
    """None unless `number` is spelt in the one way in which we write it."""
    if not (len(number) < 5 and number.isascii() and number.isdigit() and number == str(int(number))):
        return None
    return Link(token, int(number), extension, folder)


def face_at(box: Box, url: str) -> FaceRef:
    """The face that a media URL shows: behind a link to a face that was detected in this sandbox that face, else the
    URL's own first one."""
    link = read(urlsplit(url).path)
    task = None if link is None else box.task(link.token)
    if link is not None and task is not None and task.kind == DETECTION and link.number < task.facts["faces"]:
        return FaceRef(task.facts["url"], link.number)
    return FaceRef(url, 0)
