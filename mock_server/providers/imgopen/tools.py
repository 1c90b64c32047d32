"""The tools as typed rows of tools.yaml, and the lookup of their tasks by id."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.providers.imgopen.wire import NAME

if TYPE_CHECKING:
    from swapmock.contracts import Contract

#: The kinds of tasks that queryImageToolTaskInfo finds.
TOOL_KINDS = ("detection", "tool")


class Tool(NamedTuple):
    """One row. tools.yaml explains each column."""

    operation: str
    code: str
    title: str
    kind: str
    makes: str
    family: str
    id_name: str
    caller_id: str
    shown: tuple[str, ...]
    numbers: str
    mode: str
    folder: str
    price: float
    timeline: str
    evidence: Mapping[str, str]
    source: str
    callback: bool = False
    required_in: str = ""
    tool_task: str = ""
    faces: tuple[str, ...] = ()
    pictures: int | tuple[str, ...] = 1

    def caller(self, body: Mapping[str, Any]) -> str:
        """Return the caller's own id of a task; "" if there is none, which a tool whose fields are guesses allows."""
        found: Any = body
        for step in self.caller_id.split("."):
            found = found.get(step, "") if isinstance(found, Mapping) else ""
        return str(found)

    def picture_count(self, body: Mapping[str, Any]) -> int:
        """Return the requested number of pictures."""
        if isinstance(self.pictures, int):
            return self.pictures
        count = 1
        for field in self.pictures:
            count *= max(1, int(body.get(field, 1)))
        return min(count, MOST_PICTURES)

    def mode_under(self, variants: Mapping[str, Any]) -> str:
        """Return `sync` or `async`, by the variants."""
        return str(variants.get(self.mode, self.mode))


#: The most pictures that one task makes: the largest number that a page allows.
MOST_PICTURES = 64


@lru_cache(maxsize=4)
def tools(contract: Contract) -> Mapping[str, Tool]:
    """Return every tool by its operation."""
    made = [_tool(row) for row in contract.tables["tools"]["tools"]]
    return {tool.operation: tool for tool in made}


def _tool(row: Mapping[str, Any]) -> Tool:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
    return Tool(**values)


@lru_cache(maxsize=4)
def tool_codes(contract: Contract) -> Mapping[str, Tool]:
    """Return the tools that queryImageToolTaskInfo knows, by their toolCode."""
    return {tool.code: tool for tool in tools(contract).values() if tool.kind in TOOL_KINDS}


def remember(box: Box, tool: Tool, task: Task, caller: str) -> None:
    """Store the `caller`'s id as a name of its newest task `task`: within `tool`, and within all tools."""
    for name in names(tool, caller):
        box.add_alias(name, task.id)


def names(tool: Tool, caller: str) -> tuple[str, str]:
    """Return the names by which the caller's id finds a task: within its tool, and within all tools of its scope."""
    return _alias(tool.code, caller), _alias(_reach(tool), caller)


def find(box: Box, scope: str, name: str) -> Task | None:
    """Return a task by the server's id, or by the caller's id within `scope`: a tool's code, `tool`, `sd` or
    `training`."""
    task = box.task(name)
    if task is not None and task.id == name and task.provider == NAME:
        return task
    return box.task(_alias(scope, name))


def find_own(box: Box, tool: Tool, caller: str) -> Task | None:
    """Return the newest task of a tool with this id of the caller."""
    return box.task(_alias(tool.code, caller))


def _reach(tool: Tool) -> str:
    return "tool" if tool.kind in TOOL_KINDS else tool.kind


def _alias(scope: str, caller: str) -> str:
    return f"{NAME}:{scope}:{caller}"
