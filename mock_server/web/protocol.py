"""HTTP/1.1 as the live server speaks it: uvicorn's protocol, with what can be answered at once answered at once.

uvicorn parses (by httptools), keeps the order of a connection's requests, and takes care of flow and TLS. Its way to an
application costs two thirds of a request: a task, a dictionary and four messages. A vendor's operation whose short body
has come needs none of them. What waits, streams, is spoilt on the wire or belongs to the admin API goes uvicorn's way,
to the same asgi_app. Such a class is what uvicorn's `http` takes (github.com/Kludex/uvicorn/issues/1228). The attributes of
its parent that are used here exist since uvicorn 0.30. `web/protocol_check.py` tries them at the start of a server.

Bounds are here, too: uvicorn has none on heads, nor on the time that a client takes.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from swapmock.mock_server.web.asgi import AsgiApp
from swapmock.mock_server.web.messages import PLAIN, Answer, header_lines, headers_from, request_from
from swapmock.mock_server.web.pipeline import RouteMatch

#: Header lines of one request.
MOST_LINES = 100

#: The longest body that is waited for here; longer ones are read piece by piece by the asgi_app.
SHORT = 65_536

#: Requests of one connection that wait for the answer to one before them.
MOST_WAITING = 1000

#: Answers of one connection that wait to be written, and their bytes: a client may ask for many at once, and read none. Who
#: has asked for more than so many bytes at once lets others go first.
MOST_UNWRITTEN, HEAVY = 16, 65_536

#: Seconds that a client who was refused may go on sending.
LINGER = 1.0

_LINGER_NOT = struct.pack("ii", 1, 0)


class Outbox:
    """The answers that came about in one turn of the event loop, to be written at its end.

    Then a client that is woken by the first finds the others, too. Written one by one, each would wake a client of many
    connections, which sleeps again before the next: that took a third of a creation's time.
    """

    def __init__(self) -> None:
        self._full: list[Connection] = []

    def note(self, connection: Connection) -> None:
        """There is something to be written on `connection`."""
        if not self._full:
            connection.loop.call_soon(self._empty)
        self._full.append(connection)

    def _empty(self) -> None:
        full, self._full = self._full, []
        for connection in full:
            connection.flush()


class Unread:
    """What clients leave unread, in bytes, over all connections. Beyond `most`, who has left something for longest is let
    go."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left: dict[Connection, int] = {}
        self._total = 0

    def note(self, connection: Connection, size: int) -> None:
        """How much `connection` leaves unread now."""
        self._total += size - self._left.pop(connection, 0)
        if size:
            self._left[connection] = size
        while self._total > self._most:
            longest = next(iter(self._left))
            self._total -= self._left.pop(longest)
            longest.transport.abort()


@dataclass
class Bounds:
    """What one server bears, and how it is with it: `now` (seconds) is its loop's time, coarsely; `default_headers` are the header
    lines of every answer."""

    asgi_app: AsgiApp
    max_connections: int
    max_headers: int
    unread: Unread
    now: float = 0.0
    default_headers: bytes = b""
    is_stopping: bool = False
    outbox: Outbox = field(default_factory=Outbox)


class _OverError(Exception):
    """Nothing more is read from this connection; raised through the parser to stop it."""


