"""Tests our HTTP connection class with the installed uvicorn before a server starts.

`web/protocol.py` uses attributes of uvicorn's own protocol class. If a version of uvicorn has changed them, the
start is refused with one sentence. The server never runs with fewer functions instead."""

from __future__ import annotations

import asyncio
import socket
from functools import cache
from importlib.metadata import version
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from swapmock.mock_server.settings import SettingError
from swapmock.mock_server.web.bodies import ByteBudget
from swapmock.mock_server.web.forwarded import TrustedProxies
from swapmock.mock_server.web.messages import PLAIN, Answer, Request

__all__ = ["Bounds", "Connection", "Unread", "check_protocol", "split_target"]

#: The advice in the message for a refused version.
TESTED = "uvicorn>=0.30,<=0.54"

#: The timeout of the trial, in seconds.
PATIENCE = 5.0


def unsupported(reason: str) -> SettingError:
    """Return the error for a uvicorn that fails the trial; `reason` says how it failed."""
    return SettingError(
        f"uvicorn {version('uvicorn')} does not work with swapmock ({reason}): install one that does, {TESTED!r}"
    )


try:
    from swapmock.mock_server.web.bounds import Bounds, Unread
    from swapmock.mock_server.web.protocol import Connection
    from swapmock.mock_server.web.request_head import split_target
except ImportError as error:
    raise unsupported(f"{error.name} has changed") from error


class _Target:
    """The attributes of a RouteMatch that a connection reads."""

    limit = 1024


class _TrialApp:
    """The methods of an AsgiApp that a connection uses. `/inline` is answered at once, all other paths as an ASGI
    application."""

    def __init__(self) -> None:
        self.body_budget = ByteBudget(1 << 20)
        self.proxies = TrustedProxies()

    def refuse_upload(self, _request: Request, _status: int) -> Answer | None:
        return None

    def match_inline(self, method: str, path: str) -> Any:  # noqa: ARG002 - AsgiApp's signature
        return _Target() if path == "/inline" else None

    def answer(self, target: Any, request: Request) -> Answer:  # noqa: ARG002 - AsgiApp's signature
        return Answer(200, PLAIN, request.body)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = scope["path"].encode(), True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await scope["extensions"]["swapmock.client"].drained()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _request(path: str, body: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *lines, "", body]).encode()


#: The requests of one connection: one inline, one to the application, two that wait for it in the pipeline, and the
#: last.
_SENT = b"".join(
    [
        _request("/inline", "first"),
        _request("/app", "second"),
        _request("/inline", "third"),
        _request("/app", "fourth"),
        _request("/inline", "fifth", "Connection: close"),
    ]
)
_BODIES = [b"first", b"/appsecond", b"/inlinethird", b"/appfourth", b"/inlinefifth"]


async def check_protocol() -> None:
    """Send one pipelined connection over a socket pair, once per process. Raises SettingError if the answers are
    wrong."""
    if _passed():
        return
    try:
        async with asyncio.timeout(PATIENCE):
            received = await _converse()
    except TimeoutError:
        raise unsupported("its trial connection hangs") from None
    except Exception as error:
        raise unsupported(f"{type(error).__name__}: {error}") from error
    parts = [part.partition(b"\r\n\r\n") for part in received.split(b"HTTP/1.1 ")[1:]]
    if [(head[:3], body) for head, _, body in parts] != [(b"200", body) for body in _BODIES]:
        raise unsupported("its trial connection was answered wrongly")
    _passed().append(True)


@cache
def _passed() -> list[bool]:
    """Return a list that is not empty once the trial has passed in this process."""
    return []


async def _converse() -> bytes:
    loop = asyncio.get_running_loop()
    app: Any = _TrialApp()
    bounds = Bounds(app, max_connections=2, max_headers=8192, unread=Unread(1 << 20))
    config = Config(app, ws="none", lifespan="off", interface="asgi3", log_config=None, log_level="critical")
    config.load()
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    transport = None
    try:
        transport, _ = await loop.connect_accepted_socket(
            lambda: Connection(bounds, config=config, server_state=ServerState(), app_state={}), theirs
        )
        await loop.sock_sendall(ours, _SENT)
        received = b""
        while piece := await loop.sock_recv(ours, 65_536):
            received += piece
        return received
    finally:
        ours.close()
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)  # one turn of the loop closes the connection
