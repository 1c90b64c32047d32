"""How long the server waits for a client: silence and slowness count, a pause of our own does not."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import requests

from swapmock import Emulator
from swapmock.mock_server.web.running_time import MOST_COUNTED, TICK, RunningTime
from tests.conftest import KEY

HEAD = f"POST /api/v1/client/job/CreateTask HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\nContent-Type: application/json\r\n"
BODY = b'{"model": "z-image", "input": {"prompt": "a"}, "x": "' + b"x" * 10_000 + b'"}'


@pytest.mark.parametrize(
    ("moments", "now", "late"),
    [
        ([5.0], 0.0, 0.0),
        ([5.0, 5.1], 0.1, 0.0),
        ([5.0, 5.15], 0.15, 0.05),
        ([5.0, 8.0], MOST_COUNTED, 2.9),
        ([5.0, 8.0, 8.1], MOST_COUNTED + 0.1, 0.0),
        ([5.0, 4.0, 4.1], 0.1, 0.0),
    ],
)
def test_a_pause_counts_as_two_ticks(moments: list[float], now: float, late: float) -> None:
    time = RunningTime()
    lags = [time.tick(moment) for moment in moments]
    assert time.now == pytest.approx(now)
    assert lags[-1] == pytest.approx(late)
    assert pytest.approx(2 * TICK) == MOST_COUNTED


def connected(emulator: Emulator) -> socket.socket:
    parts = urlsplit(emulator.url)
    return socket.create_connection((parts.hostname, parts.port), 10)


def answered(client: socket.socket, seconds: float) -> bytes:
    """What comes within `seconds`; b"" if nothing does."""
    readable, _, _ = select.select([client], [], [], seconds)
    return client.recv(65536) if readable else b""


class TestReadTimeout:
    def test_a_body_that_keeps_coming_may_take_longer(self) -> None:
        with Emulator(read_timeout=0.3) as emulator, connected(emulator) as client:
            client.sendall(f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode())
            size = len(BODY) // 10
            for start in range(0, len(BODY), size):
                assert answered(client, 0.1) == b""
                client.sendall(BODY[start : start + size])
            assert answered(client, 10).startswith(b"HTTP/1.1 200 ")

    def test_silence_in_it_is_cut(self) -> None:
        with Emulator(read_timeout=0.3) as emulator, connected(emulator) as client:
            client.sendall(f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:5000])
            assert answered(client, 10).startswith(b"HTTP/1.1 408 ")

    def test_so_is_a_body_of_one_byte_now_and_then(self) -> None:
        with Emulator(read_timeout=0.3) as emulator, connected(emulator) as client:
            client.sendall(f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode())
            got = b""
            for number in range(100):
                got = answered(client, 0.1)
                if got:
                    break
                client.sendall(BODY[number : number + 1])
            assert got.startswith(b"HTTP/1.1 408 ")

    def test_and_a_head_that_comes_so(self) -> None:
        with Emulator(read_timeout=0.3) as emulator, connected(emulator) as client:
            got = b""
            for number in range(100):
                got = answered(client, 0.1)
                if got:
                    break
                client.sendall(HEAD[number : number + 1].encode())
            assert got.startswith(b"HTTP/1.1 408 ")


def test_a_stopped_process_loses_no_request() -> None:
    """Twenty clients are in the middle of a request while the server is stopped for longer than its time-out."""
    command = [sys.executable, "-m", "swapmock", "serve", "--port", "0", "--read-timeout", "2", "--max-lag", "0.5"]
    with ExitStack() as held:
        server = held.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        held.callback(server.kill)
        assert server.stdout is not None
        assert server.stderr is not None
        url = next(line.split()[-1] for line in server.stdout if line.startswith("Listening on "))
        parts = urlsplit(url)
        clients = [held.enter_context(socket.create_connection((parts.hostname, parts.port), 10)) for _ in range(20)]
        for number, client in enumerate(clients):
            client.sendall(f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[: 100 * number])
        assert requests.get(f"{url}/health", timeout=10).ok  # all have been read
        os.kill(server.pid, signal.SIGSTOP)
        assert answered(clients[0], 3.0) == b""
        os.kill(server.pid, signal.SIGCONT)
        for number, client in enumerate(clients):
            client.sendall(BODY[100 * number :])
        assert [answered(client, 10)[:13] for client in clients] == [b"HTTP/1.1 200 "] * 20
        text = requests.get(f"{url}/__admin/metrics", timeout=10).text
        (longest,) = (
            line.split()[1] for line in text.splitlines() if line.startswith("swapmock_loop_lag_longest_seconds ")
        )
        assert float(longest) > 2
        server.terminate()
        assert "the event loop stood still for" in server.stderr.read()
