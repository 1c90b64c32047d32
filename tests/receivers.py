"""Receivers of callbacks for tests, on loopback: one that speaks HTTP, and one that does what it likes with the socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from swapmock.mock_server.adapters import receiver as adapter
from swapmock.mock_server.adapters.receiver import ReceivedRequest, ReceiverAnswer, ReceiverLimits

#: Real seconds that a test waits for something before it gives up.
PATIENCE = 20.0

#: Tests send larger bodies, and more at once, than a person at a terminal would want to read.
LIMITS = ReceiverLimits(body=1 << 24, connections=4096)


@dataclass
class Got:
    """A delivery as it came in, numbered from 1 over all that this receiver got."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


#: What to answer: a status, or a status and a body (bytes, or a value to be made JSON).
Plan = Callable[[Got], Any]


def accept(_: Got) -> Any:
    """What both vendors take for an acknowledgement."""
    return 200, {"code": "200"}


def refuse_first(count: int) -> Plan:
    return lambda got: (500, {"code": "500"}) if got.number <= count else accept(got)


class Receiver(adapter.Receiver):
    """`with Receiver(plan) as receiver: receiver.url("/cb")`; what came is in `got`."""

    def __init__(self, plan: Plan = accept, port: int = 0) -> None:
        self.plan = plan
        self.got: list[Got] = []
        self._changed = threading.Condition()
        super().__init__(self._take, port=port, limits=LIMITS)

    def _take(self, request: ReceivedRequest) -> ReceiverAnswer:
        with self._changed:
            number = len(self.got) + 1
            got = Got(number, request.method, request.target, dict(request.headers), request.body)
            self.got.append(got)
            self._changed.notify_all()
        planned = self.plan(got)
        status, answer = planned if isinstance(planned, tuple) else (planned, b"")
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return ReceiverAnswer(status, body, (("Location", body.decode()),) if 300 <= status < 400 else ())

    def url(self, path: str = "/cb") -> str:
        return f"{self.base_url}{path}"

    def bodies(self) -> list[Any]:
        return [got.json for got in self.got]

    def wait_for(self, count: int) -> list[Got]:
        """What came, as soon as `count` requests have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, PATIENCE), f"{len(self.got)} of {count} came"
            return list(self.got)

    def close(self) -> None:
        self.stop()


class RawReceiver:
    """Hands every connection to `serve(connection)` in a thread of its own, and closes it afterwards."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.connections = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def url(self, path: str = "/cb") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the sender may hang up on us
            self._serve(connection)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)


def read_request(connection: socket.socket) -> bytes:
    """The whole request: its head, and as much body as that announces."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += connection.recv(65536)
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
