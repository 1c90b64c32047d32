"""An emulator with worker processes, as `swapmock serve` starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from swapmock import RemoteEmulator, Sandbox

DETECT = "/api/v1/client/job/detect-face-image"
BALANCE = "/api/v1/client/account/balance"
PICTURE = b'{"image_url":"https://example.com/a.png"}'


@dataclass
class Served:
    """A running emulator: its process, its base URL, and its admin API."""

    process: subprocess.Popen[str]
    url: str
    control: RemoteEmulator
    said: list[str]

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.rpartition("//")[2].rpartition(":")
        return host, int(port)

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers, in their order."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return sorted(map(int, children.read_text().split()))

    def sandboxes(self, count: int, **options: Any) -> list[Sandbox]:
        return [self.control.sandbox(**options) for _ in range(count)]


@contextmanager
def serving(*arguments: str, workers: int = 2) -> Iterator[Served]:
    """`swapmock serve --workers` on a free port, until the end of the block."""
    command = [sys.executable, "-m", "swapmock", "serve", "--port", "0", "--workers", str(workers), *arguments]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("SWAPMOCK_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            said = read_until_ready(process)
            url = said[-1].split()[-1]
            with RemoteEmulator(url, verify=False) as control:
                yield Served(process, url, control, said)
        finally:
            process.terminate()
            process.communicate(timeout=20)


def read_until_ready(process: subprocess.Popen[str]) -> list[str]:
    """The lines that a process says until it listens."""
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line.rstrip())
        if line.startswith("Listening on "):
            return said
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def ended(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
    """Send a signal; the exit status and what was said on stderr."""
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    return process.returncode, told


def key_of(sandbox: Sandbox) -> str:
    return sandbox.key("crun")


def post(key: str, body: bytes = PICTURE, *lines: str) -> bytes:
    """A detection as it goes over the wire."""
    head = [
        f"POST {DETECT} HTTP/1.1",
        "Host: localhost",
        f"x-api-key: {key}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *lines,
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


def balance(key: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {BALANCE} HTTP/1.1", "Host: localhost", f"x-api-key: {key}", *lines, "", ""]).encode()


def read_answer(client: socket.socket, before: bytes = b"") -> tuple[int, Any, bytes]:
    """Status and JSON of the next answer, and the bytes after it."""
    received = before
    while b"\r\n\r\n" not in received:
        piece = client.recv(65536)
        assert piece, received
        received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    if status == 100:
        return read_answer(client, rest)
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    size = int(lengths[0])
    while len(rest) < size:
        piece = client.recv(65536)
        assert piece, rest
        rest += piece
    return status, json.loads(rest[:size]), rest[size:]


def available(url: str, key: str) -> float:
    return float(requests.get(url + BALANCE, headers={"x-api-key": key}, timeout=5).json()["data"]["balance"])
