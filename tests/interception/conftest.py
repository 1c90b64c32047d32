"""One interception for the tests of a module, and clients that run in its environment."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swapmock.mock_server.interception import Interception, intercept

CLIENTS = Path(__file__).parent / "clients"

#: What the developer's own environment may have, and a client should not see.
OWN = ("SWAPMOCK_", "NODE_", "JAVA_TOOL_OPTIONS", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(OWN) and "proxy" not in name.lower()
}


@pytest.fixture(scope="module")
def interception() -> Iterator[Interception]:
    with intercept(environment=ENVIRONMENT) as running:
        yield running


@pytest.fixture
def run_client(interception: Interception) -> Callable[..., Any]:
    """Runs a client program in the interception's environment; the JSON that it prints."""

    def run(*command: object, **more: str) -> Any:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            env={**interception.environment, **more},
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


class Connection:
    """A client's socket to the proxy, with what a test says and hears on it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._file = connection.makefile("rb")

    def send(self, *lines: str, body: bytes = b"") -> None:
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def head(self) -> list[str]:
        lines = []
        while line := self._file.readline().strip():
            lines.append(line.decode())
        return lines

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer that says its length."""
        first, *lines = self.head()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers, self._file.read(int(headers["content-length"]))

    def rest(self) -> bytes:
        return self._file.read()

    def close(self) -> None:
        """Read no more here; the socket may be used on."""
        self._file.close()


@pytest.fixture
def connect(interception: Interception) -> Iterator[Callable[[], Connection]]:
    """Connections to the proxy."""
    port = int(interception.proxy_url.rpartition(":")[2])
    made: list[Connection] = []

    def connect() -> Connection:
        made.append(Connection(socket.create_connection(("127.0.0.1", port), timeout=20)))
        return made[-1]

    yield connect
    for connection in made:
        connection.close()
        connection.socket.close()