class _Flow(FlowControl):
    """Reads on only when no request waits: what would come would have to wait, too."""

    def __init__(self, transport: Any, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """One client."""

    # uvicorn's types say that there always is a cycle, and that there may be no scheme: before the first request the one
    # is None, and once connected the other is not.
    cycle: Any
    scheme: Any

    def __init__(self, bounds: Bounds, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._bounds = bounds
        self._door = bounds.asgi_app
        self._head: tuple[RouteMatch, str, str, str, Mapping[str, str]] | None = None
        self._body = b""
        #: How much of it the asgi_app's body_budget has been told of.
        self._held = 0
        self._unwritten: list[bytes] = []
        #: Bytes of answers since something came, and of a long one that is being written.
        self._weight = self._long = 0
        #: Bytes that came since the last that was of use.
        self._useless = 0
        self._is_in_head = self._is_upgrading = self._is_over = self.has_left = False
        self._head_size = self._chunk_size = 0
        #: The request being answered; uvicorn's `cycle` is the one that came last.
        self._running: Any = None
        #: Since when the client has been waited for: to ask, to ask on, or to read.
        self._since = bounds.now

    # What the transport tells

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self.own = _authority(self.server)
        if len(self.connections) > self._bounds.max_connections:
            self._refuse(503, "too many connections; --max-connections allows more")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.has_left = True
        self._let_go()
        self._bounds.unread.note(self, 0)
        if self._running is not None:  # uvicorn tells the last one only
            self._running.disconnected = not self._running.response_complete
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        self._weight = 0
        while data and not self._is_over:
            self._chunk_size = len(data)
            self._useless += len(data)
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
            except HttpParserError as error:
                if not self._is_over:
                    # What was raised within says nothing to a client.
                    reason = "" if isinstance(error, HttpParserCallbackError) else f": {error}"
                    self._refuse(400, f"not a request as HTTP has them{reason}")
                return
            else:
                if self._is_in_head:
                    # How much of the chunk that it began in is its own cannot be told.
                    self._head_size += self._chunk_size if self._head_size else 1
                    if self._head_size > self._bounds.max_headers:
                        self._refuse(431, "the head is too large; --max-headers allows more")
                elif self._head is not None:
                    self._hold()
                if self._useless > self._bounds.max_headers + self._chunk_size and self._is_asking:
                    self._refuse(431, "the trailer is too large; --max-headers allows more")
                return

    def _hold(self) -> None:
        """What has come of a body takes body_budget until the rest comes; without any, the asgi_app refuses it."""
        more = len(self._body) - self._held
        if self._door.body_budget.acquire(more):
            self._held += more
            return
        body = self._body
        self._head, self._body = None, b""
        self._let_go()
        self._hand_over()
        super().on_body(body)

    def _let_go(self) -> None:
        self._door.body_budget.release(self._held)
        self._held = 0

    def eof_received(self) -> bool:  # type: ignore[override]  # its parent's never stays open
        """The client sends no more: what it has asked is answered first."""
        self.has_left = True
        if self._is_asking and not self._is_over:
            self._refuse(400, "the request ended too soon")
        else:
            self._finish()
        return self._is_busy and self.scheme == "http"  # TLS has no half-closed connections

    def pause_writing(self) -> None:
        self._since = self._bounds.now
        super().pause_writing()
        self._bounds.unread.note(self, self.transport.get_write_buffer_size() + self._long)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._bounds.unread.note(self, self._long)

    # What the parser tells

    def on_message_begin(self) -> None:
        if self._is_over or self.transport.is_closing():
            self._is_over = True
            raise _OverError
        self._since = self._bounds.now
        self._useless = 0
        self.url = b""
        self.headers = []
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # else a trailer
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if len(self.headers) > MOST_LINES or self._head_size or self._chunk_size > self._bounds.max_headers:
            self._check_head()
        self._head_size = 0
        if self.parser.should_upgrade():
            self._is_upgrading = True  # decided on when the parser stops for it
            return
        cycle, url = self.cycle, self.url
        if (cycle is None or cycle.response_complete) and url[:1] == b"/" and url.isascii() and b"#" not in url:
            headers = headers_from(self.headers)
            path, query = _split(url)
            method = self.parser.get_method().decode()
            target = self._door.match_inline(method, path)
            is_light = self._weight < HEAVY and not self.flow.write_paused
            if target is not None and is_light and _is_short(headers, target.limit):
                self._head = (target, method, path, query, headers)
                return
        self._hand_over()

    def on_body(self, body: bytes) -> None:
        self._useless = 0
        if self._head is not None:
            self._body += body
        elif not self._is_upgrading:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._head is not None:
            head, body = self._head, self._body
            self._head, self._body = None, b""
            if self._held:
                self._let_go()
            self._answer(*head, body)
        elif not self._is_upgrading:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self._since = self._bounds.now
        queued, following = len(self.pipeline), self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if len(self.pipeline) < queued:
            self._running = following  # uvicorn has taken it from the pipeline and started it
        self._unset_keepalive_if_required()  # `overdue` sees to it

    # Answering

    def _answer(
        self, target: RouteMatch, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        request = request_from(method, path, query, headers, body, self.scheme, self.own)
        answer = self._door.answer(target, request)
        if answer.delay or answer.wire or answer.first is not None:
            self._hand_over(answer)
            super().on_message_complete()
        else:
            self._write(answer, method)

    def _hand_over(self, answer: Answer | None = None) -> None:
        """To the asgi_app as an application; with the answer, where it is known and only its writing is left."""
        if len(self.pipeline) == MOST_WAITING:
            self._refuse(503, f"more than {MOST_WAITING} requests wait")
            raise _OverError
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers += headers
        self.expect_100_continue = any(n == b"expect" and v.lower() == b"100-continue" for n, v in headers)
        extensions: dict[str, Any] = {"swapmock.client": self, "swapmock.answer": answer}
        self.scope["extensions"] = extensions
        queued = len(self.pipeline)
        super().on_headers_complete()
        if len(self.pipeline) == queued:
            self._running = self.cycle  # uvicorn has started it; else it waits in the pipeline

    def _write(self, answer: Answer, method: str) -> None:
        """As uvicorn does, in one piece."""
        keeps_alive = self.parser.should_keep_alive() and not self._bounds.is_stopping
        connection = b""
        if not keeps_alive:
            connection = b"connection: close\r\n"
        elif self.parser.get_http_version() == "1.0":
            connection = b"connection: keep-alive\r\n"
        start, lines = STATUS_LINE[answer.status] + self._bounds.default_headers, header_lines(tuple(answer.headers))
        head = b"%s%scontent-length: %d\r\n%s\r\n" % (start, lines, len(answer.body), connection)
        if not self._unwritten:
            self._bounds.outbox.note(self)
        self._unwritten.append(head if method == "HEAD" else head + answer.body)
        self._weight += len(answer.body)
        self._since = self._bounds.now
        if not keeps_alive:
            self._end()
        elif len(self._unwritten) == MOST_UNWRITTEN or self._weight >= HEAVY:
            self.flush()

    def flush(self) -> None:
        """Write what waits for it."""
        if self._unwritten and not self.transport.is_closing():
            self.transport.write(b"".join(self._unwritten))
        self._unwritten.clear()

    # Refusing

    @property
    def _is_busy(self) -> bool:
        """A request that has come whole is being answered."""
        running = self._running
        return running is not None and not running.response_complete and not running.more_body

    @property
    def _is_asking(self) -> bool:
        """A request has begun and has not come whole."""
        cycle = self.cycle
        is_reading = cycle is not None and not cycle.response_complete and cycle.more_body
        return self._is_in_head or self._head is not None or is_reading

    def _check_head(self) -> None:
        if len(self.headers) > MOST_LINES:
            self._refuse(431, f"more than {MOST_LINES} header lines")
            raise _OverError
        if _size(self.url, self.headers) > self._bounds.max_headers:
            self._refuse(431, "the head is too large; --max-headers allows more")
            raise _OverError

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The request as if it had asked for no other protocol (RFC 9110 7.8), and what came behind its head. The parser
        stops before its body, which Java's client, for one, sends along with its wish for HTTP/2."""
        self._is_upgrading = False
        method, url = self.parser.get_method(), self.url
        if method == b"CONNECT":
            self._refuse(405, "this is no proxy")
            return b""
        version = self.parser.get_http_version().encode()
        lines = b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade")
        self.parser = HttpRequestParser(self)
        return b"%s %s HTTP/%s\r\n%s\r\n%s" % (method, url, version, lines, rest)

    def _refuse(self, status: int, text: str) -> None:
        """The last answer on this connection; none at all where another one is still being worked on."""
        cycle = self.cycle
        is_begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if not self._is_busy and not is_begun:
            body = f"{text}\n".encode()
            head = b"%s%scontent-length: %d\r\nconnection: close\r\n\r\n"
            plain = header_lines(tuple(PLAIN))
            self.flush()
            self.transport.write(head % (STATUS_LINE[status], plain, len(body)) + body)
            if self._chunk_size and self.transport.can_write_eof():
                self._linger()
                return
        self._finish()

    def _linger(self) -> None:
        """Let the client finish, for a while: closed while it is still sending, the connection would be reset, and what
        was written be lost on the way (RFC 9112 9.6)."""
        self._is_over = True
        self.transport.write_eof()
        self.flow.resume_reading()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(LINGER, self.transport.abort)

    def _finish(self) -> None:
        """Close, once every request that has come whole is answered."""
        if not self._is_busy:
            self._end()
            return
        self._is_over = True
        if self.cycle.more_body:  # it is the last one that waits
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self._running
        self.cycle.keep_alive = False

    def _end(self) -> None:
        self._is_over = True
        self._since = self._bounds.now
        self.flush()
        self.transport.close()

    def overdue(self, latest: float) -> None:
        """Let go of a client that has been waited for since before `latest`."""
        if self._since > latest:
            return
        if self.flow.write_paused or self.transport.is_closing():
            self.transport.abort()
        elif self._is_busy:
            return
        elif self._is_over:
            self.transport.abort()
        elif self._is_asking:
            self._refuse(408, "the request took too long")
        else:
            self._end()

    def shutdown(self) -> None:
        """Called by uvicorn when the server stops."""
        self._finish()

    # What the asgi_app asks

    async def drained(self) -> None:
        await self.flow.drain()

    def holds(self, size: int) -> None:
        self._long = size
        left = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        self._bounds.unread.note(self, left + size)

    # Faults on the wire

    def reset(self) -> None:
        if self.is_gone:
            return
        connection = self.transport.get_extra_info("socket")
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()

    def hang_up(self) -> None:
        self._end()

    @property
    def is_gone(self) -> bool:
        return self.transport.is_closing()


def _authority(server: tuple[str, int | None] | None) -> str:
    """The host and port that a client came to; a unix socket has none."""
    if server is None or server[1] is None:
        return "localhost"
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(url: bytes) -> tuple[str, str]:
    """Path, decoded, and query."""
    path, _, query = url.decode().partition("?")
    return (unquote(path) if "%" in path else path), query


def _is_short(headers: Mapping[str, str], limit: int) -> bool:
    """The body, if there is one, is short and simply sent."""
    if "transfer-encoding" in headers or "expect" in headers:
        return False
    return int(headers.get("content-length", 0)) <= min(limit, SHORT)


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
