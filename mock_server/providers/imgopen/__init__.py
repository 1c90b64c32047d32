"""Img Open: face detection, face swaps and other picture tools, image generation and training, by access key and secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapmock.mock_server.core.provider import Provider
from swapmock.mock_server.providers.imgopen import catalogue, queries, restored, shapes, submission, wire
from swapmock.mock_server.providers.imgopen.answers import callback_body, forge
from swapmock.mock_server.providers.imgopen.tools import tools

if TYPE_CHECKING:
    from swapmock.contracts import Contract

__all__ = ["callback_body", "provider"]

#: The operations that make no task.
HANDLERS = {
    "query_model_list": catalogue.query_model_list,
    "query_task_info_v1": queries.query_task_info_v1,
    "query_task_info_v2": queries.query_task_info_v2,
    "query_image_tool_task_info": queries.query_image_tool_task_info,
}


def provider(contract: Contract) -> Provider:
    """Return Img Open as a provider with this `contract`."""
    wire_format = wire.Wire(contract.behaviour)
    handlers = {**HANDLERS, **dict.fromkeys(tools(contract), submission.submit)}
    return Provider(
        name=wire.NAME,
        handlers={operation: wire.by_header(handler) for operation, handler in handlers.items()},
        authenticate=wire.authenticate,
        authorize=wire.authorize,
        render=wire_format.render,
        render_problem=wire_format.render_problem,
        explain_violations=wire_format.explain_violations,
        callback_body=callback_body,
        forge=forge,
        check_task=restored.check_task,
        aliases=restored.aliases,
        shape=shapes.shape,
        reads_query=True,
    )
