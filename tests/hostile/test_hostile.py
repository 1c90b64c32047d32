"""Hostile clients: nothing but envelopes and plain refusals comes back, and nothing is used up."""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import threading
from collections import Counter
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import System, build
from swapmock.mock_server.web.server import LiveServer, Options
from swapmock.mock_server.web.wsgi_sockets import DESCRIPTORS
from tests.hostile.garbage import Attack, Attacker, Unfit, judged, send

COUNT = 500


def resident() -> int:
    """Memory in use, in bytes; 0 where the system does not say."""
    file = Path("/proc/self/statm")
    return int(file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if file.exists() else 0


def used() -> tuple[int, int]:
    return len(os.listdir(DESCRIPTORS)), threading.active_count()


@pytest.fixture(scope="module")
def server():
    """On the machine's clock, with a small journal, and bounds that time does not wait for."""
    system: System = build(Settings(journal_size=100))
    with LiveServer(system.asgi_app, options=Options(read_timeout=1.0)) as live:
        yield live


def test_garbage_is_refused_and_uses_nothing_up(server, caplog):
    caplog.set_level(logging.ERROR)
    attacks = Attacker(seed=1).attacks()
    seen: Counter[str] = Counter()

    def storm(count: int) -> None:
        for attack in islice(attacks, count):
            for status, _ in send(server.address, attack):
                seen[f"{status // 100}xx"] += 1

    storm(COUNT)
    gc.collect()
    before, memory = used(), resident()
    storm(COUNT)
    gc.collect()
    after = used()
    assert seen["4xx"] > COUNT / 2
    assert seen["2xx"] > 50
    assert after[0] <= before[0] + 5
    assert after[1] <= before[1] + 5
    assert resident() - memory < 30_000_000
    assert [record.getMessage() for record in caplog.records if record.name.startswith("swapmock")] == []
    fine = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert send(server.address, Attack("fine", fine)) == [(200, b'{"status":"ok"}')]


def test_slow_ones_are_let_go_while_others_are_served(server):
    with ExitStack() as held:
        slow = [held.enter_context(socket.create_connection(server.address, 10)) for _ in range(200)]
        for number, client in enumerate(slow):
            client.sendall(b"POST /api/v1/client/job/CreateTask HTTP/1.1\r\nHost: localhost\r\nX: "[: 20 + number % 40])
        fine = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert send(server.address, Attack("fine", fine)) == [(200, b'{"status":"ok"}')]
        assert {client.recv(12) for client in slow} == {b"HTTP/1.1 408"}


def test_what_is_unfit_is_found():
    """The judge would see a traceback, an injected header, and a 500 that nobody has asked for."""
    attack = Attack("test", b"GET / HTTP/1.1\r\n\r\n")
    for received in (
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\n\r\nTraceback",
        b"HTTP/1.1 200 OK\r\nX-Injected: 1\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
    ):
        with pytest.raises(Unfit):
            judged(attack, received)
    assert judged(attack, b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}") == [(404, b"{}")]


def test_the_same_seed_sends_the_same_bytes():
    first, again, other = (list(islice(Attacker(seed).attacks(), 200)) for seed in (3, 3, 4))
    assert first == again != other
    assert len({attack.kind for attack in first}) > 12


def test_a_wall_clock_that_jumps_back_takes_no_state_back(server, monkeypatch):
    """Time in a sandbox goes by the monotonic clock: what the wall clock says later does not matter."""

    def ask(method: str, target: str, body: bytes = b"") -> dict:
        lines = (
            "x-api-key: ak_swapmock000000000000000000000000\r\nContent-Type: application/json\r\nConnection: close\r\n"
        )
        sent = (
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return json.loads(send(server.address, Attack("ask", sent))[0][1])["data"]

    made = ask("POST", "/api/v1/client/job/detect-face-image", b'{"image_url":"https://errors.invalid/instant"}')
    poll = f"/api/v1/client/job/detect-face-result?detect_task_id={made['detect_task_id']}"
    before = ask("GET", poll)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert before["status"] == "succeeded"
    assert ask("GET", poll) == before
