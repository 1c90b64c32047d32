"""Serves the tools over MCP, with the official package `mcp`, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

from mcp.types import ToolAnnotations

from swapmock import Control, __version__
from swapmock.client_checks.agents.catalogue import providers
from swapmock.client_checks.agents.tools import NAMES, READ_ONLY, ToolFailed, Tools

INSTRUCTIONS = """\
swapmock emulates {apis} on this machine: no account, no credits, no network.
1. describe says which base URL a client uses in place of the vendor's host.
2. create_sandbox gives an account of its own, with a frozen clock: advance moves it, so never sleep.
3. Run the client with the sandbox's environment, or call_api yourself. provoke makes calls or tasks fail.
4. why explains what happened; inspect shows requests and credits; verdict judges the client.
Credits are not real. A failed task gives its credits back."""


def make_server(control: Control) -> Any:
    """Return the MCP server for an emulator. `.run("stdio")` serves it."""
    server_class, tool_error = _mcp()
    apis = " and ".join(control.contract(name)["info"]["title"] for name in providers(control))
    server = server_class(name="swapmock", instructions=INSTRUCTIONS.format(apis=apis), log_level="WARNING")
    low = getattr(server, "_mcp_server", None)
    if low is not None:
        low.version = __version__  # mcp 1 has no other way; without this line clients see the version of `mcp`
    tools = Tools(control)
    for name in NAMES:
        hints = ToolAnnotations.model_validate(
            {"readOnlyHint": name in READ_ONLY, "destructiveHint": name == "change_sandbox", "openWorldHint": False}
        )
        server.tool(name=name, annotations=hints)(_with_tool_errors(getattr(tools, name), tool_error))
    return server


def _mcp() -> tuple[Callable[..., Any], type[Exception]]:
    """Return the server class of the installed `mcp`, and the exception with which a tool reports an error."""
    try:
        module = import_module("mcp.server.mcpserver")
        return module.MCPServer, import_module("mcp.server.mcpserver.exceptions").ToolError
    except ModuleNotFoundError:
        module = import_module("mcp.server.fastmcp")
        return module.FastMCP, import_module("mcp.server.fastmcp.exceptions").ToolError


def _with_tool_errors(tool: Callable[..., Any], tool_error: type[Exception]) -> Callable[..., Any]:
    """Return `tool` with its ToolFailed converted to the error that the agent reads."""

    @wraps(tool)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except ToolFailed as failed:
            raise tool_error(str(failed)) from None

    return run
