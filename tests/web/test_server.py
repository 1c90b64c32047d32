"""The live server: what clients may do to it, and how it starts and stops."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests

from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.asgi import OTHER_LIMIT, AsgiApp
from swapmock.mock_server.web.bodies import DRAINED
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.protocol import MOST_WAITING
from swapmock.mock_server.web.server import LiveServer, Options, options_from
from tests.conftest import KEY

DETECT = "/api/v1/client/job/detect-face-image"
BALANCE = f"GET /api/v1/client/account/balance HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n"
BODY = b'{"image_url":"https://example.com/a.png"}'


def post(body: bytes = BODY, *lines: str) -> bytes:
    """A detection as it goes over the wire; `lines` in place of its Content-Length."""
    framing = lines or (f"Content-Length: {len(body)}",)
    head = [
        f"POST {DETECT} HTTP/1.1",
        "Host: localhost",
        f"x-api-key: {KEY}",
        "Content-Type: application/json",
        *framing,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def exchange(address: Any, sent: bytes, *, half_close: bool = False) -> bytes:
    """All that comes back until the server closes, or is silent for a while."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(5)
        client.connect(address)
        client.sendall(sent)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def send_on(client: socket.socket, piece: bytes) -> None:
    """Until the server has had enough."""
    while True:
        client.sendall(piece)


CLOSE = "Connection: close\r\n"


