"""HTTP over plain sockets: what is sent is what the step says, what comes is kept byte for byte."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import NamedTuple

#: Real seconds after which a silent server counts as one that never answers.
PATIENCE = 30.0

#: The host that every request names, so that links, lengths and journals do not depend on the real port.
HOST = "127.0.0.1:4020"

#: How an exchange ended. `open`: the answer was whole and the connection stayed. `closed`: the server closed it.
#: `reset`: it was reset. `silent`: nothing came any more.
OPEN, CLOSED, RESET, SILENT = "open", "closed", "reset", "silent"


class Request(NamedTuple):
    """What is sent. `headers` come after Host and, with a body, before Content-Length."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def raw(self) -> bytes:
        named = {name.lower() for name, _ in self.headers}
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        if "host" not in named:
            lines.append(f"Host: {HOST}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body is not None and not named & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")


@dataclass
class Answer:
    """What came: the status line, the headers in their order and spelling, the body, and how it ended."""

    status_line: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    end: str = OPEN

    @property
    def status(self) -> int:
        parts = self.status_line.split(" ")
        return int(parts[1]) if len(parts) > 1 else 0

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


class Wire:
    """Speaks to one server: over one kept connection, or over a fresh one where a step may cost the connection."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self._kept: socket.socket | None = None

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self.address, PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, request: Request, *, fresh: bool = False) -> Answer:
        if fresh:
            with self.connect() as connection:
                return exchange(connection, request.raw(), request.method)
        connection = self._kept or self.connect()
        self._kept = connection
        answer = exchange(connection, request.raw(), request.method)
        if answer.end != OPEN or answer.header("connection").lower() == "close" or answer.status == 413:
            self.close()
        return answer

    def send_raw(self, raw: bytes, count: int = 1) -> list[Answer]:
        """Bytes as they stand, over a connection of their own, and up to `count` answers."""
        answers: list[Answer] = []
        with self.connect() as connection:
            reader = _Reader(connection)
            with contextlib.suppress(ConnectionError):
                connection.sendall(raw)
            for _ in range(count):
                answers.append(reader.answer("GET"))
                if answers[-1].end != OPEN:
                    break
            if answers[-1].end == OPEN and _is_last(raw, answers[-1]):
                answers[-1].end = reader.end()
        return answers

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def exchange(connection: socket.socket, raw: bytes, method: str) -> Answer:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what the server said before that is still there
        connection.sendall(raw)
    return _Reader(connection).answer(method)


def _is_last(raw: bytes, answer: Answer) -> bool:
    """Whether the connection should end after an answer: because it says so, or because of what was asked."""
    says_so = answer.header("connection").lower() == "close" or answer.status in (400, 413, 431)
    return says_so or (b"HTTP/1.0" in raw and b"keep-alive" not in raw)


class _Ended(Exception):
    """Nothing more comes; the one argument says why."""


class _Reader:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._seen = b""

    def answer(self, method: str) -> Answer:
        answer = Answer()
        try:
            head = self._until(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            answer.status_line = lines[0]
            answer.headers = [_pair(line) for line in lines[1:] if line]
            if answer.status == 100:
                return answer
            self._body(answer, method)
        except _Ended as ended:
            answer.end = str(ended.args[0])
            answer.body += self._seen
            self._seen = b""
        return answer

    def end(self) -> str:
        """How a connection ends that should; `open` if it does not within two seconds."""
        self._connection.settimeout(2.0)
        try:
            while True:
                self._more()
        except _Ended as ended:
            return OPEN if ended.args[0] == SILENT else str(ended.args[0])

    def _body(self, answer: Answer, method: str) -> None:
        if method == "HEAD" or answer.status in (204, 304):
            return
        length = answer.header("content-length")
        if length:
            self._exactly(answer, int(length))
        elif answer.header("transfer-encoding").lower() == "chunked":
            self._chunks(answer)
        else:
            while True:
                self._more()

    def _exactly(self, answer: Answer, length: int) -> None:
        while len(self._seen) < length:
            self._more()
        answer.body, self._seen = self._seen[:length], self._seen[length:]

    def _chunks(self, answer: Answer) -> None:
        while True:
            size = int(self._until(b"\r\n").strip() or b"0", 16)
            while len(self._seen) < size + 2:
                self._more()
            answer.body, self._seen = answer.body + self._seen[:size], self._seen[size + 2 :]
            if not size:
                return

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._seen:
            self._more()
        found, _, self._seen = self._seen.partition(mark)
        return found + mark

    def _more(self) -> None:
        try:
            piece = self._connection.recv(1 << 20)
        except ConnectionResetError:
            raise _Ended(RESET) from None
        except TimeoutError:
            raise _Ended(SILENT) from None
        if not piece:
            raise _Ended(CLOSED)
        self._seen += piece


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()
