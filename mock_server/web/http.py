"""HTTP/1.1 on an asyncio transport: httptools parses, the door answers, this keeps connections, bounds and order.

There is no server between the two, because every wire fault needs the connection itself, and because it measures best
(bench/README.md). What a client may do is bounded everywhere: heads, bodies, time, requests in hand.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from mock_server.adapters.clock import http_date
from mock_server.web.answers import PLAIN, pieces, start_of
from mock_server.web.pipeline import Answer, Request
from mock_server.web.threads import DaemonThreads

log = logging.getLogger("swapmock")

#: What is read of a body beyond its limit and thrown away, in bytes, for a client that is still sending would not see
#: an answer.
DRAINED = 1 << 24

#: Headers of one request.
MOST_LINES = 100

#: Requests of one connection that wait for their turn before no more is read, and that are answered before others get
#: theirs.
MOST_WAITING, AT_ONCE = 64, 16

#: Answers that are worked on in threads at once; a `wait` of the admin API holds its place for as long as it waits.
MOST_THREADS = 256

_LINGER_NOT = struct.pack("ii", 1, 0)


class Target(Protocol):
    @property
    def limit(self) -> int: ...


#: An answer, or how to get it in a thread, for it takes a while.
Prompt = Answer | Callable[[], Answer]


class Door(Protocol):
    """What answers. `match` finds out where a request goes, and so how long its body may be."""

    def match(self, method: str, path: str) -> Target: ...

    def answer(self, target: Any, request: Request, client: str) -> Prompt: ...


@dataclass(slots=True)
class Head:
    """A request whose body is being read. `kept` is None as soon as there is more of it than its target bears."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    target: Target
    keeps_alive: bool
    is_old: bool
    kept: list[bytes] | None
    size: int = 0


