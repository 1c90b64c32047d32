"""A receiver of callbacks: the HTTP/1.1 server for `swapmock listen`, for the relay of `swapmock run`, and for
tests.

h11 parses the requests, so chunked bodies and malformed requests are handled as in RFC 9112. Each connection has
a thread, because a handler may wait. Size, time and the number of connections are limited."""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from socketserver import ThreadingTCPServer
from threading import BoundedSemaphore, Thread
from typing import Any, NamedTuple, Self

import h11

from swapmock.mock_server.adapters.clock import SystemTime

#: The most bytes that one call of `recv` returns.
CHUNK = 1 << 16

#: The number of chunks of a refused request that are still read, and the timeout for each in seconds.
DRAIN_CHUNKS, DRAIN_SECONDS = 64, 0.5


@dataclass(frozen=True)
class ReceiverLimits:
    """The limits of a receiver: `head` and `body` in bytes, `seconds` for a whole request, `connections` at the same
    time."""

    head: int = 1 << 16
    body: int = 1 << 20
    seconds: float = 30.0
    connections: int = 512


@dataclass(frozen=True)
class ReceivedRequest:
    """One received request, numbered from 1. `target` is path and query. `headers` keep the sender's spelling."""

    number: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of the first header called `name` (in any case); "" without one."""
        return next((value for found, value in self.headers if found.lower() == name.lower()), "")

    @property
    def json(self) -> Any:
        """Return the body as parsed JSON. Raises ValueError if the body is not JSON."""
        return json.loads(self.body)


class ReceiverAnswer(NamedTuple):
    """What to answer: HTTP status, body and further headers. Status 0 resets the connection without an answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def json_answer(status: int, value: Any) -> ReceiverAnswer:
    """Return an answer whose body is `value` as JSON."""
    return ReceiverAnswer(status, json.dumps(value).encode(), (("Content-Type", "application/json"),))


#: The function that answers a request. It is called in the connection's thread and may wait.
Handler = Callable[[ReceivedRequest], ReceiverAnswer]


