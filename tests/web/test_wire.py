"""Answers with a connection fault, seen by a client with a bare socket."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.test import Client

from swapmock.mock_server.adapters.clock import pause
from swapmock.mock_server.web import wsgi_sockets
from swapmock.mock_server.web.asgi import AsgiApp
from swapmock.mock_server.web.forwarded import TrustedProxies
from swapmock.mock_server.web.messages import PIECES, Answer, pieces
from swapmock.mock_server.web.server import LiveServer, Options
from swapmock.mock_server.web.wsgi import WsgiMiddleware
from tests.receivers import PATIENCE

BODY = bytes(range(65, 91)) * 40
ANSWERS = {
    "/fine": Answer(200, [("x-kept", "yes")], BODY),
    "/late": Answer(200, [], BODY, 0.2),
    "/reset": Answer(200, [], BODY, connection_fault="reset"),
    "/late_reset": Answer(200, [], BODY, 0.2, "reset"),
    "/hang_up": Answer(200, [], BODY, connection_fault="hang_up"),
    "/late_hang_up": Answer(200, [], BODY, 0.2, "hang_up"),
    "/dribble": Answer(201, [("x-kept", "yes")], BODY, 0.2, "dribble"),
    "/endless": Answer(200, [], BODY, 3600.0, "dribble"),
}


class Canned:
    """A pipeline whose answers are known by their path."""

    proxies = TrustedProxies()

    def refuse_upload(self, *_: Any) -> None:
        """No store is here."""

    def match(self, method: str, path: str) -> Any:
        if path not in ANSWERS:
            return None
        api = SimpleNamespace(is_admin=False, json_limit=1000)
        return SimpleNamespace(limit=1000, too_long="", path=path, api=api, operation=None, works_long=False)

    def serve(self, target: Any, request: Any) -> Answer:
        return ANSWERS[target.path]


def no_flask(*_: Any) -> Any:
    raise AssertionError("Flask is not asked")


PIPELINE: Any = Canned()


@pytest.fixture(scope="module")
def live() -> Iterator[tuple[str, int]]:
    with LiveServer(AsgiApp(PIPELINE, no_flask)) as server:
        yield server.address


@pytest.fixture(scope="module")
def live_v6() -> Iterator[tuple[str, int]]:
    with LiveServer(AsgiApp(PIPELINE, no_flask), "::1") as server:
        yield server.address


@pytest.fixture(scope="module")
def wsgi() -> Iterator[tuple[str, int]]:
    """The WSGI application behind a server that is not ours."""
    server = make_server("127.0.0.1", 0, WsgiMiddleware(PIPELINE, no_flask, pause), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "127.0.0.1", server.port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["live", "live_v6", "wsgi"])
def address(request: Any) -> Any:
    return request.getfixturevalue(request.param)


def ask(address: tuple[str, int], path: str) -> socket.socket:
    client = socket.create_connection(address, 10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return client


def everything(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def split(answer: bytes) -> tuple[bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.lower(), body


@pytest.mark.parametrize("path", ["/reset", "/late_reset"])
def test_a_reset_is_a_true_one(address, path):
    with ask(address, path) as client, pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_hang_up_is_an_end_without_a_byte(address):
    assert everything(ask(address, "/hang_up")) == b""


def test_a_dribbling_body_comes_whole_and_in_pieces(address):
    started = monotonic()
    with ask(address, "/dribble") as client:
        got = [client.recv(65536)]
        while piece := client.recv(65536):
            got.append(piece)
    assert monotonic() - started >= 0.19
    assert len(got) > PIECES / 2
    head, body = split(b"".join(got))
    assert body == BODY
    assert head.startswith(b"http/1.1 201 ")
    assert b"x-kept: yes" in head
    assert b"content-length: 1040" in head


def test_a_late_answer_is_whole(address):
    started = monotonic()
    _, body = split(everything(ask(address, "/late")))
    assert (body, monotonic() - started >= 0.19) == (BODY, True)


BEHIND = {
    "head": b"GET /fine HTT",
    "body": b"POST /fine HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1",
    "chunk": b"POST /fine HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "noise": b"\0\0\0\0\r\n\r\n",
}
LATE = b"GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("before", [1, 2])
def test_what_is_broken_costs_no_answer_before_it(live, behind, before):
    with socket.create_connection(live, 10) as client:
        client.sendall(LATE * before + behind)
        client.shutdown(socket.SHUT_WR)
        got = everything(client)
    assert got.count(BODY) == before
    assert got.count(b"HTTP/1.1 200 ") == before


@pytest.mark.parametrize("behind", [BEHIND["head"], BEHIND["body"]], ids=["head", "body"])
def test_who_waits_for_an_answer_is_not_hurried(behind):
    """The time for the next request begins with the answer to the one before."""
    with LiveServer(AsgiApp(PIPELINE, no_flask), options=Options(read_timeout=0.1)) as server:
        got = b""
        while not got.startswith(b"HTTP/1.1 200 "):  # on a busy machine the request itself may come too late
            with socket.create_connection(server.address, 10) as client, suppress(ConnectionError):
                client.sendall(LATE + behind)
                got = everything(client)
    assert [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]] == [b"200", b"408"]


@pytest.mark.parametrize("path", ["/late_reset", "/late_hang_up", "/endless"])
@pytest.mark.parametrize("leaves", [False, True])
def test_nothing_stays_of_a_lost_answer_with_others_behind_it(path, leaves):
    server = LiveServer(AsgiApp(PIPELINE, no_flask))
    server.start()
    with socket.create_connection(server.address, 10) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() + LATE)
        if leaves:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        elif path != "/endless":
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
        stopping = threading.Thread(target=server.stop, daemon=True)
        stopping.start()
        stopping.join(PATIENCE)
    assert not stopping.is_alive(), "the last piece of the endless answer is due in an hour"


def test_others_do_not_notice(live):
    """A connection fault affects its own connection only, while others are open."""
    with ask(live, "/endless") as beside:
        beside.recv(1)
        with ask(live, "/reset") as client, pytest.raises(ConnectionResetError):
            client.recv(1)
        assert everything(ask(live, "/hang_up")) == b""
        beside.setblocking(False)
        assert beside.recv(65536)
        assert split(everything(ask(live, "/fine")))[1] == BODY


def test_no_descriptor_is_lost(live):
    def storm() -> int:
        for _ in range(20):
            with ask(live, "/reset") as client, pytest.raises(ConnectionResetError):
                client.recv(1)
            assert everything(ask(live, "/hang_up")) == b""
        ask(live, "/endless").close()
        everything(ask(live, "/fine"))
        return len(os.listdir(wsgi_sockets.DESCRIPTORS))

    storm()
    before = storm()
    assert storm() <= before + 2


def test_without_a_connection_the_server_hears_of_it():
    """The test client has no socket: the failure is raised in its face."""
    client = Client(WsgiMiddleware(PIPELINE, no_flask, lambda _: None))
    with pytest.raises(ConnectionResetError):
        client.get("/reset")
    with pytest.raises(ConnectionAbortedError):
        client.get("/hang_up")
    assert client.get("/dribble").data == BODY


def test_no_connection_is_not_found():
    assert not wsgi_sockets.reset("127.0.0.1:1")
    assert not wsgi_sockets.hang_up("")


@pytest.mark.parametrize("size", [0, 1, PIECES - 1, PIECES, PIECES + 1, 1040])
def test_pieces(size):
    parts = pieces(bytes(size))
    assert b"".join(parts) == bytes(size)
    assert len(parts) == min(size, PIECES) or PIECES / 2 < len(parts) <= PIECES
