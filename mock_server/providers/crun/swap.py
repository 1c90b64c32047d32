"""The face-swap models: the rules for their input in addition to its schema, and the faces of the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from swapmock.mock_server.core.call import Call
from swapmock.mock_server.core.faces import FaceRef
from swapmock.mock_server.core.journal import Breach
from swapmock.mock_server.core.task import Phase, Task
from swapmock.mock_server.providers.crun.detection import KIND as DETECTION
from swapmock.mock_server.providers.crun.detection import detect_id, expires_at, media_text
from swapmock.mock_server.providers.crun.wire import invalid_input
from swapmock.mock_server.providers.links import face_at
from swapmock.mock_server.providers.submission import faces_in

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


class Swap(NamedTuple):
    """The faces of the result from left to right, and the name of the scenario with which the task must fail, if
    any."""

    faces: tuple[FaceRef, ...]
    fails: str | None = None


def single(call: Call, engine: Engine, model: str, field: str) -> Swap:
    """Replace the primary face of the media in the input's `field` by the one at `new_face`."""
    given = call.body["input"]
    behaviour = engine.contracts["crun"].behaviour
    url = media_text(given, field)
    others = {name: value for name, value in given.items() if name == "new_face" or value != url}
    new_face = media_text(others, "new_face")
    count = faces_in(url, behaviour)
    if count == 0 or faces_in(new_face, behaviour) == 0:
        return Swap((), "no_face")
    return Swap((face_at(call.box, engine, new_face), *[FaceRef(url, index) for index in range(1, count)]))


def multi(call: Call, engine: Engine, model: str, field: str) -> Swap:
    """Replace the faces in `faces` of the media in the input's `field`, which was detected as `detect_id`. `model`
    is for error texts."""
    given = call.body["input"]
    detection = _detection(call, engine, model, field)
    late = None
    if isinstance(detection, Stale):
        if call.variants["stale_detect"] == "refuse":
            raise invalid_input(model, "detect_id", detection.why)
        detection, late = detection.task, "fails"
    if field in given and detection.facts["url"] != given[field]:
        if call.variants["media_url_match"] == "refuse":
            raise invalid_input(model, field, "must be the media URL that was used for detection")
        late = "fails"
    targets = _targets(call, detection.facts["faces"], model)
    behaviour = engine.contracts["crun"].behaviour
    if any(faces_in(target, behaviour) == 0 for target in targets.values()):
        late = "no_face"
    faces = tuple(
        face_at(call.box, engine, targets[index]) if index in targets else FaceRef(detection.facts["url"], index)
        for index in range(detection.facts["faces"])
    )
    return Swap(faces, late)


class Stale(NamedTuple):
    """A detection that is too old for a swap."""

    task: Task
    why: str


def _detection(call: Call, engine: Engine, model: str, field: str) -> Task | Stale:
    """Return the finished detection that `detect_id` names. Raises Problem for any other `detect_id`."""
    named = call.body["input"]["detect_id"]
    task = call.box.task(named)
    if task is None or task.kind != DETECTION or detect_id(task) != named:
        raise invalid_input(model, "detect_id", f"no detection has the id '{named}'")
    if task.phase(call.now) is not Phase.SUCCEEDED:
        raise invalid_input(model, "detect_id", "the detection has not succeeded")
    media = "image" if field == "image_url" else "video"
    if task.facts["media"] != media:
        raise invalid_input(model, "detect_id", f"belongs to the detection of {task.facts['media']} media")
    lifetime = engine.contracts["crun"].behaviour.seconds("detect_id")
    if call.now >= expires_at(task, call.variants["detect_id_hour_from"], lifetime):
        return Stale(task, "expired; it is valid for one hour after detection")
    return task


def _targets(call: Call, count: int, model: str) -> dict[int, str]:
    """Return the new face of each face that is replaced. Of a face that is named twice, the last one counts: no source
    says what the vendor does, so it is noted and refused only under the variant `guesses`."""
    targets: dict[int, str] = {}
    for index, face in enumerate(call.body["input"]["faces"]):
        face_id = int(face["face_id"])
        if face_id in targets:
            if call.variants["guesses"] == "refuse":
                raise invalid_input(model, f"faces.{index}.face_id", f"face {face_id} is named twice")
            call.noted = (Breach(("body", "input", "faces", index, "face_id"), "uniqueItems", None, face_id),)
        if not 0 <= face_id < count:
            known = ", ".join(map(str, range(count)))
            raise invalid_input(model, f"faces.{index}.face_id", f"face {face_id} was not detected (detected: {known})")
        targets[face_id] = face["target"]
    return targets


#: Model -> the function that reads its input, and the field with the media to change.
SWAPS: Mapping[str, tuple[Callable[[Call, Engine, str, str], Swap], str]] = {
    "image-face-swap": (single, "image_url"),
    "image-face-swap-multi": (multi, "image_url"),
    "video-face-swap": (single, "video_url"),
    "video-face-swap-multi": (multi, "video_url"),
}
