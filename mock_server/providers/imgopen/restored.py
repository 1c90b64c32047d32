"""Checks whether this provider could have made a task in a snapshot; returns the aliases of its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.facts import Faces, Files, check_facts
from swapmock.mock_server.providers.imgopen.makers import EXTENSION
from swapmock.mock_server.providers.imgopen.tools import Tool, names, tools
from swapmock.mock_server.providers.imgopen.wire import NAME

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

_PICTURES = {"faces": Faces, "extension": str, "more": Files}

#: Column `makes` of tools.yaml -> the facts of such a task.
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "faces": {"url": str, "faces": int, "extension": str},
    "swap": _PICTURES,
    "pictures": _PICTURES,
    "caption": {"text": str},
    "style": {"text": str},
    "prompts": {"text": list[str]},
    "nothing": {},
}


def check_task(task: Task, engine: Engine) -> Iterator[tuple[str, str]]:
    """Yield what is wrong in kind, model and facts of `task`: values that no task of this provider has."""
    tool = tools(engine.contracts[NAME]).get(task.operation)
    if tool is None:
        yield "operation", "makes no task"
        return
    for field, right in (("kind", tool.kind), ("model", tool.code)):
        if getattr(task, field) != right:
            yield field, f"should be {right!r}"
    wrong = [*check_facts(task, _shapes(tool))]
    yield from wrong
    if wrong:
        return
    facts = task.facts
    if any(
        extension != EXTENSION
        for extension in (facts.get("extension", EXTENSION), *(e for e, _ in facts.get("more", ())))
    ):
        yield "facts", f"every extension should be {EXTENSION}"
    if facts["folder"] != tool.folder:
        yield "facts", f"`folder` should be {tool.folder!r}"


def _shapes(tool: Tool) -> Mapping[str, Any]:
    seed = {"seed": int} if tool.kind == "sd" else {}
    return {**SHAPES[tool.makes], **seed, "caller": str, "folder": str}


def aliases(task: Task, engine: Engine) -> Mapping[str, bool]:
    """Return the aliases of a task: the caller's own id leads to the newest task of a tool, and of any tool with the
    same query."""
    tool = tools(engine.contracts[NAME])[task.operation]
    return dict.fromkeys(names(tool, task.facts["caller"]), True)
