"""Defects of callbacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.broken_servers import KEYS, defect

Sent = tuple[str, str, dict[str, str], bytes]


def changed(body: bytes, **fields: Any) -> bytes:
    document = {**json.loads(body), **fields}
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


@defect("no callback comes", "callback.missing")
def callback_never(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    return iter(())


@defect("a callback lacks a field", "callback.schema")
def callback_field_missing(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url, headers, changed(body, source=...)


@defect("a callback is a form", "callback.request callback.schema")
def callback_as_form(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url, {"content-type": "application/x-www-form-urlencoded"}, b"task=done"


@defect("a callback is a PUT", "callback.request")
def callback_by_put(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield "PUT", url, headers, body


@defect("the query string of callback_url is lost", "callback.request")
def callback_without_query(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url.partition("?")[0], headers, body


@defect("a callback tells of another task", "callback.task callback.poll")
def callback_of_other_task(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url, headers, changed(body, task_id="00000000-0000-4000-8000-00000000000f")


@defect("a callback says running when the task has ended", "callback.state")
def callback_of_other_state(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url, headers, changed(body, status="running", result=None, complete_at=None)


@defect("a callback that is refused is not tried again", "callback.ladder")
def callback_once(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    if url not in memory:
        memory[url] = True
        yield method, url, headers, body


@defect("a callback comes twice at once", "callback.repeated callback.ladder")
def callback_repeated(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url, headers, body
    if url in memory:
        yield method, url, headers, body
    memory[url] = True


@defect("a callback tells other credits than a poll", "callback.poll")
def callback_of_other_credits(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url, headers, changed(body, credits=77)


@defect("the second attempt of a callback tells something else", "callback.changed callback.poll")
def callback_changed(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    memory[url] = memory.get(url, 0) + 1
    yield method, url, headers, changed(body, duration_s=memory[url]) if memory[url] > 1 else body


@defect("a callback shows the key of the account", "callback.secret")
def callback_with_key(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url, {**headers, "x-key": KEYS[-1]}, body


@defect("a callback that is refused comes again at once", "callback.ladder")
def callback_at_once(
    method: str, url: str, headers: dict[str, str], body: bytes, memory: dict[str, Any]
) -> Iterator[Sent]:
    yield method, url, headers, body
    yield method, url, headers, body
