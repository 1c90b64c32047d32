"""Forwards a request to the process that holds its sandbox, and receives such requests: HTTP between processes of
one emulator.

The forwarded request is the client's request with one more header: a secret, and how the client came. The other
process makes the answer, but does not write it as HTTP: it returns status, headers, delay and connection fault as
JSON, followed by the body. The process that has the client writes this like its own answers, so that delays and
faults apply to the client's connection. Bodies are passed on piece by piece in both directions; nothing is read
before the other side needs it."""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import h11

from swapmock.mock_server.core.placement import Peer
from swapmock.mock_server.web.bodies import GoneError, Receive, next_message
from swapmock.mock_server.web.messages import Answer

#: The header of a forwarded request: the secret, a space, and a Hop as JSON.
HOP_HEADER = b"x-swapmock-hop"

#: The timeout in seconds for connecting to another process; the most bytes of a head; the bytes of one read.
CONNECT_TIMEOUT, MOST_HEAD, PIECE = 0.8, 1 << 20, 1 << 16

#: The seconds between two checks whether the client has disconnected while the other process is working.
LOOK_INTERVAL = 0.1

#: The media type of a forwarded answer: the length of its JSON in decimal, a line feed, the JSON, the body.
ANSWER_TYPE = b"application/x-swapmock-answer"


class Hop(NamedTuple):
    """How the client reached the first process: its `method`, the `scheme`, the host and port that it reached
    (`own`), its address `client`, whether that is a trusted proxy, and the path where the application is mounted
    (`root`). `is_part` says that the first process asks for this process's part of a combined answer."""

    method: str
    scheme: str
    own: str
    client: tuple[str, int] | None
    is_trusted_proxy: bool
    root: str = ""
    is_part: bool = False


class NotReached(Exception):
    """The other process could not be reached: it has not received the request."""


class NoAnswer(Exception):
    """The other process ended before its answer was complete: it may have executed the request."""


def written(hop: Hop, secret: str) -> bytes:
    """Return the value of the hop header."""
    return f"{secret} {json.dumps(hop)}".encode()


def carries_secret(scope: Any, secret: str) -> bool:
    """Whether a request has one hop header, with the right `secret`."""
    values = [value for name, value in scope["headers"] if name == HOP_HEADER]
    return len(values) == 1 and bool(secret) and hmac.compare_digest(values[0].partition(b" ")[0], secret.encode())


def read_hop(scope: Any, secret: str) -> Hop | None:
    """Return the hop of a request that carries the right `secret`; None otherwise. Every hop header is removed from
    `scope`, whatever its value."""
    headers = scope["headers"]
    values = [value for name, value in headers if name == HOP_HEADER]
    if not values:
        return None
    is_right = carries_secret(scope, secret)
    scope["headers"] = [pair for pair in headers if pair[0] != HOP_HEADER]
    if not is_right:
        return None
    text = values[0].partition(b" ")[2]
    method, scheme, own, client, is_trusted, root, is_part = json.loads(text)
    return Hop(method, scheme, own, None if client is None else (client[0], client[1]), is_trusted, root, is_part)


def hop_of(scope: Any, client: Any, *, is_part: bool = False) -> Hop:
    """Return the hop of a request that came from a client. `is_part` asks for a part of a combined answer."""
    return Hop(
        scope["method"],
        scope["scheme"],
        client.own,
        scope["client"],
        client.is_trusted_proxy,
        scope.get("root_path", ""),
        is_part,
    )


