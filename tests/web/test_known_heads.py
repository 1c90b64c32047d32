"""A request whose head came before is answered as the first one was, however its bytes arrive."""

from __future__ import annotations

import re
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapmock import Emulator
from swapmock.mock_server.web import request_head
from swapmock.mock_server.web.asgi import AsgiApp
from swapmock.mock_server.web.forwarded import TrustedProxies
from swapmock.mock_server.web.messages import Answer
from swapmock.mock_server.web.request_head import Head, KnownHeads
from swapmock.mock_server.web.server import LiveServer

PATIENCE = 10.0


class Echo:
    """A pipeline that answers with the number of the request, its query and its body. Paths name special answers."""

    proxies = TrustedProxies()

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def refuse_upload(self, *_: Any) -> None:
        """No store is here."""

    def match(self, method: str, path: str) -> Any:
        if path == "/other":
            return None
        api = SimpleNamespace(is_admin=False, json_limit=1000)
        return SimpleNamespace(
            limit=1000, too_long="", method=method, path=path, api=api, operation=None, works_long=False
        )

    def serve(self, target: Any, request: Any) -> Answer:
        self.asked.append(request.body)
        answer = Answer(200, [("x-query", request.query)], target.method.encode() + b" " + request.body)
        special: dict[str, dict[str, Any]] = {
            "/late": {"delay": 0.001},
            "/gone": {"connection_fault": "hang_up"},
            "/first": {"before_send": lambda: None},
            "/dated": {"headers": [("date", "Thu, 01 Jan 2026 00:00:00 GMT")]},
        }
        return answer._replace(**special.get(target.path, {}))


def no_flask(*_: Any) -> Any:
    def application(_environ: Any, start: Any) -> list[bytes]:
        start("404 Not Found", [("content-length", "5")])
        return [b"other"]

    return application


@pytest.fixture(scope="module")
def echo():
    """A server; `found` has one item for each request whose head was known."""
    pipeline: Any = Echo()
    found: list[Head] = []
    find = KnownHeads.find

    def noted(heads: KnownHeads, raw: bytes) -> tuple[Head, bytes] | None:
        known = find(heads, raw)
        if known is not None:
            found.append(known[0])
        return known

    with pytest.MonkeyPatch.context() as patch, LiveServer(AsgiApp(pipeline, no_flask)) as server:
        patch.setattr(KnownHeads, "find", noted)
        yield SimpleNamespace(address=server.address, asked=pipeline.asked, found=found)


def request(method: str = "POST", path: str = "/x", body: str = "abc", *lines: str) -> bytes:
    length = [f"Content-Length: {len(body)}"] if body or method == "POST" else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *length, *lines, "", body]).encode()


END = request("GET", "/x", "", "Connection: close")

#: Requests that share heads, and some that differ from them in one thing.
KINDS = [
    request(),
    request(body="xyz"),
    request(body="longer"),
    request(body=""),
    request("GET", "/x?a=1", ""),
    request("GET", "/x?a=2", ""),
    request("HEAD", "/x", ""),
    request("POST", "/late"),
    request("POST", "/first"),
    request("POST", "/dated"),
    request("POST", "/other"),
    request("POST", "/x", "abc", "X-More: 1"),
    request("POST", "/x", "abc", "Upgrade: h2c", "Connection: Upgrade"),
    request("GET", "/x", "", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    b"\r\n" + request(),
]


def talk(address: tuple[str, int], pieces: list[bytes], *, waits: bool = False) -> bytes:
    """Send `pieces`, with `waits` each once the answer to the one before has begun. Return all answers, without
    dates."""
    with socket.create_connection(address, PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        for piece in pieces:
            client.sendall(piece)
            if waits:
                received += client.recv(1 << 16)
        while piece := client.recv(1 << 16):
            received += piece
    return re.sub(rb"(?i)date: [^\r]*\r\n", b"", received)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), st.data())
def test_answers_do_not_depend_on_pieces_or_on_earlier_connections(echo, requests, data):
    whole = b"".join(requests) + END
    echo.asked.clear()
    in_one = talk(echo.address, [whole])  # the parser reads several requests in one piece
    bodies = list(echo.asked)
    assert len(bodies) == len(requests) + 1 - sum(b" /other " in one for one in requests)
    assert talk(echo.address, [*requests, END], waits=True) == in_one
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=4)))
    assert talk(echo.address, [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]) == in_one
    assert echo.asked == bodies * 3


def test_a_fault_strikes_a_known_request_once(echo):
    fault = request("POST", "/gone")
    for _ in range(3):
        echo.asked.clear()
        assert talk(echo.address, [fault]) == b""
        assert echo.asked == [b"abc"]


def test_a_repeated_head_is_found(echo):
    talk(echo.address, [request(path="/again"), END], waits=True)
    echo.found.clear()
    assert talk(echo.address, [request(path="/again", body="new"), END], waits=True).count(b"POST new") == 1
    assert [head.path for head in echo.found] == ["/again"]


def test_a_known_create_is_accepted_once_even_if_its_answer_waits():
    """An answer that waits is written by another path; the task must not be created a second time there."""
    with Emulator() as emulator:
        sandbox = emulator.sandbox()
        body = b'{"image_url": "https://example.com/a.jpg"}'
        lines = "".join(f"{name}: {value}\r\n" for name, value in sandbox.headers("crun").items())
        head = (
            "POST /api/v1/client/job/detect-face-image HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"{lines}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        address = ("127.0.0.1", int(emulator.url.rpartition(":")[2]))
        end = b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        for waits in (False, False, True, False):
            if waits:
                sandbox.add_fault({"delay": 0.001}, times=1)
            assert b'"detect_task_id"' in talk(address, [head + body, end], waits=True)
        assert len(sandbox.tasks()) == 4


def test_only_whole_requests_are_learned_and_the_oldest_makes_place(monkeypatch):
    monkeypatch.setattr(request_head, "MOST_HEADS", 2)
    monkeypatch.setattr(request_head, "LONGEST_HEAD", 60)
    heads, raw = KnownHeads(), [request(path=f"/{n}") for n in range(3)]
    made = [Head("POST", f"/{n}", "", {}, 3) for n in range(3)]
    for one, head in zip(raw, made, strict=True):
        heads.learn(one, head)
    assert [heads.find(one) for one in raw] == [None, (made[1], b"abc"), (made[2], b"abc")]
    assert heads.find(raw[1][:-1]) is None
    assert heads.find(raw[1] + raw[2]) is None
    for broken in (raw[0] + b"x", raw[0][:-1], b"POST", request("POST", "/" + "l" * 60)):
        heads.learn(broken, made[0])
        assert heads.find(broken) is None
