"""Links to our own files in requests: which task and which file they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from swapmock.mock_server.core.faces import FaceRef, path_of

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.mock_server.core.call import Call
    from swapmock.mock_server.core.ports import Box
    from swapmock.mock_server.core.task import Task
    from swapmock.mock_server.engine.engine import Engine


class Link(NamedTuple):
    """A file: the token of its task's links, its number, its extension, and the folder before it."""

    token: str
    number: int
    extension: str
    folder: str = ""


def read(path: str, contracts: Mapping[str, Contract]) -> Link | None:
    """Return the link in `path`, in the form of one of `contracts` (`files` in behaviour.yaml); None if it is none."""
    for contract in contracts.values():
        files = contract.behaviour.files
        parts = None if files is None else files.read(path)
        if parts is not None:
            return Link(parts["token"], int(parts["number"]), parts["extension"], parts.get("folder", ""))
    return None


def face_at(box: Box, engine: Engine, url: str) -> FaceRef:
    """Return the face that the media at `url` shows. If `url` is a link to a face that was detected in the sandbox
    `box`, it is that face; else it is the first face that follows from the URL."""
    link = read(path_of(url), engine.contracts)
    task = None if link is None else box.task(link.token)
    if link is None or task is None:
        return FaceRef(url, 0)
    faces = task.facts.get("faces")
    return (
        FaceRef(task.facts["url"], link.number) if isinstance(faces, int) and link.number < faces else FaceRef(url, 0)
    )


def preview_start(call: Call, engine: Engine) -> tuple[str, str]:
    """Return the prefix of the public links to previews in the sandbox of `call`, and their token, which leads to
    the sandbox."""
    token = engine.publish_previews(call.box)
    operation = next(o for o in engine.contracts[call.provider].operations.values() if o.files == "preview")
    return f"{call.base_url}{operation.path[: operation.path.index('{')]}{token}/", token


def file_url(call: Call, engine: Engine, task: Task, number: int = 0) -> str:
    """Return the public link to file `number` of a succeeded `task`, in the form of its provider's `files`. With the
    link, the file can be fetched without a credential. Raises LookupError for a provider without files."""
    form = engine.contracts[task.provider].behaviour.files
    if form is None:
        raise LookupError(f"{task.provider} serves no files: behaviour.yaml has no `files`")
    more = task.facts.get("more", ())
    ending = str(task.facts.get("extension", ".jpg") if number == 0 or not more else more[number - 1][0])
    parts = {"token": engine.publish(call.box, task), "number": number, "folder": task.facts.get("folder", "")}
    return call.base_url + form.path.format(extension=ending.removeprefix("."), **parts)