async def send_answer(send: Callable[[Any], Awaitable[None]], answer: Answer) -> None:
    """Send `answer` back to the process that forwarded its request. For an answer with `stream` or `content`, the
    caller then sends the rest."""
    goes_on = answer.stream is not None or answer.content is not None
    headers = answer.headers
    if answer.stream is not None:
        headers = [pair for pair in headers if pair[0].lower() != "content-length"]
    body = b"" if answer.content is not None else answer.body
    facts = {
        "status": answer.status,
        "headers": headers,
        "delay": answer.delay,
        "fault": answer.connection_fault,
        "length": None if goes_on else len(body),
    }
    head = json.dumps(facts).encode()
    head = b"%d\n%s" % (len(head), head)
    lines = [(b"content-type", ANSWER_TYPE)]
    if not goes_on:
        lines.append((b"content-length", b"%d" % (len(head) + len(body))))
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": head, "more_body": True})
    for start in range(0, len(body), PIECE):
        await send({"type": "http.response.body", "body": body[start : start + PIECE], "more_body": True})
    if not goes_on:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Forwarded:
    """One request at another process, used with `async with`.

    `answer` returns the answer without its body; `body` then yields the body."""

    def __init__(self, peer: Peer, hop: Hop, secret: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self._peer = peer
        method = "GET" if hop.method == "HEAD" else hop.method  # the answer to a HEAD has no body
        kept = list(headers)
        self._is_expecting = any(name == b"expect" for name, _ in kept)
        if not any(name == b"host" for name, _ in kept):
            kept.append((b"host", b"localhost"))  # only HTTP/1.0 requests may lack a Host
        self._request = h11.Request(
            method=method,
            target=target,
            headers=[*kept, (HOP_HEADER, written(hop, secret))],
        )
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._may_send = asyncio.Event()
        self._is_answered = False
        self._rest = b""
        #: The bytes of the answer's body, once `answer` has returned; None if the body goes on until one side
        #: disconnects.
        self.length: int | None = 0

    async def __aenter__(self) -> Forwarded:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                self._reader, self._writer = await _connect(self._peer.address)
        except OSError as error:  # a time-out is one
            raise NotReached(f"{self._peer.name} at {self._peer.address}: {error}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    async def answer(self, receive: Receive | None, client: Any, body: bytes | None = None) -> Answer:
        """Send the request with its body, which comes from `receive` or, if already read, from `body`. Return the
        answer without its body. Raises NoAnswer if none comes, and GoneError if `client` disconnects meanwhile."""
        sending = asyncio.ensure_future(self._send(receive, body))
        watching = asyncio.ensure_future(self._watch(client))
        answering = asyncio.ensure_future(self._read_answer())
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not sending.cancelled() and isinstance(sending.exception(), GoneError):
                raise GoneError
            if not answering.done():
                raise GoneError
            return answering.result()
        finally:
            for task in (sending, watching, answering):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body of the answer, piece by piece. Raises NoAnswer if it ends too soon."""
        if self._rest:
            yield self._rest
        while (piece := await self._next_piece()) is not None:
            yield piece

    async def _send(self, receive: Receive | None, body: bytes | None) -> None:
        assert self._writer is not None
        self._write(self._request)
        if self._is_expecting and body is None:
            await self._may_send.wait()
        headers = dict(self._request.headers)
        if body is not None:
            self._write(h11.Data(data=body))
        elif receive is not None and (b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"):
            more = True
            while more and not self._is_answered:
                message = await next_message(receive)
                more = message["more_body"]
                if message["body"]:
                    self._write(h11.Data(data=message["body"]))
                    with suppress(OSError):  # the other process has answered and closed; `_read_answer` handles this
                        await self._writer.drain()
        if not self._is_answered:
            self._write(h11.EndOfMessage())

    def _write(self, event: Any) -> None:
        assert self._writer is not None
        sent = self._h11.send(event)
        if sent:
            self._writer.write(sent)

    async def _watch(self, client: Any) -> None:
        """Return when the client has disconnected. If the client sends no more, tell the other process: this ends a
        `wait`."""
        assert self._writer is not None
        has_left = False
        while not client.is_gone:
            if client.has_left and not has_left and self._writer.can_write_eof():
                has_left = True
                with suppress(OSError):
                    self._writer.write_eof()
            await asyncio.sleep(LOOK_INTERVAL)

    async def _read_answer(self) -> Answer:
        head = b""
        while b"\n" not in head or len(head) < head.index(b"\n") + 1 + int(head[: head.index(b"\n")]):
            piece = await self._next_piece()
            if piece is None:
                raise NoAnswer(f"{self._peer.name} did not answer")
            head += piece
        size, _, rest = head.partition(b"\n")
        facts = json.loads(rest[: int(size)])
        self._rest = rest[int(size) :]
        self.length = facts["length"]
        headers = [(name, value) for name, value in facts["headers"]]
        return Answer(facts["status"], headers, b"", facts["delay"], facts["fault"])

    async def _next_piece(self) -> bytes | None:
        """Return the next piece of the answer's content; None at its end. Raises NoAnswer if the connection ends
        before."""
        while True:
            try:
                event: Any = self._h11.next_event()
                if event is h11.NEED_DATA:
                    self._h11.receive_data(await self._reader.read(PIECE))
                    continue
            except (OSError, h11.RemoteProtocolError) as error:
                raise NoAnswer(f"{self._peer.name}: {error}") from error
            if isinstance(event, h11.InformationalResponse):
                self._may_send.set()
            elif isinstance(event, h11.Response):
                self._is_answered = True
                if dict(event.headers).get(b"content-type") != ANSWER_TYPE:
                    raise NoAnswer(f"{self._peer.name} answered {event.status_code}, not as a process of this emulator")
            elif isinstance(event, h11.Data):
                return bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return None
            else:
                raise NoAnswer(f"{self._peer.name} closed the connection")


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"))
    url = urlsplit(address)
    is_secure = url.scheme == "https"
    port = url.port or (443 if is_secure else 80)
    tls = ssl.create_default_context() if is_secure else None
    reader, writer = await asyncio.open_connection(url.hostname, port, ssl=tls)
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return reader, writer


async def call(peer: Peer, secret: str, path: str, document: Any, timeout: float = 10.0) -> Any:
    """Ask another process for something that clients may not ask for. `document` and the result are JSON values.
    Raises NotReached or NoAnswer if that fails within `timeout` seconds."""
    body = json.dumps(document).encode()
    headers = [(b"host", b"localhost"), (b"content-length", b"%d" % len(body))]
    hop = Hop("POST", "http", "localhost", None, False)
    try:
        async with asyncio.timeout(timeout), Forwarded(peer, hop, secret, path.encode(), headers) as forwarded:
            answer = await forwarded.answer(None, _Nobody, body)
            content = b"".join([piece async for piece in forwarded.body()])
    except TimeoutError:
        raise NoAnswer(f"{peer.name} did not answer within {timeout:g} s") from None
    if answer.status != 200:
        raise NoAnswer(f"{peer.name} refused {path}: {content[:200]!r}")
    return json.loads(content)


class _Nobody:
    """The client of a call between processes: it never disconnects."""

    is_gone = has_left = False


Handlers = Mapping[str, Callable[[Any], Awaitable[Any]]]
