"""The callback inbox of a sandbox: its address, the received requests, and the answers that are set for the next
requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.records import readable
from swapmock.mock_server.core.call import Call, Reply
from swapmock.mock_server.core.inbox import START, Arrival, InboxAnswer
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.timetext import format_timestamp

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The number of rows on a page if the request has no `limit`.
DEFAULT_LIMIT = 100


def address(base_url: str, sandbox: str) -> str:
    """Return the callback URL of the inbox of a sandbox. `base_url` is that of the vendors' APIs."""
    return f"{base_url}{START}{quote(sandbox, safe='')}"


def arrival_row(arrival: Arrival, engine: Engine, mask: Mask) -> dict[str, Any]:
    """Return the received request `arrival` as answers show it, with a readable body. `mask` hides secrets."""
    return {
        "number": arrival.number,
        "at": arrival.at,
        "at_iso": format_timestamp(arrival.at),
        "method": arrival.method,
        "target": mask.text(arrival.target),
        "headers": dict(mask.headers(arrival.headers)),
        "body": mask.value(readable(arrival.body, engine)),
        "size": arrival.size,
        "answered": arrival.answered,
    }


def get_inbox(call: Call, engine: Engine) -> Reply:
    """Return the received requests, newest first."""
    with call.box as box:
        return Reply(_document(box, engine, call))


def _document(box: Box, engine: Engine, call: Call) -> dict[str, Any]:
    mask = Mask(engine, box.sandbox)
    limit, before = call.params.get("limit", DEFAULT_LIMIT), call.params.get("before")
    return {
        "url": address(call.base_url, box.sandbox.id),
        "answers": [answer._asdict() for answer in box.inbox.answers],
        "received": [arrival_row(arrival, engine, mask) for arrival in box.inbox.newest(limit, before)],
        "total": box.inbox.counted,
    }


def set_inbox(call: Call, engine: Engine) -> Reply:
    """Set the answers to the next requests: each is used once, the last one for all further requests."""
    answers = tuple(_answer(row) for row in call.body["answers"])
    with call.box as box:
        box.inbox.answers = answers
        return Reply(_document(box, engine, call))


def _answer(row: float | Mapping[str, Any]) -> InboxAnswer:
    """Return an answer from its JSON form; a number alone is the status of an empty body."""
    if isinstance(row, Mapping):
        answer = InboxAnswer(**row)
        return answer._replace(status=int(answer.status))
    status = int(row)  # in JSON Schema, 299.0 is an integer as well
    return InboxAnswer(status) if 200 <= status < 300 else InboxAnswer(status, "")


def clear_inbox(call: Call, engine: Engine) -> Reply:
    """Remove the received requests."""
    with call.box as box:
        return Reply({"cleared": {"inbox": box.inbox.clear()}})
