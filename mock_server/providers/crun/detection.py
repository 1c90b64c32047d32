"""Face detection: starts and polls it. The multi-face swaps refer to its faces."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.call import Cacheable, Call, Problem, Reply
from swapmock.mock_server.core.credits import from_credits
from swapmock.mock_server.core.seeded import alphanumeric, lower_alphanumeric
from swapmock.mock_server.core.task import FAILED, SUCCEEDED, Task
from swapmock.mock_server.providers.submission import accept_task, faces_in, scenario_for, unused_id

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

KIND = "detection"


def detect_face_image(call: Call, engine: Engine) -> Reply:
    """Detect the faces of a picture."""
    return _detect(call, engine, call.body["image_url"], "image")


def detect_face_video(call: Call, engine: Engine) -> Reply:
    """Detect the faces of a video or a GIF. The path and the field name are guesses (NOTES.md)."""
    return _detect(call, engine, media_text(call.body, "video_url"), "video")


def media_text(given: Mapping[str, Any], field: str) -> str:
    """Return the URL in `field`, whose name is a guess; without it the first URL of `given`, or "" if there is none."""
    value = given.get(field)
    if isinstance(value, str):
        return value
    return next((each for each in given.values() if isinstance(each, str) and each[:4].lower() == "http"), "")


def _detect(call: Call, engine: Engine, url: str, media: str) -> Reply:
    behaviour = engine.contracts["crun"].behaviour
    scenario = scenario_for(call, engine, KIND)
    faces = faces_in(url, behaviour)
    task = accept_task(
        call,
        engine,
        task_id=_task_id(call),
        kind=KIND,
        scenario=scenario,
        timeline=behaviour.timelines[f"detection_{media}"],
        price=engine.price("crun", "detection", from_credits(behaviour.rest["detection_price"]["credits"])),
        facts={"url": url, "media": media, "faces": faces},
    )
    return Reply({"detect_task_id": task.id})


def _task_id(call: Call) -> str:
    """Return an unused id, derived from the seed and the number of the detection."""
    box = call.box
    return unused_id(box, lambda: "d" + lower_alphanumeric(17, box.sandbox.seed, KIND, box.next_number(KIND)))


def get_detect_face_result(call: Call, engine: Engine) -> Reply:
    """Return the state of a detection, and its faces once it has succeeded."""
    name = call.params["detect_task_id"]
    task = engine.polled(call, name, KIND)
    if task is None or task.id != name:
        raise Problem("task_not_found")
    phase = task.phase(call.now)
    word = engine.contracts["crun"].behaviour.status_words[KIND][phase]
    data: dict[str, Any] = {"detect_task_id": task.id, "result": None, "status": word, "error": None}
    token = ""
    if phase is SUCCEEDED:
        token = engine.publish(call.box, task)
        call.box.add_alias(detect_id(task), task.id)
        data["result"] = _result(call, task, token)
    elif phase is FAILED and task.failure is not None:
        data["error"] = task.failure.message or None
        if call.variants["failed_detection_code"] == 501:
            return Reply(data, code=501, message=task.failure.message or "Generation failed")
    return Reply(data, cacheable=Cacheable(task, task.unchanged_until(call.now), token))


def _result(call: Call, task: Task, token: str) -> dict[str, Any]:
    links = [f"{call.base_url}/media/{token}/{index}.jpg" for index in range(task.facts["faces"])]
    return {
        "id": detect_id(task),
        "status": call.variants["detection_inner_status"],
        "type": "face_detect",
        "hair_id": None,
        "faces": [{"id": index, "link": link} for index, link in enumerate(links)],
        "started_at": _stamp(task.starts_at),
        "finished_at": _stamp(task.ends_at or task.starts_at),
        "error": None,
    }


def detect_id(task: Task) -> str:
    """Return the `detect_id` by which a swap names a detection. It is valid once a poll has shown it."""
    return alphanumeric(11, "detect_id", task.id)


def _stamp(at: float) -> str:
    """Return `YYYY-MM-DD HH:MM:SS` in UTC: the docs name no time zone."""
    return _stamp_of(int(at))


@lru_cache(1024)
def _stamp_of(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def expires_at(task: Task, hour_from: str, seconds: float) -> float:
    """Return when the `detect_id` of `task` expires: `seconds` after the moment that the variant value `hour_from`
    names."""
    start = task.created_at if hour_from == "creation" else task.ends_at or task.created_at
    return start + seconds
