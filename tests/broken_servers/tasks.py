"""Defects of tasks: states, results, ids, times, charges."""

from __future__ import annotations

from typing import Any

from tests.broken_servers import Ask, Reply, defect


def state(ask: Ask, reply: Reply) -> str:
    """The state in an answer of TaskInfo; "" in any other."""
    return str(reply.json["data"]["status"]) if ask.operation == "get_task_info" and reply.is_success else ""


@defect("every third poll of a running task says that it waits", "task.order")
def backwards(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "running":
        return reply
    memory[ask.query] = memory.get(ask.query, 0) + 1
    return reply.with_data(status="pending") if memory[ask.query] % 3 == 0 else reply


@defect("an ended task runs again", "task.order task.times")
def revived(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "success":
        return reply
    memory[ask.query] = memory.get(ask.query, 0) + 1
    if memory[ask.query] < 2:
        return reply
    return reply.with_data(status="running", result=None, complete_at=None)


@defect("a running task is said to be working", "task.state answer.schema flow.step")
def word_unknown(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(status="working") if state(ask, reply) == "running" else reply


@defect("a running task shows its result", "task.result answer.schema")
def early_result(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "running":
        return reply
    return reply.with_data(result={"code": 200, "message": "success", "media_urls": ["https://example.com/0.png"]})


@defect("a task succeeds without a result", "task.result answer.schema flow.step callback.poll media.asked")
def result_missing(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(result=None) if state(ask, reply) == "success" else reply


@defect("a failed task shows media", "task.result callback.poll flow.outcome")
def failed_with_media(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "failed":
        return reply
    return reply.with_data(result={"code": 501, "message": "no", "media_urls": ["https://example.com/0.png"]})


@defect("a poll answers for another task", "task.ids callback.poll")
def other_task(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(task_id="00000000-0000-4000-8000-00000000000f") if state(ask, reply) else reply


@defect("a detect_id has dashes", "task.ids answer.schema flow.step link.lifetime")
def id_form(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_detect_face_result" or not reply.is_success or not reply.json["data"]["result"]:
        return reply
    result = reply.json["data"]["result"]
    return reply.with_data(result={**result, "id": result["id"][:5] + "-----" + result["id"][5:]})


@defect("a task ends before it began", "task.times callback.poll task.clock")
def time_reversed(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "success":
        return reply
    return reply.with_data(complete_at=reply.json["data"]["create_at"] - 5)


@defect("detections never end", "flow.stuck")
def stuck(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_detect_face_result" or not reply.is_success:
        return reply
    return reply.with_data(status="processing", result=None, error=None)


@defect("every detection fails", "flow.outcome")
def always_fails(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_detect_face_result" or not reply.is_success or not reply.json["data"]["result"]:
        return reply
    return reply.with_data(status="failed", result=None, error="No face detected")


@defect("a task says that it cost more than was taken", "credits.settled credits.estimate callback.poll")
def charge_untrue(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "success":
        return reply
    return reply.with_data(credits=reply.json["data"]["credits"] + 5)


@defect("a detect_id is good for ever", "refusal.missing")
def never_stale(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "create_task" or b"expired" not in reply.body:
        return reply
    task = {"task_id": "00000000-0000-4000-8000-00000000000f"}
    return reply.with_json({"code": 200, "message": "success", "data": task}, 200)


@defect("a call that is refused is charged all the same", "credits.settled")
def refusal_charged(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    document = reply.json
    if ask.operation == "create_task" and isinstance(document, dict) and not reply.is_success:
        memory["taken"] = memory.get("taken", 0) + 3
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return reply.with_data(balance=document["data"]["balance"] - memory.get("taken", 0))


@defect("times are in milliseconds", "task.times callback.poll task.clock")
def time_in_milliseconds(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not state(ask, reply):
        return reply
    times = {name: reply.json["data"].get(name) for name in ("create_at", "complete_at")}
    return reply.with_data(**{name: int(value * 1000) for name, value in times.items() if value is not None})


@defect("a failed task says that all went well", "task.result callback.poll flow.outcome")
def failure_with_code_200(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "failed":
        return reply
    return reply.with_data(result={"code": 200, "message": "success"})


@defect("a failed task is given back twice", "credits.settled credits.free")
def refunded_twice(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) == "failed" and ask.query not in memory:
        memory[ask.query] = True
        memory["given"] = memory.get("given", 0) + 3
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return reply.with_data(balance=reply.json["data"]["balance"] + memory.get("given", 0))


@defect("a callback tells the end before a poll does", "callback.state")
def callback_early(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "success" or not reply.json["data"]["param"]["callback_url"]:
        return reply
    memory[ask.query] = memory.get(ask.query, 0) + 1
    if memory[ask.query] > 3:
        return reply
    return reply.with_data(status="running", result=None, complete_at=None, duration_s=None)
