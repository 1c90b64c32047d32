"""CreateTask, TaskInfo and the two price estimates."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.call import Cacheable, Call, Problem, Reply
from swapmock.mock_server.core.credits import Millicredits, rounded_up, to_credits
from swapmock.mock_server.core.faces import FaceRef, extension
from swapmock.mock_server.core.seeded import hexadecimal, text, uuid4
from swapmock.mock_server.core.task import FAILED, SUCCEEDED, Phase, Task
from swapmock.mock_server.providers.crun.catalogue import check_template, model_row, price
from swapmock.mock_server.providers.crun.music import further_tracks, makes_music, music
from swapmock.mock_server.providers.crun.swap import SWAPS, Swap
from swapmock.mock_server.providers.submission import accept_task, has_media, scenario_for, unused_id

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

KIND = "task"

#: The kind of media that a model makes -> the extension of its result. Swapped pictures and videos keep that of their
#: source.
DEFAULT_EXTENSION = {"image": ".png", "video": ".mp4", "audio": ".wav"}
KEPT_EXTENSIONS = {"image": (".png", ".jpg", ".jpeg", ".webp"), "video": (".mp4", ".gif"), "audio": ()}

#: For bodies with more bytes than this, the result is derived from their digest.
LONG_BODY = 1 << 20

#: The most pictures of one task (spec: seedream-4-5), also for a model without a schema.
MOST_OUTPUTS = 15


def create_task(call: Call, engine: Engine) -> Reply:
    """Create a task for a model."""
    body = call.body
    model = body["model"]
    row = model_row(engine, model)
    scenario = scenario_for(call, engine, KIND, model)
    swap = _swap(call, engine, model)
    behaviour = engine.contracts["crun"].behaviour
    if swap.fails is not None and scenario.fails is None and scenario.ends:
        scenario = behaviour.scenarios[swap.fails]
    if "prices" in row:
        check_template(call, engine, model, body["input"])
    cost, _ = price(engine, model, body["input"])
    task = accept_task(
        call,
        engine,
        task_id=_task_id(call),
        kind=KIND,
        scenario=scenario,
        timeline=behaviour.timelines[row["modality"]],
        price=cost,
        model=model,
        callback_url=body.get("callback_url") or None,
        facts={
            "faces": [list(face) for face in swap.faces],
            "extension": _result_extension(row["modality"], body["input"]),
            "more": further_tracks(row, swap.faces) or _further_files(row["modality"], body["input"], swap.faces),
        },
    )
    return Reply({"task_id": task.id})


def _swap(call: Call, engine: Engine, model: str) -> Swap:
    if model in SWAPS:
        read, field = SWAPS[model]
        return read(call, engine, model, field)
    raw = call.raw if len(call.raw) <= LONG_BODY else sha256(call.raw).digest()
    return Swap((FaceRef(hexadecimal(40, raw), 0),))


def _task_id(call: Call) -> str:
    """Return an unused id, derived from the seed and the number of the task."""
    box, seed = call.box, call.box.sandbox.seed
    if call.variants["task_id_form"] == "short":
        return unused_id(box, lambda: "task_" + text("0123456789", 8, seed, KIND, box.next_number(KIND)))
    return unused_id(box, lambda: uuid4(seed, KIND, box.next_number(KIND)))


def _echo(engine: Engine, task: Task) -> dict[str, Any]:
    """Return the body as TaskInfo's `param` shows it: `callback_url` is null without one."""
    body = engine.contracts["crun"].operations[task.operation].normalize(engine.json.loads(task.request))
    return {**body, "callback_url": body.get("callback_url") or None}


def _result_extension(modality: str, given: Mapping[str, Any]) -> str:
    kept, asked = KEPT_EXTENSIONS[modality], given.get("output_format")
    if isinstance(asked, str) and f".{asked}" in kept:
        return f".{asked}"
    for name in ("image_url", "video_url"):
        source = given.get(name)
        if isinstance(source, str):
            wanted = extension(source)
            return wanted if wanted in kept else DEFAULT_EXTENSION[modality]
    return DEFAULT_EXTENSION[modality]


def _further_files(modality: str, given: Mapping[str, Any], faces: tuple[FaceRef, ...]) -> list[list[Any]]:
    """Return extension and faces of each file after the first: further pictures, or the last frame of a video."""
    wanted = given.get("num_outputs", 1)
    if modality == "image" and isinstance(wanted, int) and faces:
        return [[".png", [[faces[0].source, index]]] for index in range(1, min(wanted, MOST_OUTPUTS))]
    if modality == "video" and given.get("return_last_frame") is True:
        return [[".png", [list(face) for face in faces]]]
    return []


