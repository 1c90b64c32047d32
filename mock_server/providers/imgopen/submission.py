"""Creates a task for any tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.credits import from_credits
from swapmock.mock_server.core.seeded import text
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.imgopen.answers import submitted
from swapmock.mock_server.providers.imgopen.makers import MAKERS
from swapmock.mock_server.providers.imgopen.tools import Tool, find_own, remember, tools
from swapmock.mock_server.providers.imgopen.wire import NAME
from swapmock.mock_server.providers.submission import accept_task, scenario_for, unused_id

if TYPE_CHECKING:
    from swapmock.contracts.behaviour import Scenario, Timeline
    from swapmock.mock_server.engine.engine import Engine


def submit(call: Call, engine: Engine) -> Reply:
    """Create a task for the tool of the operation."""
    tool = tools(engine.contracts[NAME])[call.operation]
    caller = tool.caller(call.body)
    _demand_callback(call, tool)
    earlier = _earlier(call, tool, caller)
    if earlier is not None:
        call.task = earlier.id
        return submitted(call, engine, tool, earlier)
    behaviour = engine.contracts[NAME].behaviour
    scenario = scenario_for(call, engine, tool.kind, tool.code, needs_faces=bool(tool.faces))
    made = MAKERS[tool.makes](call, engine, tool)
    if made.fails is not None and scenario.fails is None and scenario.ends:
        scenario = behaviour.scenarios[made.fails]
    task = accept_task(
        call,
        engine,
        task_id=_task_id(call),
        kind=tool.kind,
        scenario=scenario,
        timeline=_timeline(call, engine, tool, scenario),
        price=engine.price(NAME, tool.code, from_credits(tool.price)) * tool.picture_count(call.body),
        model=tool.code,
        callback_url=_callback_url(call, tool, fails=scenario.fails is not None),
        facts={**made.facts, "caller": caller, "folder": tool.folder},
    )
    remember(call.box, tool, task, caller)
    return submitted(call, engine, tool, task)


def _earlier(call: Call, tool: Tool, caller: str) -> Task | None:
    """Return the existing task for a repeated id; None if a repeated id makes a new task."""
    # Only the page of training says that the id must be unique.
    rule = "refuse" if tool.kind == "training" else call.variants["repeated_id"]
    if rule == "new_task" or not caller:
        return None
    earlier = find_own(call.box, tool, caller)
    if earlier is not None and rule == "refuse":
        raise Problem("task_exists")
    return earlier


def _timeline(call: Call, engine: Engine, tool: Tool, scenario: Scenario) -> Timeline:
    """Return the timeline of a task. A synchronous tool ends at once, unless its scenario takes too long for one
    call."""
    timelines = engine.contracts[NAME].behaviour.timelines
    waits = tool.mode_under(call.variants) == "sync" and scenario.ends and scenario.stretch <= 1
    return timelines["sync" if waits else tool.timeline]


def _demand_callback(call: Call, tool: Tool) -> None:
    if tool.required_in and tool.required_in == call.variants["callback_required"] and not call.body.get("callbackUrl"):
        raise Problem("invalid", errors=["callbackUrl is required"])


def _callback_url(call: Call, tool: Tool, *, fails: bool) -> str | None:
    if fails and call.variants["callback_failures"] == "not_sent":
        return None
    url: Any = call.body.get("callbackUrl")
    wanted = tool.callback or (tool.kind != "training" and call.variants["undocumented_callback"] == "sent")
    # If no page lists the field, no schema has checked it.
    return url if wanted and isinstance(url, str) and url.lower().startswith(("http://", "https://")) else None


def _task_id(call: Call) -> str:
    """Return a prefix, the time in milliseconds, and nine more digits. The digits are derived from the request, so
    that sandboxes with the same seed and clock have the same id only for the same job."""
    box, start = call.box, f"{call.variants['id_prefix']}{round(call.now * 1000):013d}"
    return unused_id(
        box, lambda: start + text("0123456789", 9, box.sandbox.seed, NAME, box.next_number(NAME), call.raw)
    )
