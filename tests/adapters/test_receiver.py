"""The receiver of callbacks over real sockets: what it reads, and what it refuses."""

import gzip
import json
import socket
import threading
import zlib
from dataclasses import replace

import pytest

from swapmock.mock_server.adapters.receiver import (
    ReceivedRequest,
    Receiver,
    ReceiverAnswer,
    ReceiverLimits,
    RequestRefused,
    decoded_body,
    json_answer,
)

OK = ReceiverAnswer(200, b"ok")
SMALL = ReceiverLimits(head=2048, body=1000, connections=2)
IMPATIENT = replace(SMALL, seconds=0.3)


class Recorded:
    def __init__(self, answer=OK, limits=SMALL, **more):
        self.requests: list[ReceivedRequest] = []
        self.refusals: list[str] = []
        self._answer = answer
        self.receiver = Receiver(self._take, limits=limits, on_refused=self.refusals.append, **more)

    def _take(self, request):
        self.requests.append(request)
        return self._answer

    def __enter__(self):
        self.receiver.start()
        return self

    def __exit__(self, *_):
        self.receiver.stop()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.receiver.port), timeout=10)

    def exchange(self, raw):
        with self.connect() as client:
            client.sendall(raw)
            return read_all(client)


def read_all(client):
    answer = b""
    while piece := client.recv(65536):
        answer += piece
    return answer


HEAD = b"POST /cb?a=1&b=%20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


def test_a_request_is_read_whole():
    with Recorded() as recorded:
        answer = recorded.exchange(HEAD + b"X-Own: 1\r\nContent-Length: 2\r\n\r\n{}")
    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    (request,) = recorded.requests
    assert (request.number, request.method, request.target, request.json) == (1, "POST", "/cb?a=1&b=%20", {})
    assert request.headers[-2:] == (("X-Own", "1"), ("Content-Length", "2"))
    assert (request.header("x-own"), request.header("missing")) == ("1", "")


def test_a_chunked_body_is_read():
    with Recorded() as recorded:
        recorded.exchange(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;ext=1\r\n[1,\r\n2\r\n2]\r\n0\r\nTrailer: x\r\n\r\n"
        )
    assert recorded.requests[0].json == [1, 2]


def test_a_connection_is_used_again_and_its_requests_are_numbered():
    head = b"POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
    with Recorded() as recorded:
        recorded.exchange(head + b"1" + head + b"2" + HEAD + b"\r\n")
    assert [(request.number, request.body) for request in recorded.requests] == [(1, b"1"), (2, b"2"), (3, b"")]


def test_a_sender_that_waits_is_told_to_go_on():
    with Recorded(limits=ReceiverLimits()) as recorded, recorded.connect() as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"1")
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        (HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001, 413, "larger than 1000 bytes"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1001 + b"0\r\n\r\n",
            413,
            "larger than 1000 bytes",
        ),
        (HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n", 431, "not a valid HTTP/1.1 request"),
        (HEAD + b"Content-Length: 9\r\n\r\n{}", 408, "did not come whole within 0.3 s"),
        (HEAD[:-10], 408, "did not come whole within 0.3 s"),
        (b"nonsense\r\n\r\n", 400, "not a valid HTTP/1.1 request"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "not a valid HTTP/1.1 request"),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400, "not a valid HTTP/1.1 request"),
        (HEAD + b"Content-Length: " + b"9" * 1500 + b"\r\n\r\n", 400, "not a valid HTTP/1.1 request"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "not a valid HTTP/1.1 request"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "not a valid HTTP/1.1 request"),
        (b"POST / HTTP/1.1\r\n\r\n", 400, "not a valid HTTP/1.1 request"),
    ],
    ids=[
        "large",
        "large chunks",
        "head",
        "short body",
        "short head",
        "nonsense",
        "two lengths",
        "negative length",
        "endless length",
        "coding",
        "chunk size",
        "no host",
    ],
)
def test_what_is_refused_is_answered_and_told(raw, status, reason):
    with Recorded(limits=IMPATIENT if status == 408 else SMALL) as recorded:
        answer = recorded.exchange(raw)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert recorded.requests == []
    assert len(recorded.refusals) == 1
    assert reason in recorded.refusals[0]


def test_a_sender_that_goes_on_slowly_is_refused_in_the_same_time():
    """The time is that of the whole request: a byte now and then does not renew it."""
    clock = [0.0]
    with Recorded(limits=ReceiverLimits(), now=lambda: clock[0]) as recorded, recorded.connect() as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        clock[0] = 31.0
        client.sendall(b"{")
        assert read_all(client).startswith(b"HTTP/1.1 408 ")


def test_a_connection_without_a_request_ends_quietly():
    with Recorded(limits=IMPATIENT) as recorded, recorded.connect() as client:
        assert read_all(client) == b""
    assert recorded.refusals == []


def test_more_connections_than_allowed_are_closed():
    with Recorded(limits=ReceiverLimits(connections=1, seconds=10)) as recorded, recorded.connect() as first:
        first.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        with recorded.connect() as second:
            assert read_all(second) == b""
        assert recorded.refusals == ["more than 1 connections at a time"]


def test_an_answer_can_be_a_reset():
    with Recorded(ReceiverAnswer(0)) as recorded, recorded.connect() as client:
        client.sendall(HEAD + b"\r\n")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 204), ("GET", 304)])
def test_an_answer_without_a_body_has_none(method, status):
    with Recorded(ReceiverAnswer(status, b"text")) as recorded:
        answer = recorded.exchange(HEAD.replace(b"POST", method.encode()) + b"\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (str(status).encode(), b"")


def test_two_senders_are_answered_at_the_same_time():
    both = threading.Barrier(2, timeout=10)

    def handle(_):
        both.wait()
        return json_answer(200, {"code": 200})

    with Receiver(handle) as receiver:
        clients = [socket.create_connection(("127.0.0.1", receiver.port), timeout=10) for _ in range(2)]
        for client in clients:
            client.sendall(HEAD + b"\r\n")
        for client in clients:
            with client:
                assert read_all(client).endswith(b'{"code": 200}')


def request_of(body, coding):
    return ReceivedRequest(1, "POST", "/", (("content-encoding", coding),) if coding else (), body)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("", bytes), ("identity", bytes), ("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("deflate", zlib.compress)],
    ids=["none", "identity", "gzip", "x-gzip", "deflate"],
)
def test_a_body_is_unpacked(coding, pack):
    assert decoded_body(request_of(pack(b'{"a": 1}'), coding), 1000) == b'{"a": 1}'


BOMB = gzip.compress(b"\0" * 100_000_000)


@pytest.mark.parametrize(
    ("body", "coding", "status"),
    [
        (BOMB, "gzip", 413),
        (gzip.compress(b"text")[:-9], "gzip", 400),
        (b"text", "gzip", 400),
        (b"text", "br", 415),
        (gzip.compress(b"text"), "gzip, gzip", 415),
    ],
    ids=["bomb", "cut", "not gzip", "unknown", "twice"],
)
def test_what_cannot_be_unpacked_is_refused(body, coding, status):
    with pytest.raises(RequestRefused) as refused:
        decoded_body(request_of(body, coding), 1 << 20)
    assert refused.value.status == status
    assert json.dumps(str(refused.value)).isprintable()
