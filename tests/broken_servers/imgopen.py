"""Defects of Img Open's API: numbers for states, codes in text, queries in bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.broken_servers import CATALOGUE, Ask, Defect, Reply

QUERIES = ("query_image_tool_task_info", "query_task_info_v1", "query_task_info_v2")


def imgopen(about: str, finds: str, **more: Any) -> Callable[[Any], Any]:
    """Register a function that changes answers as the defect `imgopen_` and its name."""

    def register(function: Any) -> Any:
        name = f"imgopen_{function.__name__}"
        place = "answer" if function.__code__.co_argcount == 3 else "pass_on"
        CATALOGUE[name] = Defect(name, about, frozenset(finds.split()), provider="imgopen", **{place: function}, **more)
        return function

    return register


def is_done(ask: Ask, reply: Reply) -> bool:
    """Whether an answer is the query of a picture that is there."""
    return ask.operation == QUERIES[0] and reply.is_success and bool(reply.json["data"].get("outputImageUrl"))


@imgopen("codes are numbers", "code.type flow.step operation.success refusal.expected")
def code_as_number(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    document = reply.json
    if not isinstance(document, dict) or "code" not in document:
        return reply
    return reply.with_json({**document, "code": int(document["code"])})


@imgopen("answers have no text", "answer.schema")
def text_missing(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "query_model_list" or not reply.is_success:
        return reply
    return reply.with_json({name: value for name, value in reply.json.items() if name != "msg"})


@imgopen("a list says that it has another page", "list.page")
def other_page_told(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(pageNum=1) if ask.operation == "query_model_list" and reply.is_success else reply


@imgopen("a list does not look at the name of a model", "list.page")
def filter_ignored(ask: Ask) -> Ask:
    return replace(ask, body=ask.body.replace(b"sdModelName", b"sdModelNome"))


@imgopen("a state is a number that nobody knows", "task.state flow.step task.answer")
def state_unknown(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(status=9) if is_done(ask, reply) else reply


@imgopen("a task tells the caller's id of another", "task.echo task.stable callback.poll")
def other_caller(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(businessTaskId="somebody-else") if is_done(ask, reply) else reply


@imgopen("everybody sees every picture", "refusal.missing")
def pictures_of_others(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation not in QUERIES:
        return reply
    if reply.is_success:
        memory[str(ask.body)] = reply
    is_other = "swapmockother" in str(ask.headers) or "other" in ask.headers.get("x-request-req-accesskeyid", "")
    return memory.get(str(ask.body), reply) if is_other else reply


@imgopen("no secret is asked for", "refusal.missing refusal.expected")
def secret_ignored(ask: Ask) -> Ask:
    if set(ask.headers.get("x-request-req-accesskeysecret", "1")) != {"0"}:
        return ask
    good = memory_of_secrets.get(ask.headers.get("x-request-req-accesskeyid", ""), "")
    return replace(ask, headers={**ask.headers, "x-request-req-accesskeysecret": good})


memory_of_secrets: dict[str, str] = {}


def _learn(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if reply.is_success:
        key = ask.headers.get("x-request-req-accesskeyid", "")
        memory_of_secrets[key] = ask.headers.get("x-request-req-accesskeysecret", "")
    return reply


CATALOGUE["imgopen_secret_ignored"] = replace(CATALOGUE["imgopen_secret_ignored"], answer=_learn)


@imgopen("two pictures have the same address", "task.unique link.lifetime task.answer media.asked")
def address_shared(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not is_done(ask, reply):
        return reply
    return reply.with_data(outputImageUrl=memory.setdefault("first", reply.json["data"]["outputImageUrl"]))


@imgopen("one of the pictures is missing", "media.asked")
def one_picture_less(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation not in QUERIES[1:] or not reply.is_success:
        return reply
    pictures = reply.json["data"].get("differentialImageRspList") or []
    return reply.with_data(differentialImageRspList=pictures[:1]) if len(pictures) > 1 else reply


@imgopen("the answer of a tool links another picture than its query", "task.answer")
def answered_otherwise(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "flux_text2image" or not reply.is_success or not reply.json["data"].get("outputImageUrl"):
        return reply
    return reply.with_data(outputImageUrl="https://example.com/another.png")
