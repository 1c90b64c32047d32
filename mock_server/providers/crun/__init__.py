"""crun.ai: face detection, face swap and other generation tasks, paid in credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapmock.mock_server.core.provider import Provider
from swapmock.mock_server.providers.crun import account, catalogue, detection, restored, shapes, tasks, wire

if TYPE_CHECKING:
    from swapmock.contracts import Contract

HANDLERS = {
    "detect_face_image": detection.detect_face_image,
    "detect_face_video": detection.detect_face_video,
    "get_detect_face_result": detection.get_detect_face_result,
    "create_task": tasks.create_task,
    "get_task_info": tasks.get_task_info,
    "estimate_credits": tasks.estimate_credits,
    "estimate_task": tasks.estimate_task,
    "get_account_balance": account.get_account_balance,
    "get_upload_url": account.get_upload_url,
    "put_upload": account.put_upload,
    "list_models": catalogue.list_models,
    "get_model": catalogue.get_model,
    "list_kling_templates": catalogue.list_templates,
    "list_vidu_templates": catalogue.list_templates,
    "list_bytedance_templates": catalogue.list_templates,
}


def provider(contract: Contract) -> Provider:
    """Return crun.ai as a provider with this `contract`."""
    wire_format = wire.Wire(contract.behaviour)
    return Provider(
        name=wire.NAME,
        handlers=HANDLERS,
        authenticate=wire.authenticate,
        authorize=wire.authorize,
        render=wire_format.render,
        render_problem=wire_format.render_problem,
        explain_violations=wire_format.explain_violations,
        callback_body=tasks.callback_body,
        check_task=restored.check_task,
        aliases=restored.aliases,
        shape=shapes.shape,
        preview=catalogue.preview,
    )
