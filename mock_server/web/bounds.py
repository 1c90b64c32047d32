"""What the connections of one server share: its limits, the answers that wait to be written, and the bytes left unread."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from swapmock.mock_server.web.asgi import AsgiApp
from swapmock.mock_server.web.request_head import KnownHeads


class Client(Protocol):
    """A connection, as far as this module needs it."""

    loop: asyncio.AbstractEventLoop
    transport: Any

    def flush(self) -> None:
        """Write all answers that wait."""


class Outbox:
    """The answers of one turn of the event loop, which are written together at its end.

    A client with many connections then wakes up once and finds all of them. If each answer were written
    separately, each would wake the client: this took a third of the time of a create."""

    def __init__(self) -> None:
        self._full: list[Client] = []

    def note(self, connection: Client) -> None:
        """Note that `connection` has something to write."""
        if not self._full:
            connection.loop.call_soon(self._empty)
        self._full.append(connection)

    def _empty(self) -> None:
        full, self._full = self._full, []
        for connection in full:
            connection.flush()


class Unread:
    """The bytes that clients leave unread, over all connections. If there are more than `most`, the connections with
    the oldest unread bytes are closed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left: dict[Client, int] = {}
        self._total = 0

    def note(self, connection: Client, size: int) -> None:
        """Note that `connection` now has `size` unread bytes."""
        self._total += size - self._left.pop(connection, 0)
        if size:
            self._left[connection] = size
        while self._total > self._most:
            longest = next(iter(self._left))
            self._total -= self._left.pop(longest)
            longest.transport.abort()


@dataclass
class Bounds:
    """The limits and the shared state of one server. `scheme`, if not empty, replaces the connection's own scheme in
    links. `now` is the time of its event loop in seconds, updated ten times per second. `default_headers` are the
    header lines of every answer. `heads` are those of earlier requests."""

    asgi_app: AsgiApp
    max_connections: int
    max_headers: int
    unread: Unread
    scheme: str = ""
    now: float = 0.0
    default_headers: bytes = b""
    is_stopping: bool = False
    heads: KnownHeads = field(default_factory=KnownHeads)
    outbox: Outbox = field(default_factory=Outbox)


class Flow(FlowControl):
    """Flow control that resumes reading only when no request waits."""

    def __init__(self, transport: Any, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read again from the connection, unless a request waits."""
        if not self._waiting:
            super().resume_reading()
