"""Receivers of callbacks for tests, on loopback: one that speaks HTTP, and one that does what it likes with the socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

#: Real seconds that a test waits for something before it gives up.
PATIENCE = 20.0


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


class Receiver:
    """`with Receiver(plan) as receiver: receiver.url("/cb")`; what came is in `got`."""

    def __init__(self, plan: Plan = accept, port: int = 0) -> None:
        self.plan = plan
        self.got: list[Got] = []
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = receiver._take(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", answer.decode())
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # senders may hang up on us: that is what some tests are about

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def _take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        with self._changed:
            got = Got(len(self.got) + 1, method, path, headers, body)
            self.got.append(got)
            self._changed.notify_all()
        planned = self.plan(got)
        status, answer = planned if isinstance(planned, tuple) else (planned, b"")
        return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/cb") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def bodies(self) -> list[Any]:
        return [got.json for got in self.got]

    def wait_for(self, count: int) -> list[Got]:
        """What came, as soon as there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, PATIENCE), f"{len(self.got)} of {count} came"
            return list(self.got)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