class TestHttp:
    def test_a_connection_is_kept(self, server):
        with socket.create_connection(server.address, 5) as client:
            for _ in range(3):
                client.sendall(f"{BALANCE}\r\n".encode())
                assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

    def test_a_pipeline_is_answered_in_order(self, server):
        asked = b"".join([post(), f"{BALANCE}\r\n".encode(), b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"] * 5)
        got = exchange(server.address, asked + f"{BALANCE}{CLOSE}\r\n".encode())
        parts = got.split(b"HTTP/1.1 ")[1:]
        assert [part[:3] for part in parts] == [b"200", b"200", b"404"] * 5 + [b"200"]
        assert [b"detect_task_id" in part for part in parts] == [True, False, False] * 5 + [False]

    @pytest.mark.parametrize("size", [1, 7, len(BODY)])
    def test_a_chunked_body(self, server, size):
        pieces = [BODY[start : start + size] for start in range(0, len(BODY), size)]
        chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        got = exchange(server.address, post(chunks, "Transfer-Encoding: chunked", "Connection: close"))
        assert got.startswith(b"HTTP/1.1 200 ")
        assert b"detect_task_id" in got

    def test_a_client_that_asks_first_is_told_to_go_on(self, server):
        with socket.create_connection(server.address, 5) as client:
            client.sendall(post(b"", f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
            assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(BODY)
            assert b"detect_task_id" in client.recv(65536)

    @pytest.mark.parametrize(
        ("sent", "statuses"),
        [
            (f"{BALANCE}\r\n".encode(), [200]),
            (post() * 3, [200, 200, 200]),
            (b"GET /__admin/sandboxes HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2, [200, 200]),
            (b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", [404]),
            (BALANCE.encode(), [400]),
            (post(b"{", "Content-Length: 9"), [400]),
            (post(b"{", "Content-Length: 900000"), [400]),
            (post(b"5\r\n{", "Transfer-Encoding: chunked"), [400]),
            (b"", []),
        ],
        ids=["poll", "pipeline", "admin", "flask", "head", "body", "long_body", "chunks", "nothing"],
    )
    def test_who_sends_no_more_gets_the_answers(self, server, sent, statuses):
        got = exchange(server.address, sent, half_close=True)
        assert [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]] == statuses

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("HEAD", "/health", 200), ("OPTIONS", "*", 404), ("CONNECT", "a:80", 405), ("TRACE", "/health", 405)],
    )
    def test_odd_methods(self, server, method, path, status):
        got = exchange(server.address, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n".encode())
        assert got.startswith(f"HTTP/1.1 {status} ".encode())

    @pytest.mark.parametrize("path", ["/", "/health", "/nowhere", "/api/v1/client/models"])
    def test_a_head_is_told_the_length(self, server, path):
        asked = f" {path} HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n".encode()
        _, _, body = exchange(server.address, b"GET" + asked).partition(b"\r\n\r\n")
        lines, _, nothing = exchange(server.address, b"HEAD" + asked).partition(b"\r\n\r\n")
        assert nothing == b""
        if b" 405 " not in lines:
            assert lines.lower().count(b"content-length: ") == 1
            assert b"content-length: %d" % len(body) in lines

    @pytest.mark.parametrize("rest", [b"", b"\r\n"])
    def test_a_wish_for_another_protocol_is_passed_over(self, server, rest):
        """Java's client sends its body along with a wish for HTTP/2, in one piece or later."""
        head = post(b"", f"Content-Length: {len(BODY)}", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
        for first, second in ((head + BODY, b""), (head, BODY), (head[:-9], head[-9:] + BODY)):
            with socket.create_connection(server.address, 5) as client:
                client.sendall(first)
                client.sendall(second)
                assert b"detect_task_id" in client.recv(65536)
                client.sendall(rest + f"{BALANCE}\r\n".encode())
                assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

    def test_an_end_is_heard_beside_that_wish(self, server):
        asked = f"{BALANCE}Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n".encode()
        assert exchange(server.address, asked).count(b"HTTP/1.1 200 ") == 1

    def test_many_such_wishes(self, server):
        asked = f"{BALANCE}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n".encode()
        got = exchange(server.address, asked * 1500, half_close=True)
        assert got.count(b"HTTP/1.1 200 ") == 1500

    def test_the_size_of_a_head_is_its_own(self, server):
        """Not that of what came before it in one piece."""
        before = f"{BALANCE}X: {'a' * 900}\r\n\r\n".encode() * 200
        last = f"{BALANCE}{CLOSE}\r\n".encode()
        with socket.create_connection(server.address, 5) as client:
            client.sendall(before + last[:30])
            got = b""
            while got.count(b"HTTP/1.1 200 ") < 200:
                got += client.recv(65536)
            client.sendall(last[30:])
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

    def test_no_more_than_so_many_requests_wait(self, server):
        """Each costs memory; and no more is read while some wait."""
        asked = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n" * (MOST_WAITING + 500)
        got = exchange(server.address, asked, half_close=True)
        assert MOST_WAITING <= got.count(b"HTTP/1.1 404 ") <= MOST_WAITING + 1

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_status_without_a_body_has_none(self, server, status):
        """Else a client that keeps the connection takes it for the next answer (RFC 9112 6.3)."""
        rule = {"effect": {"status": status}}
        assert requests.post(f"{server.url}/__admin/sandboxes/default/faults", json=rule, timeout=5).ok
        got = exchange(server.address, f"{BALANCE}\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n".encode())
        assert got.startswith(b"HTTP/1.1 %d " % status)
        assert got.partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize("settings", [{"variants": {"crun": {"http_status": {404: 204}}}}], indirect=True)
    def test_nor_has_one_that_a_variant_puts_in_its_place(self, server):
        unknown = BALANCE.replace("/account/balance", "/nothing")
        got = exchange(server.address, f"{unknown}\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n".encode())
        assert got.startswith(b"HTTP/1.1 204 ")
        assert got.partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1 200 ")

    def test_http_1_0(self, server):
        """It ends with its answer, unless it asks for more; what load generators of old speak."""
        asked = BALANCE.replace("1.1", "1.0")
        assert exchange(server.address, f"{asked}\r\n".encode()).count(b"HTTP/1.1 200 ") == 1
        with socket.create_connection(server.address, 5) as client:
            for _ in range(2):
                client.sendall(f"{asked}Connection: Keep-Alive\r\n\r\n".encode())
                got = client.recv(65536)
                assert got.startswith(b"HTTP/1.1 200 ")
                assert b"connection: keep-alive\r\n" in got

    def test_nothing_is_done_after_the_last_request(self, server, system):
        """What a client sends behind its "Connection: close" is not answered, so it must not be done, either."""
        held = system.engine.store.open("default").tasks_held
        before, _ = held()
        got = exchange(server.address, post(BODY, f"Content-Length: {len(BODY)}", "Connection: close") + post())
        assert got.count(b"HTTP/1.1 ") == 1
        assert held()[0] == before + 1

    @pytest.mark.parametrize("begun", [b"0\r\nX: ", b"0\r\n", b"1;x="], ids=["trailer", "trailer's name", "extension"])
    def test_what_never_ends_behind_a_body_is_cut_off(self, server, begun):
        """The parser puts it together piece by piece, which takes longer and longer."""
        with socket.create_connection(server.address, 5) as client:
            client.sendall(post(begun, "Transfer-Encoding: chunked"))
            with pytest.raises(ConnectionError):
                send_on(client, b"a" * 65_536)

    def test_trailers_are_passed_over(self, server):
        chunks = b"%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(BODY), BODY)
        got = exchange(server.address, post(chunks, "Transfer-Encoding: chunked", "Connection: close"))
        assert b"detect_task_id" in got

    @pytest.mark.parametrize("target", ["/é", "/api/v1/client/account/balance?é", "http://"])
    def test_what_is_no_address_is_refused(self, server, target):
        got = exchange(server.address, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert got.startswith(b"HTTP/1.1 400 ")

    def test_a_whole_address(self, server):
        """Its host replaces that of the header (RFC 9112 3.2.2)."""
        for host, status in ("localhost", 200), ("127.0.0.1:80", 200), ("somewhere", 403), ("user@localhost", 400):
            asked = BALANCE.replace("/api", f"http://{host}/api")
            assert exchange(server.address, f"{asked}{CLOSE}\r\n".encode()).startswith(b"HTTP/1.1 %d " % status)


class TestAnswers:
    """Those that a client does not read, or asks for faster than it reads."""

    @pytest.fixture
    def poll(self, crun):
        """Its answer is a megabyte long."""
        task = crun.create("z-image", {"prompt": "a", "x": "x" * 1_000_000})
        return f"GET /api/v1/client/job/TaskInfo?task_id={task} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n"

    def test_many_long_ones_come_whole_and_in_order(self, server, poll):
        asked = f"{poll}\r\n" * 12 + BALANCE + "\r\n" + f"{poll}{CLOSE}\r\n"
        heads = exchange(server.address, asked.encode()).split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert [len(answer) > 1_000_000 for answer in heads] == [True] * 12 + [False, True]

    def test_who_has_left_most_unread_for_longest_is_let_go(self, system, crun, poll):
        options = Options(max_unread_bytes=3_000_000)
        with LiveServer(system.asgi_app, options=options) as server, ExitStack() as held:
            clients: list[socket.socket] = []
            while len(clients) < 50:
                client = held.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(server.address)
                client.sendall(f"{poll}\r\n".encode() * 16)
                clients.append(client)
                assert exchange(server.address, f"{BALANCE}{CLOSE}\r\n".encode())
            got = 0
            with suppress(ConnectionError):
                while piece := clients[0].recv(1 << 20):
                    got += len(piece)
            assert got < 16_000_000, "it was not let go"
            assert len(exchange(server.address, f"{poll}{CLOSE}\r\n".encode())) > 1_000_000


class TestBodies:
    def test_too_large_a_body_is_refused_though_the_client_sends_it_all(self, server):
        body = BODY.ljust(OTHER_LIMIT + 1)
        for sent in (post(body), post(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), "Transfer-Encoding: chunked")):
            with socket.create_connection(server.address, 5) as client:
                client.sendall(sent)
                got = client.recv(65536)
            assert got.startswith(b"HTTP/1.1 413 ")
            assert b'"body: larger than 1048576 bytes; --max-body allows more"' in got

    def test_a_body_beyond_all_bounds_is_not_waited_for(self, server):
        with socket.create_connection(server.address, 5) as client:
            client.sendall(post(b"", f"Content-Length: {OTHER_LIMIT + DRAINED + 1}"))
            assert client.recv(65536).startswith(b"HTTP/1.1 413 ")

    @pytest.mark.parametrize("settings", [{"max_bodies_bytes": 150_000}], indirect=True)
    def test_not_everything_may_be_on_its_way_at_once(self, server):
        whole = post(BODY.ljust(100_000), "Content-Length: 100000", "Connection: close")
        with socket.create_connection(server.address, 5) as first:
            first.sendall(whole[:90_000])
            while True:  # until so much has been read that no other body fits
                got = exchange(server.address, whole)
                if got.startswith(b"HTTP/1.1 413 "):
                    break
            assert b"more than 150000 bytes are on their way; --max-bodies-bytes allows more" in got
            first.sendall(whole[90_000:])
            assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert exchange(server.address, whole).startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize("settings", [{"max_bodies_bytes": 150_000}], indirect=True)
    def test_nor_may_many_short_ones(self, server):
        whole = post(BODY.ljust(60_000), "Content-Length: 60000", "Connection: close")
        with ExitStack() as held:
            first, second = (held.enter_context(socket.create_connection(server.address, 5)) for _ in range(2))
            for client in (first, second):
                client.sendall(whole[:-100])
            while True:  # until both have been read
                with socket.create_connection(server.address, 5) as third:
                    third.sendall(whole[:-100])
                    assert exchange(server.address, f"{BALANCE}{CLOSE}\r\n".encode())
                    third.sendall(whole[-100:])
                    got = third.recv(65536)
                if got.startswith(b"HTTP/1.1 413 "):
                    break
            assert b"--max-bodies-bytes allows more" in got
            second.close()
            first.sendall(whole[-100:])
            assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert exchange(server.address, whole).startswith(b"HTTP/1.1 200 ")

    def test_who_hangs_up_on_the_way_leaves_room(self, system):
        with LiveServer(AsgiApp(system.pipeline, lambda: system.app, 150_000)) as server:
            for _ in range(3):
                exchange(server.address, post(b"x" * 90_000, "Content-Length: 100000"), half_close=True)
            got = exchange(server.address, post(BODY.ljust(140_000), "Content-Length: 140000", "Connection: close"))
        assert got.startswith(b"HTTP/1.1 200 ")

    def test_a_flood_in_chunks_is_cut_off(self, server):
        chunk = b"100000\r\n%s\r\n" % bytes(1 << 20)
        with socket.create_connection(server.address, 5) as client:
            client.sendall(post(b"", "Transfer-Encoding: chunked"))
            with pytest.raises(ConnectionError):
                client.sendall(chunk * 48)

    @pytest.mark.parametrize(
        ("body", "framing"),
        [
            (b"ZZ\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
            (b"5\r\nabcdefgh\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
            (b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
            (b"3\r\nabc\r\n", "Transfer-Encoding: chunked"),
            (b"abc", "Content-Length: 10"),
        ],
    )
    def test_a_broken_body(self, server, body, framing):
        got = exchange(server.address, post(body, framing), half_close=not body.endswith(b"0\r\n\r\n"))
        assert got.startswith(b"HTTP/1.1 400 ")
        assert b"Traceback" not in got

    @pytest.mark.parametrize("framing", ["Content-Length: -1", "Content-Length: 9" + "9" * 30, "Content-Length: 1x"])
    def test_no_length(self, server, framing):
        assert exchange(server.address, post(BODY, framing)).startswith(b"HTTP/1.1 400 ")

    def test_no_smuggling(self, server):
        """With two framings the chunked one counts, and the connection ends with it (RFC 9112 6.1)."""
        body = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        got = exchange(server.address, post(body, "Content-Length: 5", "Transfer-Encoding: chunked"))
        assert got.count(b"HTTP/1.1 ") == 1


class TestPatience:
    @pytest.fixture
    def address(self) -> Iterator[Any]:
        system = build(Settings(read_timeout=0.3, max_headers=8192))
        with LiveServer(system.asgi_app, options=options_from(system.settings)) as server:
            yield server.address

    def test_who_asks_nothing_is_let_go(self, address):
        assert exchange(address, b"") == b""

    @pytest.mark.parametrize(
        "sent",
        [
            *(b"GET / HTTP/1.1\r\nHo", f"{BALANCE}X: ".encode()),
            *(post(b"{", "Content-Length: 10"), post(b"{", "Content-Length: 900000")),
            post(b"1\r\n{\r\n", "Transfer-Encoding: chunked"),
        ],
    )
    def test_who_asks_nothing_whole_is_told(self, address, sent):
        got = b""
        while not got:  # on a busy machine the first byte may come too late: then the client is let go without a word
            with suppress(ConnectionError):
                got = exchange(address, sent)
        assert got.startswith(b"HTTP/1.1 408 ")

    def test_who_says_no_more_is_let_go(self, address):
        got = b""
        while not got:  # on a busy machine the request may come too late
            with suppress(ConnectionError):
                got = exchange(address, f"{BALANCE}\r\n".encode())
        assert got.count(b"HTTP/1.1 200 ") == 1

    @pytest.mark.parametrize("head", [f"X-Long: {'a' * 20000}\r\n", "X-Many: a\r\n" * 200])
    def test_too_large_a_head(self, address, head):
        assert exchange(address, f"{BALANCE}{head}\r\n".encode()).startswith(b"HTTP/1.1 431 ")

    def test_who_is_still_sending_gets_the_refusal_all_the_same(self):
        """However long it takes: the server has more patience here than the other tests ask for."""
        system = build(Settings(read_timeout=60, max_headers=8192))
        with LiveServer(system.asgi_app, options=options_from(system.settings)) as server:
            self.still_sending(server.address)

    @staticmethod
    def still_sending(address):
        for _ in range(20):
            got = exchange(address, f"{BALANCE}X-Long: {'a' * 3_000_000}\r\n\r\n".encode())
            assert got.startswith(b"HTTP/1.1 431 ")
            assert got.endswith(b"allows more\n")

    def test_who_goes_on_sending_is_cut_off(self, address):
        with socket.create_connection(address, 5) as client, pytest.raises(ConnectionError):
            send_on(client, b"X" * 1000)

    def test_too_long_an_address(self, address):
        asked = f"GET /{'a' * 70000} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert exchange(address, asked.encode()).startswith((b"HTTP/1.1 414 ", b"HTTP/1.1 431 "))

    def test_connections_beyond_the_bound_are_refused(self, system):
        with LiveServer(system.asgi_app, options=Options(max_connections=2)) as server, ExitStack() as held:
            for _ in range(2):
                client = held.enter_context(socket.create_connection(server.address, 5))
                client.sendall(f"{BALANCE}\r\n".encode())
                assert client.recv(65536)
            assert exchange(server.address, b"").startswith(b"HTTP/1.1 503 ")
            client.sendall(f"{BALANCE}{CLOSE}\r\n".encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert client.recv(65536) == b""
            assert exchange(server.address, f"{BALANCE}{CLOSE}\r\n".encode()).startswith(b"HTTP/1.1 200 ")

    def test_who_does_not_read_is_let_go(self, address):
        """Its answers would fill the memory: it is not read on, and after its time let go."""
        with socket.create_connection(address, 20) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with pytest.raises(ConnectionError):
                send_on(client, b"GET /api/v1/client/models HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
