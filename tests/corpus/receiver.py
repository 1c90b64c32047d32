"""A receiver of callbacks on loopback that keeps the raw bytes of what comes and answers as it is told."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

#: The port, always the same: it stands in the callback URLs of requests, and tokens of links follow from the bytes of
#: their request. With another port each of them would be another one, and no mask could tell why.
PORT = 24031

#: Real seconds to wait for the port, should another recording have it.
PORT_PATIENCE = 120.0

#: What acknowledges at both providers.
ACCEPT = b'{"code":"200"}'


def answer(status: int = 200, body: bytes = ACCEPT, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


#: What the n-th request since the last `got()` is answered: bytes, or a word for what is done to the connection
#: (`close`, `reset`, `silent:SECONDS`).
Plan = Callable[[int], bytes | str]


def accept(_: int) -> bytes:
    return answer()


def refuse(_: int) -> bytes:
    return answer(500, b'{"code":"500"}')


def refuse_first(count: int) -> Plan:
    return lambda number: refuse(number) if number <= count else accept(number)


class Receiver:
    """What came is in `got()`, which forgets it."""

    def __init__(self) -> None:
        self.plan: Plan = accept
        self._got: list[bytes] = []
        self._lock = threading.Lock()
        self._listener = _listen()
        self.port = PORT
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, path: str = "/cb") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def got(self) -> list[bytes]:
        with self._lock:
            found, self._got = self._got, []
        return found

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            raw = _read(connection)
            with self._lock:
                self._got.append(raw)
                number = len(self._got)
            planned = self.plan(number)
            if isinstance(planned, bytes):
                connection.sendall(planned)
            elif planned.startswith("silent:"):
                threading.Event().wait(float(planned.partition(":")[2]))
            elif planned == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _listen() -> socket.socket:
    end = time.monotonic() + PORT_PATIENCE
    while True:
        try:
            return socket.create_server(("127.0.0.1", PORT), backlog=64)
        except OSError:
            if time.monotonic() > end:
                raise
            threading.Event().wait(0.2)


def _read(connection: socket.socket) -> bytes:
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = connection.recv(65536)
        if not piece:
            return raw
        raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


def taken_apart(raw: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    """Request line, headers and body."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines[1:]]
    return lines[0], [(name, value.strip()) for name, _, value in pairs], body
