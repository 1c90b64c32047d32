"""How answers show a task: after its submission, in a query, and in a callback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.provider import forged
from swapmock.mock_server.core.task import Phase, Task
from swapmock.mock_server.providers.imgopen.tools import Tool, tools
from swapmock.mock_server.providers.imgopen.wire import NAME, OK, envelope
from swapmock.mock_server.providers.submission import has_media

if TYPE_CHECKING:
    from swapmock.contracts import Behaviour
    from swapmock.mock_server.engine.engine import Engine


def submitted(call: Call, engine: Engine, tool: Tool, task: Task) -> Reply:
    """Return the answer to a submission with `tool`: the result of a synchronous task, an error if that task has
    failed, else the first answer of an asynchronous tool."""
    if tool.family == "S":
        own = tool.kind == "sd" and call.variants["sd_task_id"] == "caller"
        return Reply({tool.id_name: (own and task.facts["caller"]) or task.id})
    is_sync = tool.mode_under(call.variants) == "sync"
    if is_sync and task.phase(call.now) is Phase.FAILED:
        raise failed(engine.contracts[NAME].behaviour, task)
    if not is_sync and call.variants["receipt"] == "task_id":
        return Reply({"task_id": task.id})
    when = call.now if is_sync else min(call.now, task.created_at)
    return Reply(tool_data(call, engine, tool, task, when))


def failed(behaviour: Behaviour, task: Task) -> Problem:
    """Return the error for a failed task."""
    if task.failure is None:
        raise LookupError(f"task {task.id} has not failed")
    row = behaviour.refusal_for(task.failure.code) or behaviour.refusals["generation_failed"]
    return Problem(row.problem, code=task.failure.code, message=task.failure.message or row.message)


def query_answer(call: Call, engine: Engine, tool: Tool, task: Task) -> Reply:
    """Return the answer to a query on the page of `tool`. A callback has the same body."""
    if tool.kind == "sd":
        return coded(call, task, sd_data(call, engine, task, version=2))
    return coded(call, task, tool_data(call, engine, tool, task, call.now))


def coded(call: Call, task: Task, data: dict[str, Any]) -> Reply:
    """Return `data` with the code that a failed task has under the variant in force."""
    own = call.variants["failed_task_code"] == "failure"
    if own and task.failure is not None and task.phase(call.now) is Phase.FAILED:
        return Reply(data, code=task.failure.code, message=task.failure.message or "task failed")
    return Reply(data, code=OK)


def callback_body(call: Call, engine: Engine, task: Task) -> dict[str, Any]:
    """Return the body of a callback for a task at the time `call.now`: the envelope, or only its `data`."""
    tool = tools(engine.contracts[NAME])[task.operation]
    reply = query_answer(call, engine, tool, task)
    return dict(reply.data) if call.variants["callback_body"] == "bare" else envelope(reply)


def forge(task: Task, digits: str) -> Task:
    """Return a task that does not exist: its own id and the caller's id are both unknown."""
    return replace(forged(task, digits), facts={**task.facts, "caller": digits})


def tool_data(call: Call, engine: Engine, tool: Tool, task: Task, now: float) -> dict[str, Any]:
    """Return `data` at the sandbox time `now`, in the order of the tool's documented example; with the result if the
    task has succeeded."""
    phase = task.phase(now)
    known: dict[str, Any] = {
        "taskId": task.id,
        "task_id": task.id,
        "businessTaskId": task.facts["caller"],
        "toolTask": tool.tool_task,
        "status": _number(engine, tool, phase, call.variants),
    }
    data: dict[str, Any] = {}
    for name in tool.shown:
        if name in known:
            data[name] = known[name]
        elif phase is Phase.SUCCEEDED and ("text" in task.facts or has_media(engine, task)):
            data[name] = _result(call, engine, task, name)
        elif name == "faceUrls" or (phase is Phase.SUCCEEDED and name.endswith("Urls")):
            data[name] = []  # the vendor's page marks `faceUrls` as required
    if phase is Phase.FAILED and task.failure is not None and task.failure.message:
        data["errorMessage"] = task.failure.message
    return data


def _number(engine: Engine, tool: Tool, phase: Phase, variants: Mapping[str, Any]) -> int | str:
    chosen = variants["status_numbers"]
    numbers = engine.contracts[NAME].behaviour.status_words[tool.numbers if chosen == "by_tool" else chosen]
    as_text = tool.makes == "faces" and variants["detection_status_type"] == "string"
    return str(numbers[phase]) if as_text else int(numbers[phase])


def _result(call: Call, engine: Engine, task: Task, name: str) -> Any:
    if "text" in task.facts:
        return task.facts["text"]
    links = file_links(call, engine, task)
    return links if name.endswith("Urls") else links[0]


def file_links(call: Call, engine: Engine, task: Task) -> list[str]:
    """Return the URLs of a task's files, numbered from 0: crops for a detection, pictures for other tasks. From now
    on they can be fetched without a credential."""
    facts, owner = task.facts, call.box.sandbox.id
    if engine.store.owner(task.id) != owner:
        engine.store.publish(task.id, owner)
    count = facts["faces"] if task.kind == "detection" else 1 + len(facts["more"])
    start = f"{call.base_url}/Output-Img2/{facts['folder']}/{task.id}"
    return [f"{start}-{number}{facts['extension']}" for number in range(count)]


def sd_data(call: Call, engine: Engine, task: Task, *, version: int) -> dict[str, Any]:
    """Return `data` of queryTaskInfo for `task`. `version` is 1 for V1.0 and 2 for V2.0."""
    behaviour, variants, phase = engine.contracts[NAME].behaviour, call.variants, task.phase(call.now)
    language = "zh" if variants["desc_language"] == "zh" else f"en_v{version}"
    data: dict[str, Any] = {
        "task_id" if version == 1 else "id_task": task.facts["caller"],
        "status": int(behaviour.status_words["two"][phase]),
        "desc": behaviour.rest["descriptions"][language][phase],
    }
    if phase is Phase.FAILED and task.failure is not None and task.failure.message:
        text = task.failure.message
        words = behaviour.rest["descriptions"]["failures_zh"] if language == "zh" else {}
        data["desc"] = words.get(text, text)
    if version == 2:
        wanted = variants["temporary_image"] == "progress" and phase is Phase.RUNNING
        data["temporaryImageDto"] = _progress(task, call.now) if wanted else None
    pictures = file_links(call, engine, task) if phase is Phase.SUCCEEDED and has_media(engine, task) else []
    data["differentialImageRspList"] = [_image(url, task.facts["seed"] + n) for n, url in enumerate(pictures)]
    return data


def _progress(task: Task, now: float) -> dict[str, Any]:
    span = 0.0 if task.ends_at is None else task.ends_at - task.starts_at
    return {"percentage": int(100 * (now - task.starts_at) / span) if span else 0, "imageUrl": None}


def _image(url: str, seed: int) -> dict[str, Any]:
    """Return a picture that passed moderation."""
    return {
        "img_audit": [{"confidence": None, "label": "nonLabel"}],
        "img_audit_status": True,
        "image_status": 1,
        "image_url": url,
        "seed": seed,
    }
