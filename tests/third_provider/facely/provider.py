"""Handlers and signature of Facely."""

import hashlib
import hmac
from typing import Any

from swapmock.provider import (
    Cacheable,
    Call,
    CallbackToSign,
    Contract,
    Engine,
    Phase,
    Problem,
    Provider,
    Reply,
    Task,
    face_at,
    faces_in,
    file_url,
    hexadecimal,
    page_of_tasks,
    rest_provider,
    submit_task,
    to_credits,
)

KIND, MODEL = "swap", "swap-1"


def create_swap(call: Call, engine: Engine) -> Reply:
    contract, box = engine.contracts[call.provider], call.box
    faces_in(call.body["target_url"], contract.behaviour)
    task = submit_task(
        call,
        engine,
        task_id="swp_" + hexadecimal(16, box.sandbox.seed, "facely", box.next_number("facely")),
        kind=KIND,
        timeline="swap",
        model=MODEL,
        credits=contract.models[MODEL]["price"],
        callback_url=call.body.get("webhook_url"),
        facts={"faces": [list(face_at(box, engine, call.body["source_url"]))], "extension": ".png", "more": []},
    )
    return Reply(shown(call, engine, task), status=202)


def get_swap(call: Call, engine: Engine) -> Reply:
    task = engine.polled(call, call.params["id"], KIND)
    if task is None:
        raise Problem("swap_not_found")
    token = engine.publish(call.box, task) if task.phase(call.now) is Phase.SUCCEEDED else ""
    return Reply(shown(call, engine, task), cacheable=Cacheable(task, task.unchanged_until(call.now), token))


def cancel_swap(call: Call, engine: Engine) -> Reply:
    task = engine.polled(call, call.params["id"], KIND)
    if task is None:
        raise Problem("swap_not_found")
    if task.is_over(call.now):
        raise Problem("swap_ended")
    return Reply(shown(call, engine, engine.cancel(call, task, "swap_cancelled")))


def list_swaps(call: Call, engine: Engine) -> Reply:
    try:
        tasks, cursor = page_of_tasks(call, call.params.get("limit", 20), call.params.get("cursor", ""))
    except LookupError:
        raise Problem("cursor_unknown") from None
    return Reply({"swaps": [shown(call, engine, task) for task in tasks], "next": cursor})


def get_account(call: Call, engine: Engine) -> Reply:
    return Reply({"credits": to_credits(engine.available(call.box))})


def shown(call: Call, engine: Engine, task: Task) -> dict[str, Any]:
    phase = task.phase(call.now)
    data = {"id": task.id, "status": engine.contracts[call.provider].behaviour.status_words[KIND][phase]}
    if phase is Phase.SUCCEEDED:
        data["output_url"] = file_url(call, engine, task)
    elif phase is Phase.FAILED and task.failure is not None:
        data["error"] = task.failure.message
    return data


def sign(callback: CallbackToSign) -> dict[str, str]:
    """As standardwebhooks.com describes it: id, timestamp and body under HMAC-SHA256."""
    stamp = str(int(callback.at))
    signed = f"{callback.delivery}.{stamp}.".encode() + callback.body
    digest = hmac.new(callback.secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"webhook-id": callback.delivery, "webhook-timestamp": stamp, "webhook-signature": f"v1,{digest}"}


def provider(contract: Contract) -> Provider:
    handlers = {
        "create_swap": create_swap,
        "list_swaps": list_swaps,
        "get_swap": get_swap,
        "cancel_swap": cancel_swap,
        "get_account": get_account,
    }
    return rest_provider(
        contract,
        handlers,
        callback_body=shown,
        sign_callback=sign,
    )
