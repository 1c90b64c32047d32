"""Checks whether this provider could have made a task in a snapshot; returns the aliases of its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.crun import detection, tasks
from swapmock.mock_server.providers.facts import Faces, Files, check_facts

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The operations that start a detection -> the kind of media.
DETECTIONS = {"detect_face_image": "image", "detect_face_video": "video"}


def check_task(task: Task, engine: Engine) -> Iterator[tuple[str, str]]:
    """Yield what is wrong in kind, model and facts of `task`: values that no task of this provider has."""
    if task.operation in DETECTIONS:
        yield from _check_detection(task)
    elif task.operation == "create_task":
        yield from _check_generation(task, engine)
    else:
        yield "operation", "makes no task"


def _check_detection(task: Task) -> Iterator[tuple[str, str]]:
    if task.kind != detection.KIND:
        yield "kind", f"should be {detection.KIND}"
    if task.model:
        yield "model", "should be empty for a detection"
    if task.callback_url is not None:
        yield "callback_url", "should be null, for a detection has no callbacks"
    yield from check_facts(task, {"url": str, "media": str, "faces": int})
    if task.facts.get("media") != DETECTIONS[task.operation]:
        yield "facts", f"`media` should be {DETECTIONS[task.operation]}"


def _check_generation(task: Task, engine: Engine) -> Iterator[tuple[str, str]]:
    if task.kind != tasks.KIND:
        yield "kind", f"should be {tasks.KIND}"
    rows = {row["name"]: row for row in engine.contracts["crun"].tables["models"]["models"]}
    if task.model not in rows:
        yield "model", "is no model of the catalogue"
        return
    body = engine.contracts["crun"].operations[task.operation].normalize(engine.json.loads(task.request))
    if body.get("model") != task.model:
        yield "model", "should be the model of the request"
    if (body.get("callback_url") or None) != task.callback_url:
        yield "callback_url", "should be that of the request"
    wrong = [*check_facts(task, {"faces": Faces, "extension": str, "more": Files})]
    yield from wrong
    if not wrong:
        yield from _check_files(task.facts, rows[task.model]["modality"], task)


def _check_files(facts: Mapping[str, Any], modality: str, task: Task) -> Iterator[tuple[str, str]]:
    known = {tasks.DEFAULT_EXTENSION[modality], *tasks.KEPT_EXTENSIONS[modality]}
    if facts["extension"] not in known:
        yield "facts", f"`extension` should be one of {', '.join(sorted(known))}"
    further = {".png", ".wav"} if modality == "audio" else {".png"}
    if any(extension not in further for extension, _ in facts["more"]):
        yield "facts", f"`more` should have files with the extension {' or '.join(sorted(further))}"
    if modality == "audio" and not all(faces for _, faces in facts["more"]):
        yield "facts", "`more` should have faces for each file of a song"
    if modality == "audio" and not facts["faces"]:
        yield "facts", "`faces` should not be empty for a sound"


def aliases(task: Task, engine: Engine) -> Mapping[str, bool]:
    """Return the aliases of a task: a detection also has its `detect_id`, once a poll has shown its success."""
    return {detection.detect_id(task): False} if task.kind == detection.KIND else {}
