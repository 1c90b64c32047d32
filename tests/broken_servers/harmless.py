"""Servers that differ from the emulator in what the contract leaves open: a check must find nothing in them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tests.broken_servers import Ask, Defect, Reply

SERVERS: dict[str, Defect] = {}


def harmless(about: str) -> Callable[[Any], Any]:
    """Register a function, or a pair of functions for answers and requests, as the harmless server of its name."""

    def register(function: Any) -> Any:
        name = function.__name__
        SERVERS[name] = Defect(name, about, frozenset(), answer=function, pass_on=PASSING_ON.get(name))
        return function

    return register


def is_json(reply: Reply) -> bool:
    return reply.json is not None


def written(reply: Reply, document: Any, **how: Any) -> Reply:
    return replace(reply, body=json.dumps(document, **how).encode())


def header(reply: Reply, name: str) -> str:
    return next((value for key, value in reply.headers.items() if key.lower() == name), "")


def with_header(reply: Reply, name: str, value: str) -> Reply:
    kept = {key: held for key, held in reply.headers.items() if key.lower() != name.lower()}
    return replace(reply, headers={**kept, name: value})


def back_from_elsewhere(ask: Ask) -> Ask:
    return replace(ask, path=ask.path.removeprefix("/elsewhere")) if ask.path.startswith("/elsewhere/") else ask


def with_extension(ask: Ask) -> Ask:
    """A path of a medium without its extension, as the emulator knows it."""
    return replace(ask, path=SHORTENED.get(ask.path, ask.path))


SHORTENED: dict[str, str] = {}
PASSING_ON: Mapping[str, Callable[[Ask], Ask]] = {
    "media_behind_a_redirect": back_from_elsewhere,
    "links_without_extension": with_extension,
    "no_ranges": lambda ask: without_conditions(ask),
}


@harmless("members come in another order")
def members_reversed(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    def reversed_members(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: reversed_members(value[name]) for name in reversed(value)}
        return [reversed_members(item) for item in value] if isinstance(value, list) else value

    return written(reply, reversed_members(reply.json)) if is_json(reply) else reply


@harmless("answers have fields that nobody documented, another value each time")
def fields_added(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not isinstance(reply.json, dict):
        return reply

    def more(value: Any) -> Any:
        if isinstance(value, list):
            return [more(item) for item in value]
        if not isinstance(value, dict):
            return value
        memory["count"] = memory.get("count", 0) + 1
        # What was asked, and a JSON Schema, are repeated as they are.
        kept = {name: one if name in ("param", "input_schema") else more(one) for name, one in value.items()}
        return {**kept, "trace": f"trace-{memory['count']:08d}", "took_ms": memory["count"] % 7}

    return written(reply, more(reply.json))


@harmless("whole numbers are written with a decimal point")
def numbers_with_points(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not reply.is_success:
        return reply
    data = reply.json["data"]
    if ask.operation == "get_account_balance":
        return reply.with_data(balance=float(data["balance"]))
    if ask.operation == "get_task_info":
        return reply.with_data(credits=float(data["credits"]))
    return reply.with_data(credits=float(data["credits"])) if ask.operation == "estimate_credits" else reply


@harmless("answers are written over several lines")
def white_space(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not is_json(reply):
        return reply
    return replace(reply, body=b"\r\n\t " + json.dumps(reply.json, indent=4, ensure_ascii=True).encode() + b"\n\n")


@harmless("characters are escaped")
def escapes(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, body=reply.body.replace(b"/", b"\\/")) if is_json(reply) else reply


@harmless("names of headers are in upper case")
def header_case(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, headers={name.upper(): value for name, value in reply.headers.items()})


@harmless("there are further headers and cookies")
def headers_added(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    more = {
        "X-Request-Id": "1",
        "Set-Cookie": "session=1; Path=/",
        "Strict-Transport-Security": "max-age=1",
        "Server": "nginx",
        "Via": "1.1 proxy",
    }
    return replace(reply, headers={**reply.headers, **more})


@harmless("the media type names its character set")
def charset_named(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return with_header(reply, "Content-Type", 'application/json;charset="UTF-8"') if is_json(reply) else reply


@harmless("Retry-After is a date")
def retry_after_as_date(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    document = reply.json
    if not isinstance(document, dict) or document.get("code") != 429:
        return reply
    return with_header(reply, "Retry-After", "Thu, 01 Jan 2026 00:00:10 GMT")


@harmless("media are behind a redirect")
def media_behind_a_redirect(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not ask.path.startswith(("/media/", "/u/")) or ask.method != "GET" or reply.status != 200:
        return reply
    memory[ask.path] = not memory.get(ask.path, False)
    return Reply(302, {"Location": "/elsewhere" + ask.path}, b"") if memory[ask.path] else reply


@harmless("links to media have no extension")
def links_without_extension(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_task_info" or not reply.is_success or not reply.json["data"]["result"]:
        return reply
    result = reply.json["data"]["result"]
    links = []
    for link in result.get("media_urls", ()):
        head, _, path = link.partition("/media/")
        short = "/media/" + path.rpartition(".")[0]
        SHORTENED[short] = "/media/" + path
        links.append(head + short)
    return reply.with_data(result={**result, "media_urls": links} if links else result)


@harmless("links are signed anew each time")
def links_signed_anew(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_task_info" or not reply.is_success or not reply.json["data"]["result"]:
        return reply
    memory["count"] = memory.get("count", 0) + 1
    result = reply.json["data"]["result"]
    links = [f"{link}?signature={memory['count']:016x}" for link in result.get("media_urls", ())]
    return reply.with_data(result={**result, "media_urls": links} if links else result)


@harmless("the store of media does not know what it keeps")
def media_untyped(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not ask.path.startswith("/media/") or reply.status != 200:
        return reply
    return with_header(reply, "Content-Type", "application/octet-stream")


@harmless("the media type of JPEG is written in the other way")
def media_type_alias(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return with_header(reply, "Content-Type", "image/jpg") if header(reply, "content-type") == "image/jpeg" else reply


@harmless("texts of messages are other ones")
def messages_reworded(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    document = reply.json
    if not isinstance(document, dict) or "message" not in document or document.get("errors"):
        return reply
    return written(reply, {**document, "message": "OK" if reply.is_success else "That did not work"})


@harmless("a task waits longer before it runs")
def slower(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_task_info" or not reply.is_success or reply.json["data"]["status"] != "running":
        return reply
    memory[ask.query] = memory.get(ask.query, 0) + 1
    return reply.with_data(status="pending") if memory[ask.query] <= 1 else reply


@harmless("a task tells its parameters with the defaults filled in")
def defaults_filled_in(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_task_info" or not reply.is_success:
        return reply
    param = reply.json["data"]["param"]
    return reply.with_data(param={**param, "input": {"disable_safety_checker": False, **param["input"]}})


@harmless("files come whole, whatever range is asked for, and without validators")
def no_ranges(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not ask.path.startswith(("/media/", "/u/")):
        return reply
    dropped = ("accept-ranges", "etag", "last-modified", "content-range")
    return replace(reply, headers={name: value for name, value in reply.headers.items() if name.lower() not in dropped})


def without_conditions(ask: Ask) -> Ask:
    """A request for a file as a host without ranges reads it."""
    if not any(part in ask.path for part in ("/media/", "/u/", "/Output-Img2/")):
        return ask
    kept = {name: value for name, value in ask.headers.items() if name.lower() not in ("range", "if-none-match")}
    return replace(ask, headers=kept)


@harmless("an estimate says that the price is settled later, and it is lower then")
def estimates_tentative(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    is_it = ask.operation == "estimate_credits" and reply.is_success and b'"image-face-swap"' in ask.body
    return reply.with_data(credits=reply.json["data"]["credits"] + 1, estimated=True) if is_it else reply


@harmless("entity tags of files are weak, and an expired file is gone")
def weak_tags(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not ask.path.startswith(("/media/", "/u/")):
        return reply
    tag = header(reply, "etag")
    reply = replace(reply, status=410) if reply.status in (403, 404) else reply
    return with_header(reply, "ETag", f"W/{tag}") if tag and not tag.startswith("W/") else reply


@harmless("templates and models are sorted the other way round")
def lists_reversed(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_models" or not reply.is_success:
        return reply
    return reply.with_data(models=reply.json["data"]["models"][::-1])


@harmless("answers are compressed")
def compressed(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not is_json(reply) or "gzip" not in ask.headers.get("accept-encoding", ""):
        return reply
    return with_header(replace(reply, body=gzip.compress(reply.body)), "Content-Encoding", "gzip")


@harmless("there is no field data in a refusal")
def refusals_without_data(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    document = reply.json
    if not isinstance(document, dict) or reply.is_success or document.get("data", 0) is not None:
        return reply
    return written(reply, {name: value for name, value in document.items() if name != "data"})


@harmless("an upload is answered with 201")
def upload_created(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, status=204, body=b"") if ask.operation == "put_upload" and reply.status == 200 else reply


@harmless("an upload is sent on to another host by 307")
def upload_sent_on(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "put_upload" or reply.status != 200 or ask.path in memory:
        return reply
    memory[ask.path] = True
    return Reply(307, {"Location": f"{ask.path}?{ask.query}"}, b"")


def callbacks_numbered(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Each attempt has a number, a time and further headers, and its members come in another order."""
    memory[url] = memory.get(url, 0) + 1
    document = {**dict(reversed(json.loads(body).items())), "attempt": memory[url], "trace": f"t-{memory[url]}"}
    more = {"content-type": "Application/JSON; charset=utf-8", "user-agent": "Worker/2", "x-attempt": str(memory[url])}
    yield method, url, {**headers, **more}, json.dumps(document, indent=1).encode()


SERVERS["callbacks_numbered"] = Defect(
    "callbacks_numbered", "each attempt of a callback has a number", frozenset(), send=callbacks_numbered
)
SERVERS["imgopen_callbacks_numbered"] = replace(SERVERS["callbacks_numbered"], provider="imgopen")
SERVERS["imgopen_fields_added"] = replace(SERVERS["fields_added"], provider="imgopen")
SERVERS["imgopen_members_reversed"] = replace(SERVERS["members_reversed"], provider="imgopen")
SERVERS["imgopen_white_space"] = replace(SERVERS["white_space"], provider="imgopen")