def get_task_info(call: Call, engine: Engine) -> Reply:
    """Return the state of a task, and its result once it has succeeded."""
    name = call.params["task_id"]
    if call.variants["task_id_length"] == 36 and len(name) != 36:
        bound = "least" if len(name) < 36 else "most"
        raise Problem("invalid", errors=[f"task_id: String should have at {bound} 36 characters"])
    task = engine.polled(call, name, KIND)
    if task is None or task.id != name:
        raise Problem("task_not_found")
    engine.long_tasks.note(task.id, task.request)
    data, token = _task_data(call, engine, task)
    return Reply(data, cacheable=Cacheable(task, task.unchanged_until(call.now), token))


def task_info(call: Call, engine: Engine, task: Task) -> dict[str, Any]:
    """Return TaskInfo's `data` for `task` at the time of `call`."""
    return _task_data(call, engine, task)[0]


def _task_data(call: Call, engine: Engine, task: Task) -> tuple[dict[str, Any], str]:
    """Return TaskInfo's `data`, and the token of the links in it ("" without links)."""
    now = call.now
    row = model_row(engine, task.model)
    phase = task.phase(now)
    over = task.ends_at if task.is_over(now) else None
    token = engine.publish(call.box, task) if phase is SUCCEEDED and has_media(engine, task) else ""
    data: dict[str, Any] = {
        "task_id": task.id,
        "provider": row["provider"],
        "model_version": row["version"],
        "status": engine.contracts["crun"].behaviour.status_words[KIND][phase],
        "param": _echo(engine, task),
        "create_at": int(task.created_at),
        "result": _result(call, engine, task, phase, token),
        "credits": _task_amount(task.credits_at(now), call.variants),
        "duration_s": None if over is None else int(over) - int(task.created_at),
        "complete_at": None if over is None else int(over),
        "source": "api",
    }
    if phase is FAILED and task.failure is not None and task.failure.reason:
        data["reason"] = task.failure.reason
    return data, token


def callback_body(call: Call, engine: Engine, task: Task) -> dict[str, Any]:
    """Return the body of a callback: TaskInfo's `data` at the time `call.now`, alone or in the envelope."""
    data = task_info(call, engine, task)
    return {"code": 200, "message": "success", "data": data} if call.variants["callback_body"] == "wrapped" else data


def _result(call: Call, engine: Engine, task: Task, phase: Phase, token: str) -> dict[str, Any] | None:
    if phase is SUCCEEDED:
        extensions = (task.facts["extension"], *(extension for extension, _ in task.facts["more"]))
        links = [f"{call.base_url}/media/{token}/{n}{extension}" for n, extension in enumerate(extensions) if token]
        if makes_music(model_row(engine, task.model)):
            return {"code": 200, "message": "success", **music(engine, task, links)}
        return {"code": 200, "message": "success", "media_urls": links}
    if phase is FAILED and task.failure is not None and task.failure.result:
        return {"code": task.failure.code, "message": task.failure.message}
    return None


def estimate_credits(call: Call, engine: Engine) -> Reply:
    """Return the price of a task (EstimateCredits)."""
    cost, is_estimated = _estimate(call, engine, "estimate-credits")
    return Reply({"credits": _amount(cost, call.variants), "estimated": is_estimated})


def estimate_task(call: Call, engine: Engine) -> Reply:
    """Return the price of a task, and whether the balance covers it."""
    cost, _ = _estimate(call, engine, "EstimateTask")
    available = engine.available(call.box)
    return Reply(
        {
            "estimated_credits": _amount(cost, call.variants),
            "balance": _amount(available, call.variants),
            "affordable": available >= cost,
        }
    )


def _estimate(call: Call, engine: Engine, endpoint: str) -> tuple[Millicredits, bool]:
    """Return the price of the task, and whether it is an estimate. Nothing is created, so a `detect_id` is not
    looked up."""
    if call.variants["estimate_endpoints"] not in ("both", endpoint):
        raise Problem("endpoint_not_found")
    scenario_for(call, engine)
    model, given = call.body["model"], call.body["input"]
    check_template(call, engine, model, given)
    return price(engine, model, given)


def _task_amount(millicredits: Millicredits, variants: Mapping[str, Any]) -> int | float:
    """Return `credits` of TaskInfo and callbacks: always with a decimal point, as the live service was seen to write
    it (12.0)."""
    amount = _amount(millicredits, variants)
    return float(amount) if variants["credits_number"] == "fraction" else amount


def _amount(millicredits: Millicredits, variants: Mapping[str, Any]) -> int | float:
    whole = variants["credits_number"] == "integer"
    return to_credits(rounded_up(millicredits) if whole else millicredits)
