"""The relay for callbacks: a URL that a client can give to a vendor before the client itself listens.

Each request to the relay is recorded and forwarded to one port of this machine, with path and query unchanged. An
emulator in the same process does not connect to the relay: it sends to that port directly, so that its record of
an attempt shows what happened there, such as a refused connection."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from typing import Self

from swapmock.mock_server.adapters.receiver import (
    ReceivedRequest,
    Receiver,
    ReceiverAnswer,
    ReceiverLimits,
    header_pairs,
)
from swapmock.mock_server.core.delivery import SendResult
from swapmock.mock_server.core.ports import Transport

#: Headers that concern one hop only (RFC 9110 7.6.1), and those that are written anew.
NOT_FORWARDED = ("connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "trailer", "upgrade")

#: The most bytes that are read of an answer.
ANSWER_LIMIT = 1 << 20

#: The timeout for an answer from the port, in seconds.
ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class RelayedCallback:
    """One callback: the request, and the HTTP status of the answer, or (status None) why there was none."""

    method: str
    target: str
    body: bytes
    status: int | None
    error: str = ""


class CallbackRelay:
    """Listens on a free port of loopback and forwards to `port` of this machine. `callbacks` are the received
    callbacks, in order."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._lock = Lock()
        self._callbacks: list[RelayedCallback] = []
        self._receiver = Receiver(self._forward, limits=ReceiverLimits(body=1 << 24))

    @property
    def url(self) -> str:
        """The URL that a client gives to the vendor; any path and query may follow."""
        return self._receiver.base_url

    @property
    def callbacks(self) -> list[RelayedCallback]:
        """Return the received callbacks, in order."""
        with self._lock:
            return list(self._callbacks)

    def start(self) -> Self:
        """Start to listen."""
        self._receiver.start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        self._receiver.stop()

    def note(self, callback: RelayedCallback) -> None:
        """Record a callback."""
        with self._lock:
            self._callbacks.append(callback)

    def direct(self, transport: Transport) -> Transport:
        """Return a transport that sends callbacks for the relay to the port behind it, and all others with
        `transport`."""
        return _DirectTransport(self, transport)

    def _forward(self, request: ReceivedRequest) -> ReceiverAnswer:
        """Forward a request. If nothing listens on the port, reset the sender's connection."""
        try:
            answer = self._ask(request)
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, ConnectionRefusedError)
            reason = "the connection was refused" if refused else f"no answer: {error}"
            self.note(RelayedCallback(request.method, request.target, request.body, None, reason))
            return ReceiverAnswer(0)
        self.note(RelayedCallback(request.method, request.target, request.body, answer.status))
        return answer

    def _ask(self, request: ReceivedRequest) -> ReceiverAnswer:
        with closing(http.client.HTTPConnection("localhost", self.port, timeout=ANSWER_SECONDS)) as connection:
            headers = header_pairs(request.headers, *NOT_FORWARDED)
            connection.putrequest(request.method, request.target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            body = answer.read(ANSWER_LIMIT)
            return ReceiverAnswer(answer.status, body, tuple(header_pairs(answer.getheaders(), *NOT_FORWARDED)))


@dataclass(frozen=True)
class _DirectTransport:
    relay: CallbackRelay
    transport: Transport

    @property
    def timeout(self) -> float:
        return self.transport.timeout

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, asker: str = "") -> SendResult:
        rest = url.removeprefix(self.relay.url)
        if rest == url or rest[:1] not in ("", "/", "?", "#"):
            return await self.transport.send(method, url, headers, body, asker)
        target = rest.partition("#")[0]
        result = await self.transport.send(method, f"http://localhost:{self.relay.port}{target}", headers, body)
        self.relay.note(RelayedCallback(method, target or "/", body, result.status, result.error))
        return result


def free_port() -> int:
    """Return a port of loopback on which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
