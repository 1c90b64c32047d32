"""Tasks and deliveries: lists and shows them, and sends deliveries again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin.clock import words_of
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.records import attempt_row, readable
from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.credits import to_credits
from swapmock.mock_server.core.delivery import Delivery
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.core.timetext import format_timestamp
from swapmock.mock_server.engine.dispatcher import UnderWay

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The number of rows on a page if the request has no `limit`.
DEFAULT_LIMIT = 100


def status_of(task: Task, now: float, engine: Engine) -> str:
    """Return the vendor's word for the task's phase; the phase's own name if the vendor has no word."""
    phase = task.phase(now)
    return str(words_of(task, engine).get(phase, phase.value))


def task_row(task: Task, now: float, engine: Engine, mask: Mask) -> dict[str, Any]:
    """Return a task as answers show it at the sandbox time `now`."""
    phase = task.phase(now)
    row = encode(task)
    row.update(
        phase=phase.value,
        status=status_of(task, now, engine),
        reserved=to_credits(task.reserved),
        charge=to_credits(task.charge),
        credits=to_credits(task.credits_at(now)),
        request=task.cause,
        body=readable(task.request, engine),
        created_at_iso=format_timestamp(task.created_at),
    )
    return dict(mask.value(row))


def list_tasks(call: Call, engine: Engine) -> Reply:
    """Return the tasks of a sandbox."""
    params = call.params
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        mask, tasks = Mask(engine, box.sandbox), box.tasks()
    found = [
        task
        for task in tasks
        if all(getattr(task, name) == params[name] for name in ("provider", "kind") if name in params)
        and ("status" not in params or params["status"] in (status_of(task, now, engine), task.phase(now)))
    ]
    total = len(found)
    if "after" in params:
        ids = [task.id for task in found]
        found = found[ids.index(params["after"]) + 1 :] if params["after"] in ids else []
    limit = params.get("limit", DEFAULT_LIMIT)
    page = [task_row(task, now, engine, mask) for task in found[:limit]]
    return Reply({"tasks": page, "total": total, "next": page[-1]["id"] if len(found) > limit else None})


def get_task(call: Call, engine: Engine) -> Reply:
    """Return one task."""
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        task = box.task(call.params["task"])
        if task is None:
            raise not_found("task", call.params["task"])
        return Reply(task_row(task, now, engine, Mask(engine, box.sandbox)))


def delivery_row(delivery: Delivery, engine: Engine, mask: Mask) -> dict[str, Any]:
    """Return a delivery as answers show it, with a readable body and readable answers."""
    row: dict[str, Any] = encode(replace(delivery, attempts=()))
    row["body"] = readable(delivery.body, engine)
    row["attempts"] = [
        {
            **attempt_row(attempt, engine),
            "due_iso": format_timestamp(attempt.due),
            "sent_iso": format_timestamp(attempt.sent),
        }
        for attempt in delivery.attempts
    ]
    return dict(mask.value(row))


def list_deliveries(call: Call, engine: Engine) -> Reply:
    """Return the deliveries of a sandbox."""
    params = call.params
    with call.box as box:
        engine.catch_up(box, engine.now(box))
        found = [
            delivery
            for delivery in box.deliveries()
            if params.get("status", delivery.state) == delivery.state
            and params.get("task", delivery.task) == delivery.task
        ]
    mask = Mask(engine, box.sandbox)
    rows = [delivery_row(delivery, engine, mask) for delivery in found[: params.get("limit", DEFAULT_LIMIT)]]
    return Reply({"deliveries": rows, "total": len(found)})


def _delivery(call: Call) -> Delivery:
    delivery = call.box.delivery(call.params["delivery"])
    if delivery is None:
        raise not_found("delivery", call.params["delivery"])
    return delivery


def get_delivery(call: Call, engine: Engine) -> Reply:
    """Return one delivery with its attempts."""
    with call.box:
        return Reply(delivery_row(_delivery(call), engine, Mask(engine, call.box.sandbox)))


#: After this many attempts `redeliver` refuses a delivery, because a delivery keeps all its attempts.
MAX_ATTEMPTS = 1000


def redeliver(call: Call, engine: Engine) -> Reply:
    """Send a delivery again now, in any state."""
    with call.box:
        delivery = _delivery(call)
        delivery_id = delivery.id
    if len(delivery.attempts) >= MAX_ATTEMPTS:
        raise Problem("conflict", message=f"delivery {delivery_id} has {MAX_ATTEMPTS} attempts; that is the limit")
    try:
        engine.redeliver(call.box, delivery_id)
    except UnderWay:
        raise Problem("conflict", message=f"delivery {delivery_id} is being sent now") from None
    except KeyError:
        raise not_found("delivery", delivery_id) from None
    return get_delivery(call, engine)
