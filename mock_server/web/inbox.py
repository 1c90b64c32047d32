"""The callback inboxes of sandboxes: every request to the address of an inbox is recorded, and answered as set
before."""

from __future__ import annotations

import json
from urllib.parse import unquote

from swapmock.mock_server.core.inbox import START, InboxAnswer
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.request_filter import Refusal, refused

#: The methods that an inbox accepts.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

#: How many of the newest deliveries are compared with a request, to find the provider that sent it.
COMPARED = 200

#: Pages of other origins cannot read the answer, and browsers do not run an answer of an inbox as a page.
HEADERS = (("x-content-type-options", "nosniff"), ("content-security-policy", "sandbox; default-src 'none'"))


def receive(engine: Engine, request: Request) -> Answer:
    """Record `request` in the inbox of the sandbox that its path names, and return the answer."""
    name = unquote(request.path.removeprefix(START).partition("/")[0])
    target = f"{request.path}?{request.query}" if request.query else request.path
    try:
        box = engine.store.open(name)
    except KeyError:
        return refused(Refusal(404, f"no sandbox {name[:100]!r} here, so it has no inbox"))
    with box:
        answer = box.inbox.take(engine.now(box), request.method, target, request.headers, request.body)
        provider = _provider_of(box, request.body) if answer.body is None else ""
    status, body = (answer.status, answer.body) if answer.body is not None else _acknowledged(engine, provider, answer)
    return Answer(status, [("content-type", answer.content_type), *HEADERS], body.encode())


def _provider_of(box: Box, body: bytes) -> str:
    """Return the provider of the newest delivery with this body; "" for none."""
    newest = box.deliveries()[-COMPARED:]
    return next((delivery.provider for delivery in reversed(newest) if body and delivery.body == body), "")


def _acknowledged(engine: Engine, provider: str, answer: InboxAnswer) -> tuple[int, str]:
    """Return the simplest answer that acknowledges a callback of `provider`; for "", of the first provider with
    callbacks."""
    known = {name: c.behaviour.callbacks for name, c in engine.contracts.items() if c.behaviour.callbacks is not None}
    rules = known.get(provider) or next(iter(known.values()), None)
    if rules is None:
        return answer.status, "{}"
    status, value = rules.acknowledged.usual
    return (answer.status if answer.status != 200 else status), json.dumps(value)
