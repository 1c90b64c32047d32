"""Defects of single answers: envelope, codes, statuses, schemas, media."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.broken_servers import Ask, HangUp, Reply, defect

HTML = b"<html><body><h1>Internal Server Error</h1></body></html>"


def refused(reply: Reply, code: int | None = None) -> bool:
    document = reply.json
    if not isinstance(document, dict) or document.get("code") in (200, None):
        return False
    return code is None or document["code"] == code


@defect("`code` is text in every answer", "code.type flow.step refusal.expected operation.success")
def code_as_text(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    document = reply.json
    if not isinstance(document, dict) or "code" not in document:
        return reply
    return reply.with_json({**document, "code": str(document["code"])})


@defect("the balance comes without its envelope", "code.type flow.step answer.schema operation.success")
def envelope_missing(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return reply.with_json(reply.json["data"])


@defect("validation is refused with a code that nobody documented", "code.known refusal.expected")
def code_unknown(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_json({**reply.json, "code": 499}) if refused(reply, 422) else reply


@defect("a list answers HTTP 500 with a page", "answer.form flow.step operation.success refusal.expected")
def page_of_html(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_vidu_templates":
        return reply
    return Reply(500, {"Content-Type": "text/html"}, HTML)


@defect("a list says that it is JSON and breaks off", "answer.form flow.step operation.success refusal.expected")
def broken_off(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, body=reply.body[:-7]) if ask.operation == "list_kling_templates" else reply


@defect("validation errors ride on HTTP 200", "refusal.hidden")
def refusal_on_200(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, status=200) if refused(reply, 422) else reply


@defect("an unknown key gets HTTP 401 and code 200", "refusal.hidden refusal.expected")
def refusal_with_code_200(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_json({**reply.json, "code": 200}, 401) if refused(reply, 401) else reply


@defect("an unknown task gets HTTP 422", "code.http")
def wrong_http_status(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, status=422) if refused(reply, 404) and ask.operation else reply


@defect("a missing key gets HTTP 418", "answer.status code.http")
def status_not_listed(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, status=418) if refused(reply, 401) else reply


@defect("the balance is text", "answer.schema credits.amount")
def wrong_type(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return reply.with_data(balance=str(reply.json["data"]["balance"]))


@defect("TaskInfo lacks a field", "answer.schema")
def field_missing(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_data(provider=...) if ask.operation == "get_task_info" and reply.is_success else reply


@defect("the balance is NaN, which JSON does not have", "answer.form credits.amount")
def not_a_number(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return reply.with_data(balance=float("nan"))


@defect("the balance is null", "answer.schema flow.step operation.success")
def answer_is_null(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, body=b"null") if ask.operation == "get_account_balance" and reply.is_success else reply


@defect(
    "the connection is closed in place of a list of models",
    "answer.missing flow.step operation.success refusal.expected",
)
def hang_up(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation == "list_models":
        raise HangUp
    return reply


@defect("the price of a task is never told", "flow.step operation.success refusal.expected")
def never_succeeds(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "estimate_task":
        return reply
    return reply.with_json({"code": 505, "message": "Feature disabled", "data": None}, 200)


@defect("an unknown key is as good as a known one", "refusal.missing refusal.expected")
def key_not_looked_at(ask: Ask) -> Ask:
    if "0000000000" not in ask.headers.get("x-api-key", ""):
        return ask
    return replace(ask, headers={**ask.headers, "x-api-key": "ak_swapmock000000000000000000000000"})


@defect("a missing task is called invalid", "refusal.expected")
def other_refusal(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not (refused(reply, 404) and ask.operation == "get_task_info"):
        return reply
    return reply.with_json({"code": 422, "message": "Missing Params or Type Error", "errors": ["task_id"]}, 422)


@defect("a refusal does not say which field is wrong", "refusal.names")
def field_not_named(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return reply.with_json({**reply.json, "errors": ["something is wrong"]}) if refused(reply, 422) else reply


@defect("links to results lead nowhere", "media.download link.lifetime")
def dead_link(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, status=404) if ask.path.startswith("/media/") else reply


@defect("a video is sent as a picture", "media.kind")
def wrong_medium(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return (
        replace(reply, headers={**reply.headers, "Content-Type": "image/png"}) if ask.path.endswith(".mp4") else reply
    )


@defect("an uploaded file comes back changed", "media.kind file.validator file.range")
def upload_changed(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    changes = ask.path.startswith("/u/") and ask.method == "GET" and reply.status == 200
    return replace(reply, body=reply.body + b"!") if changes else reply


@defect("a range of a file begins one byte late", "file.range")
def range_shifted(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, body=reply.body[1:] + b"!") if reply.status == 206 else reply


@defect("a file comes with two dates in one Date", "file.validator")
def date_doubled(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not ask.path.startswith("/media/"):
        return reply
    date = "Thu, 01 Jan 2026 00:00:00 GMT"
    kept = {name: value for name, value in reply.headers.items() if name.lower() != "date"}
    return replace(reply, headers={**kept, "Date": f"{date}, {date}"})


@defect("a file has another entity tag each time", "file.validator")
def etag_changes(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not ask.path.startswith("/media/") or not {"ETag", "etag"} & reply.headers.keys():
        return reply
    memory["count"] = memory.get("count", 0) + 1
    kept = {name: value for name, value in reply.headers.items() if name.lower() != "etag"}
    return replace(reply, headers={**kept, "ETag": f'"{memory["count"]}"'})


@defect("an upload link is dead when it is handed out", "link.expiry flow.step operation.success link.lifetime")
def dead_on_arrival(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_upload_url" or not reply.is_success:
        return reply
    url = reply.json["data"]["presigned_url"]
    return reply.with_data(presigned_url=url.replace("expires=", "expires=1500000000&was="))


@defect("a stored file gets no ETag", "answer.headers")
def header_missing(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "put_upload":
        return reply
    return replace(reply, headers={name: value for name, value in reply.headers.items() if name.lower() != "etag"})


@defect(
    "the catalogue takes any modality",
    "data.accepted list.page refusal.missing",
    parts=("flows", "coverage"),
    operations=("list_models",),
)
def invalid_accepted(ask: Ask) -> Ask:
    return replace(ask, query="") if ask.operation == "list_models" else ask


@defect(
    "the catalogue takes no filter",
    "data.refused flow.step operation.success",
    parts=("flows", "coverage"),
    operations=("list_models",),
)
def valid_refused(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_models" or not reply.is_success:
        return reply
    return reply.with_json({"code": 422, "message": "Missing Params or Type Error", "errors": ["no"]}, 422)


@defect(
    "a server error in its envelope",
    "server.error flow.step operation.success data.header refusal.expected",
    parts=("flows", "coverage"),
    operations=("list_models",),
)
def server_error(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_models":
        return reply
    return reply.with_json({"code": 500, "message": "Server error", "data": None}, 500)


@defect(
    "the balance is anybody's",
    "auth.ignored data.header refusal.missing refusal.expected",
    parts=("flows", "coverage"),
    operations=("get_account_balance",),
)
def anybody(ask: Ask) -> Ask:
    if ask.operation != "get_account_balance" or ask.headers.get("x-api-key", "").startswith("ak_"):
        return ask if "0000000000" not in ask.headers.get("x-api-key", "") else _with_key(ask)
    return _with_key(ask)


def _with_key(ask: Ask) -> Ask:
    return replace(ask, headers={**ask.headers, "x-api-key": "ak_swapmock000000000000000000000000"})


@defect(
    "a wrong method is answered like the right one",
    "method.wrong",
    parts=("flows", "coverage"),
    operations=("get_account_balance",),
)
def any_method(ask: Ask) -> Ask:
    return replace(ask, method="GET") if ask.path.endswith("/account/balance") else ask


@defect("an answer begins with a byte order mark", "answer.form")
def byte_order_mark(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return replace(reply, body=b"\xef\xbb\xbf" + reply.body)


@defect("an answer is in another encoding", "answer.form flow.step operation.success")
def other_encoding(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "list_vidu_templates" or not reply.is_success:
        return reply
    return replace(reply, body=reply.body.decode().encode("utf-16"))


@defect("a name stands twice in an answer", "answer.form")
def name_twice(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return replace(
        reply,
        body=reply.body.replace(b'"code":', b'"code": 200, "code":', 1).replace(
            b'"code": 200, "code": 200, "code"', b'"code": 200, "code"'
        ),
    )


@defect("a refusal shows the key, escaped", "secret.shown")
def key_shown(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    key = ask.headers.get("x-api-key", "")
    if not refused(reply, 404) or not key:
        return reply
    escaped = "".join(f"\\u{ord(character):04x}" for character in key)
    return replace(reply, body=reply.body.replace(b'"data":null', b'"hint":"' + escaped.encode() + b'","data":null', 1))


@defect("a balance is below zero", "credits.amount")
def balance_negative(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_account_balance" or not reply.is_success:
        return reply
    return reply.with_data(balance=-reply.json["data"]["balance"])


@defect("Retry-After is no number", "answer.headers")
def retry_after_odd(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if not refused(reply, 429):
        return reply
    kept = {name: value for name, value in reply.headers.items() if name.lower() != "retry-after"}
    return replace(reply, headers={**kept, "Retry-After": "\u00b2"})


@defect("pictures break off", "media.broken file.range file.validator")
def picture_broken(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return (
        replace(reply, body=reply.body[:-200])
        if ask.path.startswith("/media/") and ask.path.endswith(".png")
        else reply
    )


@defect("videos break off", "media.broken file.range file.validator")
def video_broken(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return (
        replace(reply, body=reply.body[:-200])
        if ask.path.startswith("/media/") and ask.path.endswith(".mp4")
        else reply
    )


@defect("an answer has more bytes than anybody wants", "answer.bounds")
def answer_huge(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    return replace(reply, body=reply.body + b" " * (9 << 20)) if ask.operation == "list_kling_templates" else reply


@defect("a disabled key reads the list of models", "refusal.missing")
def disabled_key_reads(ask: Ask) -> Ask:
    is_it = ask.operation == "list_models" and "disabled" in ask.headers.get("x-api-key", "")
    return _with_key(ask) if is_it else ask


@defect("a missing parameter is called unknown", "refusal.expected")
def missing_called_unknown(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    if ask.operation != "get_upload_url" or not refused(reply, 422):
        return reply
    return reply.with_json({"code": 404, "message": "Not Found", "data": None}, 404)


@defect("broken JSON is a server error for detections", "refusal.expected")
def broken_json_crashes(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    is_it = ask.operation == "detect_face_image" and ask.body and ask.json is None and refused(reply, 422)
    return reply.with_json({"code": 500, "message": "Server error", "data": None}, 500) if is_it else reply


@defect("the list takes pages of any size", "refusal.missing")
def page_unbounded(ask: Ask) -> Ask:
    return replace(ask, query=ask.query.replace("page_size=51", "page_size=50"))


@defect("an entity tag has no quotes", "file.validator answer.headers")
def etag_unquoted(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    tag = next((value for name, value in reply.headers.items() if name.lower() == "etag"), "")
    if not ask.path.startswith("/media/") or not tag:
        return reply
    kept = {name: value for name, value in reply.headers.items() if name.lower() != "etag"}
    return replace(reply, headers={**kept, "ETag": tag.strip('"')})


@defect("a file is sent anew, whatever entity tag the client has", "file.validator")
def condition_ignored(ask: Ask) -> Ask:
    kept = {name: value for name, value in ask.headers.items() if name != "if-none-match"}
    return replace(ask, headers=kept) if ask.path.startswith("/media/") else ask