class Connections:
    """All connections of one server, and what they share."""

    def __init__(self, door: Door, scheme: str, max_connections: int, max_headers: int, read_timeout: float) -> None:
        self.door = door
        self.scheme = scheme
        self.max_connections = max_connections
        self.max_headers = max_headers
        self.read_timeout = read_timeout
        self.loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self.stopping = asyncio.Event()
        self.threads = DaemonThreads(MOST_THREADS, "swapmock-work")
        self._date = (-1, b"")
        self._sweep()

    def date(self) -> bytes:
        """The line that says what time it is; made anew each second."""
        second = int(self.loop.time())
        if second != self._date[0]:
            self._date = (second, f"date: {http_date()}\r\n\r\n".encode())
        return self._date[1]

    def _sweep(self) -> None:
        """Let go of those who have taken too long."""
        now = self.loop.time()
        for connection in [each for each in self.open if now - each.since > self.read_timeout]:
            connection.overdue()
        self._timer = self.loop.call_later(min(1.0, self.read_timeout / 4), self._sweep)

    async def end(self, quiet: float, patience: float) -> None:
        """Answer what has been asked, and after `patience` seconds let go of everyone; of those who are still asking
        after `quiet` seconds."""
        self.stopping.set()
        for connection in list(self.open):
            connection.end_if_idle()
        waited = 0.0
        while self.open and waited < patience:
            await asyncio.sleep(0.01)
            waited += 0.01
            if waited >= quiet:
                for connection in list(self.open):
                    connection.end_if_asking()
        self._timer.cancel()
        self.threads.shutdown()
        for connection in list(self.open):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client. Its requests are answered one after the other, in their order."""

    def __init__(self, shared: Connections) -> None:
        self._shared = shared
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._unparsed = self._size = self._lines = 0
        self._head: Head | None = None
        self._waiting: deque[Head | int] = deque()
        self._work: asyncio.Task[None] | None = None
        self._turn: asyncio.Handle | None = None
        self._is_ending = False
        self._is_blocked = self._is_throttled = False
        #: When what is going on now began: waiting for a request, reading one, or writing to a client that does not read.
        self.since = shared.loop.time()

    # What the transport tells ------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
        self._shared.open.add(self)
        if len(self._shared.open) > self._shared.max_connections:
            self._refuse(503, "too many connections; --max-connections allows more")

    def connection_lost(self, _: Exception | None) -> None:
        self._is_ending = True
        self._shared.open.discard(self)
        if self._work is not None:
            self._work.cancel()

    def pause_writing(self) -> None:
        self._is_blocked = True
        self.since = self._shared.loop.time()

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._go_on()

    def eof_received(self) -> bool:
        """The client sends no more: what it has asked is answered first."""
        if self._unparsed or self._head is not None:
            self._waiting.append(400)
        elif not self._is_busy:
            return False
        self._is_ending = True
        self._go_on()
        return self._shared.scheme == "http"  # TLS has no half-closed connections

    def data_received(self, data: bytes) -> None:
        if self._is_ending:
            return
        if self._head is None:
            if not self._unparsed and not self._is_busy:
                self.since = self._shared.loop.time()
            self._unparsed += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._is_ending = True  # no other protocol is spoken: it is answered as if it had not been asked for
        except HttpParserError:
            self._head = None
            self._waiting.append(400)
            self._is_ending = True
        else:
            if self._head is None and self._unparsed > self._shared.max_headers:
                self._waiting.append(431)
                self._is_ending = True
        if self._waiting:
            self._go_on()

    # What the parser tells ---------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._size = len(self._url)
        self._lines = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None:
            return  # a trailer
        self._size += len(name) + len(value) + 4
        self._lines += 1
        if self._size > self._shared.max_headers or self._lines > MOST_LINES:
            return  # it is refused as soon as it has been read
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        if self._size > self._shared.max_headers or self._lines > MOST_LINES:
            self._waiting.append(431)
            self._is_ending = True
            return
        parser, headers = self._parser, self._headers
        method = parser.get_method().decode("latin-1")
        path, _, query = _origin_form(self._url).partition(b"?")
        if b"%" in path:
            path = unquote_to_bytes(path)
        text = path.decode("utf-8", "replace")
        target = self._shared.door.match(method, text)
        keeps_alive = parser.should_keep_alive() and not self._shared.stopping.is_set()
        is_old = parser.get_http_version() != "1.1"
        self._head = Head(method, text, query.decode("utf-8", "replace"), headers, target, keeps_alive, is_old, [])
        self._url, self._headers, self._unparsed = b"", {}, 0
        declared = headers.get("content-length")
        if declared is not None and int(declared) > target.limit:
            self._head.kept = None
            if int(declared) > target.limit + DRAINED:
                self._give_up_reading(self._head)
        elif "expect" in headers and headers["expect"].lower() == "100-continue" and not self._is_busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        head = self._head
        if head is None or self._is_ending:
            return
        head.size += len(chunk)
        if head.size > head.target.limit:
            head.kept = None
            if head.size > head.target.limit + DRAINED:
                self._give_up_reading(head)
        elif head.kept is not None:
            head.kept.append(chunk)

    def on_message_complete(self) -> None:
        head = self._head
        if head is not None and not self._is_ending:
            self._head = None
            self._waiting.append(head)

    def _give_up_reading(self, head: Head) -> None:
        self._head = None
        self._waiting.append(head)
        self._is_ending = True

    # Answering ---------------------------------------------------------------------------------------------------

    @property
    def _is_busy(self) -> bool:
        return bool(self._waiting) or self._work is not None

    def _go_on(self) -> None:
        """Answer what waits, as far as that can be done at once and the client takes it."""
        self._turn = None
        for _ in range(AT_ONCE):
            if not self._waiting or self._work is not None or self._is_blocked or self._transport.is_closing():
                break
            head = self._waiting.popleft()
            if isinstance(head, int):
                self._refuse(head, HTTPStatus(head).phrase)
                return
            answer = self._ask(head)
            if type(answer) is Answer and not (answer.delay or answer.wire or answer.first):
                self._write(head, answer)
            else:
                self._work = self._shared.loop.create_task(self._answer_later(head, answer))
        if self._waiting and not self._is_blocked and self._work is None and self._turn is None:
            self._turn = self._shared.loop.call_soon(self._go_on)
        elif not self._is_busy and self._is_ending:
            self._transport.close()
        is_full = len(self._waiting) > MOST_WAITING or self._is_blocked
        if is_full is not self._is_throttled and not self._transport.is_closing():
            self._is_throttled = is_full
            (self._transport.pause_reading if is_full else self._transport.resume_reading)()

    def _ask(self, head: Head) -> Prompt:
        body = head.kept
        host = head.headers.get("host") or _spelled(self._transport.get_extra_info("sockname"))
        request = Request(
            head.method,
            head.path,
            head.query,
            head.headers,
            b"" if not body else body[0] if len(body) == 1 else b"".join(body),
            f"{self._shared.scheme}://{host}",
            body is None,
        )
        try:
            return self._shared.door.answer(head.target, request, self._client)
        except Exception:
            return _failed(head)

    async def _answer_later(self, head: Head, prompt: Prompt) -> None:
        answer = prompt if isinstance(prompt, Answer) else await self._aside(head, prompt)
        if answer.first is not None:
            await self._shared.loop.run_in_executor(self._shared.threads, answer.first)
        if answer.wire == "dribble" and head.method != "HEAD":
            await self._dribble(head, answer)
        else:
            await self.hold(answer.delay)
            if answer.wire == "reset":
                self._reset()
            elif answer.wire == "hang_up":
                self._transport.close()
            else:
                self._write(head, answer)
        self._work = None
        self._go_on()

    async def _aside(self, head: Head, work: Callable[[], Answer]) -> Answer:
        try:
            return await self._shared.loop.run_in_executor(self._shared.threads, work)
        except Exception:
            return _failed(head)

    def _write(self, head: Head, answer: Answer) -> None:
        body = answer.body if head.method != "HEAD" else b""
        self._transport.write(self._head_of(head, answer) + body)
        self._written(head)

    async def _dribble(self, head: Head, answer: Answer) -> None:
        self._transport.write(self._head_of(head, answer))
        parts = pieces(answer.body)
        for part in parts:
            self._transport.write(part)
            await self.hold(answer.delay / len(parts))
        self._written(head)

    async def hold(self, seconds: float) -> None:
        """Wait `seconds`, or until the server stops."""
        if seconds > 0 and not self._shared.stopping.is_set():
            waiting = asyncio.ensure_future(self._shared.stopping.wait())
            await asyncio.wait([waiting], timeout=seconds)
            waiting.cancel()

    def _head_of(self, head: Head, answer: Answer) -> bytes:
        lines = start_of(answer.status, tuple(answer.headers))
        if head.is_old:
            lines = b"HTTP/1.0" + lines[8:]
        length = b"content-length: %d\r\n" % len(answer.body)
        if not self._keeps(head):
            length += b"connection: close\r\n"
        elif head.is_old:
            length += b"connection: keep-alive\r\n"
        return lines + length + self._shared.date()

    def _keeps(self, head: Head) -> bool:
        return head.keeps_alive and not (self._is_ending and not self._waiting) and not self._shared.stopping.is_set()

    def _written(self, head: Head) -> None:
        self.since = self._shared.loop.time()
        if not self._keeps(head):
            self._waiting.clear()
            self._is_ending = True
            self._transport.close()

    # Ends ----------------------------------------------------------------------------------------------------------

    def _refuse(self, status: int, text: str) -> None:
        """The last answer on this connection."""
        body = f"{text}\n".encode()
        head = start_of(status, tuple(PLAIN)) + b"content-length: %d\r\nconnection: close\r\n" % len(body)
        self._transport.write(head + self._shared.date() + body)
        self._waiting.clear()
        self._is_ending = True
        self._transport.close()

    def _reset(self) -> None:
        """A true RST in place of everything that was still to come; over a unix socket, an end."""
        connection = self._transport.get_extra_info("socket")
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()

    def abort(self) -> None:
        self._transport.abort()

    def overdue(self) -> None:
        """Called once something has gone on for too long."""
        if self._is_blocked or self._transport.is_closing():
            self._transport.abort()
        elif not self._is_busy:
            if self._unparsed or self._head is not None:
                self._refuse(408, "the request took too long")
            else:
                self._transport.close()

    def end_if_idle(self) -> None:
        if not self._is_busy and not self._unparsed and self._head is None:
            self._transport.close()

    def end_if_asking(self) -> None:
        if not self._is_busy:
            self._transport.close()


def _failed(head: Head) -> Answer:
    """For a mistake of ours that nobody else has turned into an answer."""
    log.exception("%s %s failed", head.method, head.path)
    return Answer(500, PLAIN, b"internal error\n")


def _origin_form(url: bytes) -> bytes:
    """Path and query of a request target, which may be a whole URL."""
    if url.startswith(b"/") or b"://" not in url:
        return url
    rest = url.partition(b"://")[2]
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"


def _spelled(address: Any) -> str:
    """The authority of a request that names no host (HTTP/1.0)."""
    if not isinstance(address, tuple):
        return "localhost"
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