class RequestRefused(Exception):
    """The receiver does not accept the request: `status` is the HTTP status of the answer, the text says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def decoded_body(request: ReceivedRequest, limit: int) -> bytes:
    """Return the body of `request` without its content coding (gzip or deflate).

    Raises RequestRefused if the coding is unknown, the data is damaged, or the result is larger than `limit`
    bytes. At most `limit` bytes are ever unpacked."""
    coding = request.header("content-encoding").strip().lower() or "identity"
    if coding == "identity":
        return request.body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise RequestRefused(415, f"the content coding {coding[:40]!r} is not supported")
    unpacker = zlib.decompressobj(47)  # 32 + 15: the header says whether it is gzip or zlib
    try:
        body = unpacker.decompress(request.body, limit + 1)
    except zlib.error:
        raise RequestRefused(400, f"the body is not {coding} data") from None
    if len(body) > limit:
        raise RequestRefused(413, f"the body unpacks to more than {limit} bytes")
    if not unpacker.eof:
        raise RequestRefused(400, f"the {coding} data ends too soon")
    return body


class Receiver(ThreadingTCPServer):
    """Listens on `host` and `port` (0 takes a free port) as soon as it is made, and answers with `handle`.

    `serve_forever()` answers in the calling thread; `with Receiver(...)` answers in a separate thread.
    `on_refused` is called with the reason whenever a request is refused before it reaches `handle`. Raises
    OSError if the port is taken."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(
        self,
        handle: Handler,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: ReceiverLimits | None = None,
        on_refused: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.handle = handle
        self.limits = limits or ReceiverLimits()
        self.on_refused = on_refused
        self.now = now or SystemTime().now
        self._numbers = count(1)
        self._places = BoundedSemaphore(self.limits.connections)
        self._thread: Thread | None = None
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), lambda *_: None)  # type: ignore[arg-type]  # `finish_request` does not use it

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self.server_address[1])

    @property
    def base_url(self) -> str:
        """The URL of the receiver."""
        host = str(self.server_address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def next_number(self) -> int:
        """Return the number of the next request, from 1."""
        return next(self._numbers)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, or close it if there are too many."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.on_refused(f"more than {self.limits.connections} connections at a time")
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, then count it as closed."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as its parent calls it
        """Serve a connection."""
        _Connection(self, request).serve()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of a connection: a sender may disconnect at any time."""

    def start(self) -> Self:
        """Answer in a separate thread until `stop` is called."""
        self._thread = Thread(target=self.serve_forever, args=(0.01,), name="swapmock-receiver", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening. Open connections are answered to their end."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()

    def __enter__(self) -> Self:
        return self if self._thread is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Connection:
    """One connection of a sender."""

    def __init__(self, receiver: Receiver, connection: socket.socket) -> None:
        self._receiver = receiver
        self._socket = connection
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=receiver.limits.head)

    def serve(self) -> None:
        """Answer requests until the sender or the answer closes the connection."""
        try:
            while (request := self._read()) is not None:
                self._send(self._receiver.handle(request), request.method)
                if self._http.our_state is not h11.DONE:
                    return
                self._http.start_next_cycle()
        except RequestRefused as refused:
            self._refuse(refused)
        except h11.RemoteProtocolError as error:
            self._refuse(RequestRefused(error.error_status_hint, f"not a valid HTTP/1.1 request: {error}"))

    def _read(self) -> ReceivedRequest | None:
        """Return the next request with its whole body; None if the sender sends no more."""
        limits, deadline = self._receiver.limits, self._receiver.now() + self._receiver.limits.seconds
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if not self._receive(deadline):
                    if head is None and not self._http.trailing_data[0]:
                        return None
                    raise RequestRefused(408, f"the request did not come whole within {limits.seconds:g} s")
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > limits.body:
                    raise RequestRefused(413, f"the body is larger than {limits.body} bytes")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return self._request(head, bytes(body))
            else:
                return None

    def _receive(self, deadline: float) -> bool:
        """Read more bytes. Return False if none come before `deadline` (seconds of the receiver's clock)."""
        if self._http.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))
        left = deadline - self._receiver.now()
        if left <= 0:
            return False
        self._socket.settimeout(left)
        try:
            self._http.receive_data(self._socket.recv(CHUNK))
        except TimeoutError:
            return False
        return True

    def _request(self, head: h11.Request, body: bytes) -> ReceivedRequest:
        headers = tuple((_text(name), _text(value)) for name, value in head.headers.raw_items())
        return ReceivedRequest(self._receiver.next_number(), _text(head.method), _text(head.target), headers, body)

    def _send(self, answer: ReceiverAnswer, method: str) -> None:
        if not answer.status:
            reset(self._socket)
            return
        can_have_body = answer.status not in (204, 304)
        has_body = can_have_body and method != "HEAD"
        length = [("Content-Length", str(len(answer.body)))] if can_have_body else []
        headers = [*answer.headers, *length]
        self._write(
            h11.Response(status_code=answer.status, headers=headers, reason=_phrase(answer.status)),
            *([h11.Data(data=answer.body)] if has_body else []),
            h11.EndOfMessage(),
        )

    def _write(self, *events: h11.Event) -> None:
        self._socket.settimeout(self._receiver.limits.seconds)
        self._socket.sendall(b"".join(self._http.send(event) or b"" for event in events))

    def _refuse(self, refused: RequestRefused) -> None:
        self._receiver.on_refused(str(refused))
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            reason = f"{refused}\n".encode("ascii", "backslashreplace")
            self._send(ReceiverAnswer(refused.status, reason, (("Connection", "close"),)), "")
            self._drain()

    def _drain(self) -> None:
        """Read what the sender is still sending, within limits. With unread bytes the system would reset the
        connection, and the sender would not see the answer."""
        self._socket.shutdown(socket.SHUT_WR)
        self._socket.settimeout(DRAIN_SECONDS)
        for _ in range(DRAIN_CHUNKS):
            if not self._socket.recv(CHUNK):
                return


def reset(connection: socket.socket) -> None:
    """Close `connection` with a TCP reset, so that the other side knows that there is no answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def header_pairs(pairs: Iterable[tuple[str, str]], *without: str) -> list[tuple[str, str]]:
    """Return `pairs` without the headers named in `without` (lower case)."""
    return [(name, value) for name, value in pairs if name.lower() not in without]
