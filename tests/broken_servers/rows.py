"""Small defects as rows of data: several on one server, each named by a finding of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.broken_servers import Ask, Defect, Reply
from tests.broken_servers.tasks import state

Memory = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One defect. `edit` changes an answer, or the body of a callback if `operation` is "callback". The finding that
    names it has `finds`, and `place` in its place."""

    about: str
    operation: str
    edit: Callable[..., Any]
    finds: str
    place: str = ""


def phase(word: str, **fields: Any) -> Callable[[Ask, Reply, Memory], Reply]:
    """An edit of the polls of tasks in the state `word`; a function is called with the value before."""

    def edit(ask: Ask, reply: Reply, memory: Memory) -> Reply:
        if state(ask, reply) != word:
            return reply
        data = reply.json["data"]
        return reply.with_data(**{name: new(data[name]) if callable(new) else new for name, new in fields.items()})

    return edit


def detection(word: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Ask, Reply, Memory], Reply]:
    """An edit of the results of detections in the state `word`."""

    def edit(ask: Ask, reply: Reply, memory: Memory) -> Reply:
        if not reply.is_success or reply.json["data"]["status"] != word:
            return reply
        return reply.with_data(**change(reply.json["data"]))

    return edit


def poor(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    is_it = isinstance(reply.json, dict) and reply.json.get("code") == 402 and reply.json.get("data")
    return reply.with_data(balance=999) if is_it else reply


def other_tag(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    if reply.status != 200:
        return reply
    return Reply(200, {**reply.headers, "ETag": f'"{"0" * 32}"'}, reply.body)


def half_a_pair(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    return Reply(reply.status, reply.headers, reply.body.replace(b'"success"', b'"\\ud800"'))


def gone(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    return Reply(404, {"Content-Type": "text/plain"}, b"gone")


def rising(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    memory["rise"] = memory.get("rise", 0) + 1
    return reply.with_data(balance=reply.json["data"]["balance"] + memory["rise"]) if reply.is_success else reply


def counted(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    memory["detections"] = memory.get("detections", 0) + reply.is_success
    return reply


def lessened(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    taken = memory.get("detections", 0)
    return reply.with_data(balance=reply.json["data"]["balance"] - taken) if reply.is_success else reply


def forgotten(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    if state(ask, reply) not in ("success", "failed"):
        return reply
    memory[ask.query] = memory.get(ask.query, 0) + 1
    refusal = {"code": 404, "message": "Task not found", "data": None}
    return reply.with_json(refusal, 404) if memory[ask.query] > 1 else reply


def once_only(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    if ask.method != "GET" or reply.status != 200 or {"range", "if-none-match"} & ask.headers.keys():
        return reply
    memory[ask.path] = memory.get(ask.path, 0) + 1
    return gone(ask, reply, memory) if memory[ask.path] > 1 else reply


def waiting(ask: Ask, reply: Reply, memory: Memory) -> Reply:
    return reply.with_data(desc="任务排队中") if reply.is_success else reply


def other_links(told: dict[str, Any]) -> dict[str, Any]:
    links = (told.get("result") or {}).get("media_urls")
    if not links:
        return told
    return {**told, "result": {**told["result"], "media_urls": [one.replace("/media/", "/media/x") for one in links]}}


GROUPS: dict[str, tuple[str, tuple[Row, ...]]] = {
    "crun": ("crun", (
        Row("a finished detection is said to work inside", "get_detect_face_result", detection("succeeded", lambda d: {"result": {**d["result"], "status": "processing"}}), "task.echo", "/data/result/status"),
        Row("a failed detection says no reason", "get_detect_face_result", detection("failed", lambda d: {"error": None}), "task.result", "detection reason"),
        Row("a running task has a duration", "get_task_info", phase("running", duration_s=3), "task.times", "/data/duration_s"),
        Row("the amount held back changes", "get_task_info", phase("running", credits=lambda before: before + 5), "credits.settled", "held back"),
        Row("a refusal tells another balance", "create_task", poor, "credits.agree", "refused balance"),
        Row("an upload has another tag than its file", "put_upload", other_tag, "file.validator", "tag of the upload"),
        Row("half a surrogate pair in a text", "get_account_balance", half_a_pair, "answer.form"),
        Row("the balance rises", "get_account_balance", rising, "credits.free", "rise"),
        Row("previews of templates are gone", "download_preview", gone, "media.download"),
        Row("a callback is in an envelope", "callback", lambda told: {"code": 200, "message": "success", "data": told}, "callback.request", "envelope"),
    )),
    "crun again": ("crun", (
        Row("a detection is charged", "detect_face_image", counted, "credits.settled", "detection"),
        Row("a detection is charged: the balance", "get_account_balance", lessened, "credits.settled", "detection"),
        Row("an ended task is forgotten", "get_task_info", forgotten, "flow.outcome", "task gone"),
        Row("a link works once", "download_media", once_only, "media.download", "second download"),
        Row("a callback links to nothing", "callback", other_links, "media.download", "link of a callback"),
    )),
    "imgopen": ("imgopen", (
        Row("the words for the state are those of another", "query_task_info_v2", waiting, "task.state", "/data/desc"),
        Row("a refused callback is given up after the third attempt", "attempts", lambda number: number <= 3, "callback.ladder", "none"),
    )),
}  # fmt: skip


def server(group: str) -> Defect:
    """The server with every row of a group."""
    provider, rows = GROUPS[group]

    def answer(ask: Ask, reply: Reply, memory: Memory) -> Reply:
        for row in rows:
            if row.operation == ask.operation:
                reply = row.edit(ask, reply, memory)
        return reply

    def send(
        method: str, url: str, headers: dict[str, str], body: bytes, memory: Memory
    ) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
        memory[url] = memory.get(url, 0) + 1
        told = json.loads(body)
        for row in rows:
            if row.operation == "callback":
                told = row.edit(told)
            elif row.operation == "attempts" and not row.edit(memory[url]):
                return
        yield method, url, headers, json.dumps(told).encode()

    return Defect(group, "; ".join(row.about for row in rows), frozenset(), answer=answer, send=send, provider=provider)
