"""HTTP/1.1 of the live server: uvicorn's protocol class, with a fast path for requests that need no waiting.

uvicorn parses (with httptools), keeps the requests of a connection in order, and handles flow control and TLS. Its path
to an application takes two thirds of the time of a request: a task, a dictionary and four messages. A vendor's operation
with a short body needs none of them. Everything that waits, streams, has a connection fault or belongs to the admin API
takes uvicorn's path to the same application. A request whose head came before, on any connection, is not parsed: its bytes
find the parsed head (`request_head.KnownHeads`).

uvicorn's option `http` accepts such a class (github.com/Kludex/uvicorn/issues/1228). The attributes of the parent class that
are used here exist since uvicorn 0.30; `web/protocol_check.py` tries them when a server starts.

The limits are here, too: uvicorn has none for the size of headers or for the time that a client takes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from swapmock.mock_server.web.bounds import Bounds, Flow
from swapmock.mock_server.web.forwarded import forwarded_base_url
from swapmock.mock_server.web.messages import (
    GARBAGE,
    PLAIN,
    Answer,
    header_lines,
    headers_from,
    request_from,
    takes_time,
)
from swapmock.mock_server.web.mounting import RouteMatch
from swapmock.mock_server.web.request_head import (
    MOST_LINES,
    Head,
    authority,
    framing_fault,
    is_short,
    size_fault,
    split_target,
    without_host,
)
from swapmock.mock_server.web.sendfile import can_send, send_file

#: Requests of one connection that may wait for the answer to an earlier one.
MOST_WAITING = 1000

#: The most answers of one connection that wait to be written, and their most bytes: a client may send many requests and
#: read no answer. After more than HEAVY bytes, other connections are served first.
MOST_UNWRITTEN, HEAVY = 16, 65_536

#: The lowest accepted speed of a body, in bytes per second, after the time-out for a request. A faster body may take
#: any time, as long as the client is never silent for the whole time-out.
SLOWEST = 1000

#: The seconds for which a refused client may continue to send.
LINGER = 1.0

_LINGER_NOT = struct.pack("ii", 1, 0)


class _OverError(Exception):
    """Raised through the parser to stop it: nothing more is read from this connection."""


class Connection(HttpToolsProtocol):
    """A connection of one client."""

    # uvicorn's types are wrong here: `cycle` is None before the first request, and `scheme` is set once connected.
    cycle: Any
    scheme: Any

    takes_views = True

    def __init__(self, bounds: Bounds, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._bounds = bounds
        self._asgi_app = bounds.asgi_app
        self._head: tuple[RouteMatch, Head] | None = None
        self._body = b""
        #: How many bytes of the request are taken from the body budget.
        self._held = 0
        self._unwritten: list[bytes] = []
        #: The bytes of answers since the last bytes from the client, and the bytes of a long answer that is being
        #: written.
        self._weight = self._long = 0
        #: The bytes since the last useful one: a client may send an endless trailer.
        self._useless = 0
        self._is_in_head = self._is_upgrading = self._is_over = self.has_left = False
        #: Whether the parser is between two requests, and the bytes that came when it last was.
        self._is_between, self._chunk = True, b""
        #: The answer to the request that is given to the parser, if it is known already.
        self._known_answer: Answer | None = None
        self._head_size = self._chunk_size = 0
        #: The request that is being answered; uvicorn's `cycle` is the newest request.
        self._running: Any = None
        #: The time since which the server has been waiting for the client to send or to read.
        self._since = self._began = bounds.now
        #: The bytes of the body that have arrived.
        self._received = 0
        #: The task that waits for the client to read a file.
        self.waits: asyncio.Future[None] | None = None

    # Events of the transport

    def connection_made(self, transport: Any) -> None:
        """Start to serve a client."""
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        self.own = authority(self.server)
        self.peer = self.client[0] if self.client else ""
        self.is_trusted_proxy = self._bounds.asgi_app.proxies.trusts(self.peer)
        self._is_secure = self.scheme == "https"
        self.scheme = self._bounds.scheme or self.scheme
        if len(self.connections) > self._bounds.max_connections:
            self._refuse(503, "too many connections; --max-connections allows more")

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after the connection was closed."""
        super().connection_lost(exc)
        self.has_left = True
        self._release_body()
        self._bounds.unread.note(self, 0)
        if self.waits is not None and not self.waits.done():
            self.waits.set_result(None)
        if self._running is not None:  # uvicorn informs only the newest request
            self._running.disconnected = not self._running.response_complete
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Answer a request with a known head at once; parse other bytes."""
        self._weight = 0
        if self._is_between:
            known = self._bounds.heads.find(data)
            if known is not None and self._answer_known(*known):
                return
            self._chunk = data
        else:
            self._chunk = b""
        self._parse(data)

    def _answer_known(self, head: Head, body: bytes) -> bool:
        """Answer a request without the parser, and return True. Return False if the parser is needed."""
        cycle, bounds = self.cycle, self._bounds
        if cycle is not None and not cycle.response_complete:
            return False
        if self._is_over or self.flow.write_paused or self.transport.is_closing():
            return False
        target = self._asgi_app.match_inline(head.method, head.path)
        if target is None:
            return False
        self._since = self._began = bounds.now
        answer = self._ask(target, head, body)
        if answer is None or takes_time(answer):
            self._known_answer = answer  # uvicorn writes it, and needs the parser for this
            return False
        self._write(answer, head.method, not bounds.is_stopping)
        return True

    def _parse(self, data: bytes) -> None:
        while data and not self._is_over:
            self._chunk_size = len(data)
            self._useless += len(data)
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
            except HttpParserError as error:
                if not self._is_over:
                    # Do not show an internal error to the client.
                    reason = "" if isinstance(error, HttpParserCallbackError) else f": {error}"
                    status = 505 if "HTTP version" in reason else 400
                    self._refuse(status, f"not a request as HTTP has them{reason}")
                return
            else:
                if self._is_in_head:
                    # How much of the body is in the first chunk is unknown.
                    self._head_size += self._chunk_size if self._head_size else 1
                    if self._head_size > self._bounds.max_headers:
                        self._refuse(431, "the head is too large; --max-headers allows more")
                elif self._head is not None:
                    self._hold()
                if self._useless > self._bounds.max_headers + self._chunk_size and self._is_asking:
                    self._refuse(431, "the trailer is too large; --max-headers allows more")
                return

    def _hold(self) -> None:
        """Take the received part of a body from the body budget. If the budget is used up, the application refuses
        the request."""
        more = len(self._body) - self._held
        if self._asgi_app.body_budget.acquire(more):
            self._held += more
            return
        body = self._body
        self._head, self._body = None, b""
        self._release_body()
        self._hand_over()
        super().on_body(body)

    def _release_body(self) -> None:
        self._asgi_app.body_budget.release(self._held)
        self._held = 0

    def eof_received(self) -> bool:  # type: ignore[override]  # the parent's never stays open
        """Handle the end of the client's data. Complete requests are answered first."""
        self.has_left = True
        if self._is_asking and not self._is_over:
            self._refuse(400, "the request ended too soon")
        else:
            self._finish()
        return self._is_busy and not self._is_secure  # TLS has no half-closed connections

    def pause_writing(self) -> None:
        """Called when the client reads too slowly."""
        self._since = self._bounds.now
        super().pause_writing()
        self._bounds.unread.note(self, self.transport.get_write_buffer_size() + self._long)

    def resume_writing(self) -> None:
        """Called when the client has read enough."""
        super().resume_writing()
        self._bounds.unread.note(self, self._long)

    # Events of the parser

    def on_message_begin(self) -> None:
        """Called by the parser at the start of a request."""
        if self._is_over or self.transport.is_closing():
            self._is_over = True
            raise _OverError
        self._since = self._began = self._bounds.now
        self._useless = self._received = 0
        self.url = b""
        self.headers = []
        self._is_in_head, self._is_between = True, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each header."""
        if self._is_in_head:  # otherwise it is a trailer
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Called by the parser after the headers."""
        self._is_in_head = False
        if len(self.headers) > MOST_LINES or self._head_size or self._chunk_size > self._bounds.max_headers:
            self._stop_for(size_fault(self.url, self.headers, self._bounds.max_headers))
        self._head_size = 0
        if self.parser.should_upgrade():
            self._is_upgrading = True  # handled when the parser stops for it
            return
        headers = headers_from(self.headers)
        version = self.parser.get_http_version()
        if headers.fault is not None or version != "1.1":
            self._stop_for(framing_fault(headers, version))
        if self.url[:1] != b"/":
            self.url, self.headers = without_host(self.url, self.headers)
            headers = headers_from(self.headers)
        cycle, url = self.cycle, self.url
        if (cycle is None or cycle.response_complete) and url[:1] == b"/" and url.isascii() and b"#" not in url:
            path, query = split_target(url)
            method = self.parser.get_method().decode()
            target = self._asgi_app.match_inline(method, path)
            is_light = self._weight < HEAVY and not self.flow.write_paused
            if target is not None and is_light and is_short(headers, target.limit):
                length = int(headers.get("content-length", 0))
                self._head = target, Head(method, path, query, headers, length)
                return
        self._hand_over()

    def on_body(self, body: bytes) -> None:
        """Called by the parser for each part of a body."""
        self._useless = 0
        self._since = self._bounds.now
        self._received += len(body)
        if self._head is not None:
            self._body += body
        elif not self._is_upgrading:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a request."""
        self._is_between = True
        if self._head is not None:
            (target, head), body = self._head, self._body
            self._head, self._body = None, b""
            if self._held:
                self._release_body()
            self._answer(target, head, body)
        elif not self._is_upgrading:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called when an answer was written."""
        self._since = self._bounds.now
        queued, following = len(self.pipeline), self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if len(self.pipeline) < queued:
            self._running = following  # uvicorn has taken the next request from the pipeline and started it
        self._unset_keepalive_if_required()  # `overdue` handles idle connections

    # Answering

    def _ask(self, target: RouteMatch, head: Head, body: bytes) -> Answer | None:
        """Return the answer to a request; None if the application has to handle the request as a whole."""
        request = request_from(
            head.method, head.path, head.query, head.headers, body, self.scheme, self.own, client=self.peer
        )
        if self.is_trusted_proxy:
            request.base_url = forwarded_base_url(request)
        return self._asgi_app.answer(target, request)

    def _answer(self, target: RouteMatch, head: Head, body: bytes) -> None:
        """Answer the request that the parser has read."""
        answer, self._known_answer = self._known_answer or self._ask(target, head, body), None
        if answer is None:
            self._hand_over()
            if body:
                super().on_body(body)
            super().on_message_complete()
        elif takes_time(answer):
            self._hand_over(answer)
            super().on_message_complete()
        else:
            is_old = self.parser.get_http_version() == "1.0"
            keeps_alive = self.parser.should_keep_alive()
            if self._chunk and keeps_alive and not is_old:
                self._bounds.heads.learn(self._chunk, head)
            self._write(answer, head.method, keeps_alive and not self._bounds.is_stopping, is_old=is_old)

    def _hand_over(self, answer: Answer | None = None) -> None:
        """Pass the request to the ASGI application, with the answer if it is already known."""
        if len(self.pipeline) == MOST_WAITING:
            self._refuse(503, f"more than {MOST_WAITING} requests wait")
            raise _OverError
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers += headers
        self.expect_100_continue = any(n == b"expect" and v.lower() == b"100-continue" for n, v in headers)
        extensions: dict[str, Any] = {"swapmock.client": self, "swapmock.answer": answer or self._known_answer}
        self._known_answer = None
        self.scope["extensions"] = extensions
        queued = len(self.pipeline)
        super().on_headers_complete()
        if len(self.pipeline) == queued:
            self._running = self.cycle  # uvicorn has started the request; otherwise it waits in the pipeline

    def _write(self, answer: Answer, method: str, keeps_alive: bool, *, is_old: bool = False) -> None:
        """Write an answer in the same form as uvicorn, in one piece. `is_old` says whether the client speaks HTTP/1.0."""
        connection = b""
        if not keeps_alive:
            connection = b"connection: close\r\n"
        elif is_old:
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
        """Write all waiting answers."""
        if self._unwritten and not self.transport.is_closing():
            self.transport.write(b"".join(self._unwritten))
        self._unwritten.clear()

    # Refusing

    @property
    def _is_busy(self) -> bool:
        """Whether a complete request is being answered."""
        running = self._running
        return running is not None and not running.response_complete and not running.more_body

    @property
    def _is_asking(self) -> bool:
        """Whether a request has begun and is not complete."""
        cycle = self.cycle
        is_reading = cycle is not None and not cycle.response_complete and cycle.more_body
        return self._is_in_head or self._head is not None or is_reading

    def _stop_for(self, fault: tuple[int, str] | None) -> None:
        """Refuse the request for `fault`, if there is one, and stop the parser."""
        if fault is not None:
            self._refuse(*fault)
            raise _OverError

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Return the request without its `Upgrade` header (RFC 9110 7.8), followed by `rest`, the bytes after its
        headers. The parser stops before the body; clients such as Java's send a body although they ask for
        HTTP/2."""
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
        """Write an error as the last answer on this connection, unless another answer is incomplete."""
        cycle = self.cycle
        is_begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if not self._is_busy and not is_begun:
            answer = self._refused_upload(status) or Answer(status, PLAIN, f"{text}\n".encode())
            head = b"%s%scontent-length: %d\r\nconnection: close\r\n\r\n"
            lines = header_lines(tuple(answer.headers))
            self.flush()
            self.transport.write(head % (STATUS_LINE[answer.status], lines, len(answer.body)) + answer.body)
            if self._chunk_size and self.transport.can_write_eof():
                self._linger()
                return
        self._finish()

    def _refused_upload(self, status: int) -> Answer | None:
        """Return the upload store's answer to a request to the store whose body did not arrive; None for other
        requests."""
        if self._is_in_head or not self._is_asking or self.url[:1] != b"/" or not self.url.isascii():
            return None
        path, query = split_target(self.url)
        headers, method = headers_from(self.headers), self.parser.get_method().decode()
        request = request_from(method, path, query, headers, b"", self.scheme, self.own, client=self.peer)
        return self._asgi_app.refuse_upload(request, status)

    def _linger(self) -> None:
        """Let the client finish sending for a while. If the connection were closed earlier, it would be reset, and
        the answer could be lost (RFC 9112 9.6)."""
        self._is_over = True
        self.transport.write_eof()
        self.flow.resume_reading()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(LINGER, self.transport.abort)

    def _finish(self) -> None:
        """Close the connection once every complete request is answered."""
        if not self._is_busy:
            self._end()
            return
        self._is_over = True
        if self.cycle.more_body:  # the last waiting request is incomplete
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self._running
        self.cycle.keep_alive = False

    def _end(self) -> None:
        self._is_over = True
        self._since = self._bounds.now
        self.flush()
        self.transport.close()

    def overdue(self, latest: float) -> None:
        """Close the connection if the server has waited for its client since before `latest`."""
        if self._since > latest and not self._is_too_slow(latest):
            return
        if self.flow.write_paused or self.waits is not None or self.transport.is_closing():
            self.transport.abort()
        elif self._is_busy:
            return
        elif self._is_over:
            self.transport.abort()
        elif self._is_asking:
            self._refuse(408, "the request took too long")
        else:
            self._end()

    def _is_too_slow(self, latest: float) -> bool:
        """Return whether a body comes more slowly than SLOWEST after the time-out for a request."""
        return self._is_asking and self._began + self._received / SLOWEST <= latest

    def shutdown(self) -> None:
        """Called by uvicorn when the server stops."""
        self._finish()

    # Called by the application

    async def drained(self) -> None:
        """Wait until the client has read almost all that was written."""
        await self.flow.drain()

    def holds(self, size: int) -> None:
        """Note that `size` bytes of an answer are in memory."""
        self._long = size
        left = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        self._bounds.unread.note(self, left + size)

    def note_progress(self) -> None:
        """Note that the client has taken bytes."""
        self._since = self._bounds.now

    async def send_file(self, descriptor: int, start: int, stop: int) -> int | None:
        """Send the bytes `start` to `stop` of the open file `descriptor` as the body; see `asgi.Client.send_file`."""
        if not can_send(self):
            return None
        sent = await send_file(self, descriptor, start, stop)
        self._running.expected_content_length -= sent
        return sent

    def leave_out_date(self) -> None:
        """Note that the next answer has its own Date."""
        cycle = self._running
        cycle.default_headers = [line for line in cycle.default_headers if line[0] != b"date"]

    # Connection faults

    def reset(self) -> None:
        """Send a TCP RST and nothing else; on a unix socket, close the connection."""
        if self.is_gone:
            return
        connection = self.transport.get_extra_info("socket")
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()

    def hang_up(self) -> None:
        """Send a FIN and nothing else."""
        self._end()

    def send_garbage(self) -> None:
        """Send bytes that are not HTTP, then a FIN."""
        self.flush()
        if not self.is_gone:
            self.transport.write(GARBAGE)
        self._end()

    @property
    def is_gone(self) -> bool:
        """Return whether the connection is closed."""
        return self.transport.is_closing()
