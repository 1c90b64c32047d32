"""The three queries of a task. Each accepts the server's id and the caller's id."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.imgopen.answers import coded, query_answer, sd_data
from swapmock.mock_server.providers.imgopen.tools import TOOL_KINDS, find, tool_codes
from swapmock.mock_server.providers.imgopen.wire import NAME

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

CHINA = timezone(timedelta(hours=8))


def query_image_tool_task_info(call: Call, engine: Engine) -> Reply:
    """Return the task of an image tool."""
    tool = tool_codes(engine.contracts[NAME]).get(call.params["toolCode"])
    if tool is None:
        raise Problem("tool_not_found")
    name = call.body["businessTaskId"]
    task = find(call.box, tool.code, name)
    if task is None and call.variants["tool_mismatch"] == "answer":
        task = find(call.box, "tool", name)
    if task is not None and task.model != tool.code:
        answers = call.variants["tool_mismatch"] == "answer" and task.kind in TOOL_KINDS
        task, tool = (task, tool_codes(engine.contracts[NAME])[task.model]) if answers else (None, tool)
    if task is None:
        return _unknown(call)
    _polled(call, engine, task)
    return query_answer(call, engine, tool, task)


def query_task_info_v1(call: Call, engine: Engine) -> Reply:
    """Return an sd task by queryTaskInfo V1.0."""
    return _sd(call, engine, version=1)


def query_task_info_v2(call: Call, engine: Engine) -> Reply:
    """Return an sd task by queryTaskInfo V2.0."""
    return _sd(call, engine, version=2)


def _sd(call: Call, engine: Engine, *, version: int) -> Reply:
    task = find(call.box, "sd", call.body["businessTaskId"])
    if task is None or task.kind != "sd" or not _is_reached(task, call.now, call.variants, version):
        return _unknown(call)
    _polled(call, engine, task)
    return coded(call, task, sd_data(call, engine, task, version=version))


def _is_reached(task: Task, now: float, variants: Mapping[str, Any], version: int) -> bool:
    """Return whether this version of the query finds the task: V2.0 finds the tasks of this month; V1.0 finds those
    of earlier months, or all."""
    zone = CHINA if variants["month_zone"] == "china" else UTC
    is_recent = _month(task.created_at, zone) == _month(now, zone)
    return is_recent if version == 2 else not is_recent or variants["v1_reach"] == "all"


def _month(at: float, zone: timezone) -> tuple[int, int]:
    moment = datetime.fromtimestamp(at, zone)
    return moment.year, moment.month


def _polled(call: Call, engine: Engine, task: Task) -> None:
    engine.polled(call, task.id, task.kind)


def _unknown(call: Call) -> Reply:
    if call.variants["unknown_task"] == "null":
        return Reply(None)
    raise Problem("task_not_found")
