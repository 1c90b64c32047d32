"""Defects that only several exchanges together show: what changed, what was shared, what was not kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.broken_servers import Ask, Reply, defect
from tests.broken_servers.tasks import state


def detected(ask: Ask, reply: Reply) -> Any:
    """The result of a finished detection; None in any other answer."""
    if ask.operation != "get_detect_face_result" or not reply.is_success:
        return None
    return reply.json["data"]["result"]


@defect("a task is created anew with each poll", "task.stable callback.poll task.clock task.frozen")
def creation_moves(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not state(ask, reply):
        return reply
    memory[ask.query] = memory.get(ask.query, 0) + 1
    return reply.with_data(create_at=reply.json["data"]["create_at"] + memory[ask.query] % 3)


@defect("an ended task runs longer with each poll", "task.frozen callback.poll task.clock")
def duration_grows(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "success":
        return reply
    memory[ask.query] = memory.get(ask.query, 0) + 1
    return reply.with_data(duration_s=reply.json["data"]["duration_s"] + memory[ask.query])


@defect("a task tells another model than was asked for", "task.echo callback.poll")
def model_untrue(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not state(ask, reply):
        return reply
    return reply.with_data(param={**reply.json["data"]["param"], "model": "video-enhance"})


@defect("a task tells other media than were asked for", "task.echo")
def input_untrue(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not state(ask, reply):
        return reply
    param = reply.json["data"]["param"]
    return reply.with_data(param={**param, "input": {**param["input"], "new_face": "https://example.com/other.jpg"}})


@defect("all results are the same file", "task.unique link.lifetime media.asked")
def link_shared(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "success":
        return reply
    result = reply.json["data"]["result"]
    kind = result["media_urls"][0].rsplit(".", 1)[-1]
    link = memory.setdefault(kind, result["media_urls"])
    return reply.with_data(result={**result, "media_urls": link})


@defect("two detections have the same id", "task.unique flow.outcome link.lifetime")
def id_shared(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "detect_face_image" or not reply.is_success:
        return reply
    return reply.with_data(detect_task_id=memory.setdefault("first", reply.json["data"]["detect_task_id"]))


@defect("times are an hour late", "task.clock callback.poll")
def clock_off(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not state(ask, reply):
        return reply
    times = {name: reply.json["data"].get(name) for name in ("create_at", "complete_at")}
    return reply.with_data(**{name: value + 3600 for name, value in times.items() if value is not None})


@defect("a duration is not the time from beginning to end", "task.clock callback.poll")
def duration_untrue(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(duration_s=60) if state(ask, reply) == "success" else reply


@defect("faces come in another order each time", "faces.stable task.frozen")
def faces_shuffled(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    result = detected(ask, reply)
    if result is None:
        return reply
    memory[ask.query] = memory.get(ask.query, 0) + 1
    faces = result["faces"][::-1] if memory[ask.query] % 2 else result["faces"]
    return reply.with_data(result={**result, "faces": faces})


@defect("the two estimates do not agree", "credits.agree")
def estimates_disagree(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(estimated_credits=9) if ask.operation == "estimate_task" and reply.is_success else reply


@defect("a list shows other prices than estimates", "credits.listed")
def listed_otherwise(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_vidu_templates" or not reply.is_success:
        return reply
    return reply.with_data(
        templates=[{**item, "credits": item["credits"] + 1} for item in reply.json["data"]["templates"]]
    )


@defect("a length of a video has the price of another", "credits.agree")
def one_price_for_all_lengths(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    is_timed = b"grok-imagine-video" in ask.body and ask.operation == "estimate_credits" and reply.is_success
    return reply.with_data(credits=12) if is_timed else reply


@defect("limits of models are not held", "refusal.missing")
def no_limits(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    is_beyond = (
        ask.operation == "estimate_credits" and reply.json.get("code") == 422 and b"google/nano-banana-2" in ask.body
    )
    return (
        reply.with_json({"code": 200, "message": "success", "data": {"credits": 5, "estimated": False}}, 200)
        if is_beyond
        else reply
    )


@defect("a limit is lower than what clients send", "flow.step")
def too_low_a_limit(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    is_within = ask.operation == "estimate_credits" and b"google/gemini-omni" in ask.body and reply.is_success
    refusal = {"code": 422, "message": "Missing Params or Type Error", "errors": ["duration: too long"]}
    return reply.with_json(refusal, 422) if is_within else reply


@defect("an estimate knows another balance than the account", "credits.agree credits.affordable")
def balance_untrue(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(balance=12345) if ask.operation == "estimate_task" and reply.is_success else reply


@defect("an estimate says that the balance does not do", "credits.affordable")
def not_affordable(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(affordable=False) if ask.operation == "estimate_task" and reply.is_success else reply


@defect("estimates are lower than charges", "credits.agree credits.estimate")
def estimate_low(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(credits=1) if ask.operation == "estimate_credits" and reply.is_success else reply


@defect("a failed task is charged", "credits.refund callback.poll")
def failure_charged(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) == "failed":
        if ask.query not in memory:
            memory[ask.query] = True
            memory["taken"] = memory.get("taken", 0) + 3
        return reply.with_data(credits=3)
    if ask.operation == "get_account_balance" and reply.is_success:
        return reply.with_data(balance=reply.json["data"]["balance"] - memory.get("taken", 0))
    return reply


@defect("an estimate is charged", "credits.free credits.agree credits.settled")
def estimate_charged(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation == "estimate_credits" and reply.is_success:
        memory["taken"] = memory.get("taken", 0) + 1
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return reply.with_data(balance=reply.json["data"]["balance"] - memory.get("taken", 0))


@defect("a task is charged twice", "credits.settled")
def charged_twice(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation == "create_task" and reply.is_success:
        memory["taken"] = memory.get("taken", 0) + 3
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return reply.with_data(balance=reply.json["data"]["balance"] - memory.get("taken", 0))


@defect("pages are larger than asked for", "list.page refusal.missing")
def page_size_ignored(ask: Ask) -> Ask:
    return replace(ask, query="page=1&page_size=50") if ask.operation == "list_kling_templates" else ask


@defect("every page is the first", "list.page")
def page_ignored(ask: Ask) -> Ask:
    return replace(ask, query=ask.query.replace("page=2", "page=1")) if ask.operation == "list_vidu_templates" else ask


@defect("the total is that of the page", "list.page")
def total_of_page(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_bytedance_templates" or not reply.is_success:
        return reply
    return reply.with_data(total=len(reply.json["data"]["templates"]))


@defect("a filter keeps everything", "list.page refusal.missing")
def filter_ignored(ask: Ask) -> Ask:
    return replace(ask, query="") if ask.operation == "list_models" else ask


@defect("everybody sees every task", "refusal.missing")
def tasks_of_others(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation not in ("get_task_info", "get_detect_face_result"):
        return reply
    if reply.is_success:
        memory[ask.query] = reply
    return memory.get(ask.query, reply) if "swapmockother" in ask.headers.get("x-api-key", "") else reply


@defect("a swap takes any media for a detection", "refusal.missing")
def other_media(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "create_task" or reply.is_success or not isinstance(ask.json, dict):
        return reply
    given = ask.json.get("input", {})
    if "detect_id" not in given or given.get("image_url") != "https://faces.invalid/1.png":
        return reply
    return reply.with_json(
        {"code": 200, "message": "success", "data": {"task_id": "00000000-0000-4000-8000-00000000000f"}}, 200
    )


@defect("links never die", "link.lifetime")
def link_immortal(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not ask.path.startswith(("/media/", "/u/")) or ask.method != "GET":
        return reply
    if reply.status == 200:
        memory[ask.path] = reply
    # Ranges and conditions of living files are answered well: only the end is missing.
    return memory.get(ask.path, reply) if reply.status >= 400 else reply


@defect("a task tells another version of the model", "task.echo callback.poll")
def version_untrue(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(model_version="v0") if state(ask, reply) else reply


@defect("a model alone is another one than in the list", "list.detail")
def detail_differs(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_model" or not reply.is_success:
        return reply
    return reply.with_data(supports_reference=not reply.json["data"]["supports_reference"])


@defect("everything costs more than the contract lists", "credits.agree callback.poll credits.refund")
def price_high(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation == "create_task" and reply.is_success:
        memory["taken"] = memory.get("taken", 0) + 2
    if not reply.is_success:
        return reply
    data = reply.json["data"]
    if ask.operation == "estimate_credits":
        return reply.with_data(credits=data["credits"] + 2)
    if ask.operation == "estimate_task":
        return reply.with_data(
            estimated_credits=data["estimated_credits"] + 2, balance=data["balance"] - memory.get("taken", 0)
        )
    if state(ask, reply):
        return reply.with_data(credits=data["credits"] + 2)
    if ask.operation == "get_account_balance":
        return reply.with_data(balance=data["balance"] - memory.get("taken", 0))
    return reply


@defect("a page is one short", "list.page")
def page_short(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_kling_templates" or not reply.is_success or "page=2" not in ask.query:
        return reply
    return reply.with_data(templates=reply.json["data"]["templates"][1:])


@defect("behind the last page stands the first", "list.page")
def pages_without_end(ask: Ask) -> Ask:
    return replace(ask, query=ask.query.replace("page=99", "page=1"))


@defect("pages come in another order than the whole list", "list.page")
def order_differs(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_vidu_templates" or not reply.is_success or "page_size=50" not in ask.query:
        return reply
    return reply.with_data(templates=reply.json["data"]["templates"][::-1])


@defect("a list of templates ignores the template that is asked for", "list.page")
def template_ignored(ask: Ask) -> Ask:
    return replace(ask, query="") if ask.operation == "list_bytedance_templates" and "template_id" in ask.query else ask


@defect("a model is missing in the list", "list.contents")
def model_missing(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_models" or not reply.is_success:
        return reply
    models = [one for one in reply.json["data"]["models"] if one["model"] != "z-image"]
    return reply.with_data(models=models, total=len(models))


@defect("a model is said to make something else", "list.contents list.detail")
def model_described_otherwise(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_models" or not reply.is_success:
        return reply
    models = reply.json["data"]["models"]
    return reply.with_data(models=[{**one, "operations": [*one["operations"], "image-edit-2"]} for one in models])


@defect("two uploads have the same place", "task.unique")
def place_shared(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_upload_url" or not reply.is_success:
        return reply
    memory["links"] = memory.get("links", 0) + 1
    if memory["links"] == 1:
        memory["file"] = reply.json["data"]["file_url"]
    return reply.with_data(file_url=memory["file"]) if memory["links"] == 2 else reply


@defect("an upload link takes any type", "refusal.missing answer.headers link.lifetime")
def any_type(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, status=200, body=b"") if ask.operation == "put_upload" and reply.status == 403 else reply


@defect("two detections of one account have the same detect_id", "task.unique flow.step link.lifetime")
def detection_shared(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    result = detected(ask, reply)
    if result is None:
        return reply
    return reply.with_data(result={**result, "id": memory.setdefault("first", result["id"])})


@defect("a task says that somebody made it by hand", "task.echo callback.poll")
def source_untrue(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(source="playground") if state(ask, reply) else reply


@defect("a task has a callback_url that nobody gave", "task.echo")
def callback_url_made(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not state(ask, reply) or reply.json["data"]["param"]["callback_url"]:
        return reply
    return reply.with_data(param={**reply.json["data"]["param"], "callback_url": "https://example.com/hook"})


@defect("a task holds nothing back while it runs", "credits.settled")
def nothing_reserved(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(credits=0) if state(ask, reply) in ("pending", "running") else reply


@defect("a failure of moderation is charged", "credits.refund")
def moderation_charged(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) == "failed" and reply.json["data"]["result"]["code"] == 451:
        if ask.query not in memory:
            memory[ask.query] = True
            memory["taken"] = memory.get("taken", 0) + 3
        return reply.with_data(credits=3)
    if ask.operation == "get_account_balance" and reply.is_success:
        return reply.with_data(balance=reply.json["data"]["balance"] - memory.get("taken", 0))
    return reply


@defect("a failure of moderation has another code", "flow.outcome")
def moderation_called_otherwise(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if state(ask, reply) != "failed" or reply.json["data"]["result"]["code"] != 451:
        return reply
    return reply.with_data(result={**reply.json["data"]["result"], "code": 501})


@defect("every balance covers every price", "credits.affordable")
def always_affordable(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(affordable=True) if ask.operation == "estimate_task" and reply.is_success else reply


@defect("an account without credits may buy", "refusal.missing")
def poor_may_buy(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "create_task" or reply.json.get("code") != 402 or b"errors.invalid" in ask.body:
        return reply
    task = {"task_id": "00000000-0000-4000-8000-00000000000e"}
    return reply.with_json({"code": 200, "message": "success", "data": task}, 200)


@defect("a detection was made last week", "task.clock")
def detection_of_last_week(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    result = detected(ask, reply)
    if result is None:
        return reply
    times = {"started_at": "2025-12-01 00:00:00", "finished_at": "2025-12-01 00:00:01"}
    return reply.with_data(result={**result, **times})


@defect("a range behind the end of a file is answered with its last byte", "file.range")
def range_behind_the_end(ask: Ask) -> Ask:
    asked = ask.headers.get("range", "")
    if not asked.endswith("-") or not ask.path.startswith("/media/"):
        return ask
    return replace(ask, headers={**ask.headers, "range": "bytes=-1"})


@defect("a model whose price is documented costs more", "credits.estimate credits.agree")
def documented_price_untrue(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    is_it = ask.operation == "estimate_credits" and reply.is_success and b"z-image" in ask.body
    return reply.with_data(credits=2.5) if is_it else reply


@defect("times are a minute late", "task.clock callback.poll")
def clock_a_minute_off(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not state(ask, reply):
        return reply
    times = {name: reply.json["data"].get(name) for name in ("create_at", "complete_at")}
    return reply.with_data(**{name: value + 60 for name, value in times.items() if value is not None})


@defect("a prompt comes back in another encoding", "task.echo")
def prompt_mangled(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    param = reply.json["data"]["param"] if state(ask, reply) else {}
    if "prompt" not in param.get("input", {}):
        return reply
    mangled = param["input"]["prompt"].encode().decode("latin-1")
    return reply.with_data(param={**param, "input": {**param["input"], "prompt": mangled}})
