"""The transport over real sockets: what is sent, what is taken for an answer, and whom it may call."""

import asyncio
import socket
import ssl
import struct
import subprocess
import threading
from base64 import b64encode
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import pytest

from swapmock import __version__
from swapmock.mock_server.adapters.transport import BODY_LIMIT, Blocked, Guard, Transport, check_allowed, read_url
from swapmock.mock_server.core.delivery import SendResult
from tests.receivers import RawReceiver, Receiver, read_request

JSON = {"content-type": "application/json"}


def exchange(url, body=b"{}", *, guard=None, timeout=5.0):
    return asyncio.run(Transport(guard or Guard(), timeout).send("POST", url, JSON, body))


def send(url, body=b"{}", *, guard=None, timeout=5.0):
    """The result without its heads, which `TestHeads` compares."""
    return exchange(url, body, guard=guard, timeout=timeout)._replace(request_head=b"", answer_head=b"")


def answering(raw):
    """A receiver that reads the request and answers these bytes."""

    def serve(connection):
        read_request(connection)
        connection.sendall(raw)

    return RawReceiver(serve)


# --- what is sent


def test_the_request_is_plain_and_whole():
    with Receiver() as receiver:
        outcome = send(receiver.url("/a/b%20c?secret=x%26y&empty=&z"), b'{"task_id":"t"}')
    assert outcome == SendResult(200, b'{"code": "200"}')
    (got,) = receiver.got
    assert (got.method, got.path, got.body) == ("POST", "/a/b%20c?secret=x%26y&empty=&z", b'{"task_id":"t"}')
    assert got.headers == {
        "Host": f"127.0.0.1:{receiver.port}",
        "User-Agent": f"swapmock/{__version__}",
        "content-type": "application/json",
        "Content-Length": "15",
        "Accept": "*/*",
        "Connection": "close",
    }


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    with Receiver(lambda got: 500) as proxy, Receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send(receiver.url()).status == 200
    assert proxy.got == []


def test_a_large_body_arrives_whole():
    body = b'{"x":"' + b"y" * 3_000_000 + b'"}'
    with Receiver() as receiver:
        assert send(receiver.url(), body).status == 200
    assert receiver.got[0].body == body


# --- the heads of both messages, byte for byte


class TestHeads:
    def test_of_the_request(self):
        with Receiver() as receiver:
            head = exchange(receiver.url("/a?b=c"), b'{"x":1}').request_head
        assert (
            head
            == (
                f"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{receiver.port}\r\nUser-Agent: swapmock/{__version__}\r\n"
                "content-type: application/json\r\nContent-Length: 7\r\nAccept: */*\r\nConnection: close\r\n\r\n"
            ).encode()
        )

    @pytest.mark.parametrize(
        ("raw", "head"),
        [
            (b"HTTP/1.1 200 Fine  by me\r\nX-A:1\r\nx-a:  2\r\n\r\n", b"HTTP/1.1 200 Fine  by me\r\nX-A:1\r\nx-a:  2\r\n\r\n"),
            (b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 204 No\r\nA: \xff\r\n\r\n", b"HTTP/1.1 204 No\r\nA: \xff\r\n\r\n"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
            (b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 200 OK\r\nConte"),
            (b"SSH-2.0-OpenSSH_9\r\n", b"SSH-2.0-OpenSSH_9\r\n"),
            (b"HELLO\r\n\r\n", b"HELLO\r\n\r\n"),
            (b"", b""),
        ],
    )  # fmt: skip
    def test_of_the_answer_even_where_it_is_none(self, raw, head):
        with answering(raw) as receiver:
            assert exchange(receiver.url()).answer_head == head

    @pytest.mark.parametrize("url", ["http://example.com/", "ftp://127.0.0.1/", "http://127.0.0.1:9/"])
    def test_of_what_was_not_sent(self, url):
        result = exchange(url)
        assert (result.request_head, result.answer_head) == (b"", b"")


# --- what is an answer


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokXX", SendResult(200, b"ok")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", SendResult(204, b"")),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil it closes", SendResult(200, b"until it closes")),
        (b"HTTP/1.1 418\r\nContent-Length: 0\r\n\r\n", SendResult(418, b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", SendResult(200, b"a")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            SendResult(200, b"abcde"),
        ),
    ],
)
def test_answers(raw, expected):
    with answering(raw) as receiver:
        assert send(receiver.url()) == expected


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", "the connection was closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nConte", "the connection was closed before the answer was whole"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "the connection was closed before the answer was whole"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "the connection was closed before the answer was whole",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not an HTTP answer: chunk size b'zz\\r\\n'"),
        (b"SSH-2.0-OpenSSH_9\r\n", "not an HTTP answer: b'SSH-2.0-OpenSSH_9\\r\\n'"),
        (b"HELLO\r\n\r\n", "not an HTTP answer: 'HELLO'"),
        (b"HTTP/1.1 abc\r\n\r\n", "not an HTTP answer: 'HTTP/1.1 abc'"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "the head of the answer is longer than 65536 bytes"),
    ],
)
def test_what_is_no_answer(raw, error):
    with answering(raw) as receiver:
        outcome = send(receiver.url())
    # A receiver that closes while bytes are still on their way may reset the connection instead.
    assert (outcome.status, outcome.error) in [(None, error), (None, "the connection was reset")]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"])
def test_an_endless_body_is_cut(head):
    taken = 0

    def serve(connection):
        nonlocal taken
        read_request(connection)
        connection.sendall(head + b"\r\n")
        piece = b"a" * 4096
        while True:
            connection.sendall(b"1000\r\n" + piece + b"\r\n" if b"chunked" in head else piece)
            taken += len(piece)

    with RawReceiver(serve) as receiver:
        outcome = send(receiver.url())
    assert (outcome.status, outcome.body) == (200, b"a" * BODY_LIMIT)
    assert outcome.error == "only its first 65536 bytes are read"
    assert taken < 1 << 26  # what the kernel's buffers hold, and no more


def test_a_huge_announced_body_is_cut():
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + b"b" * (2 * BODY_LIMIT)) as receiver:
        assert send(receiver.url()).body == b"b" * BODY_LIMIT


@pytest.mark.parametrize("dribble", [False, True], ids=["silent", "dribbling"])
def test_the_time_out_bounds_the_whole_attempt(dribble):
    over = threading.Event()

    def serve(connection):
        read_request(connection)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 900:
            if over.wait(0.02):
                return
            if dribble:
                connection.sendall(bytes([byte]))

    with RawReceiver(serve) as receiver:
        outcome = send(receiver.url(), timeout=0.2)
        over.set()
    assert outcome == SendResult(None, error="no answer within 0.2 s", timed_out=True)


def test_a_redirect_is_an_answer_and_not_followed():
    with Receiver() as target, Receiver(lambda got: (302, target.url("/stolen").encode())) as receiver:
        assert send(receiver.url()).status == 302
    assert target.got == []


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/") == SendResult(None, error="the connection was refused")


def test_a_reset():
    def serve(connection):
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with RawReceiver(serve) as receiver:
        assert send(receiver.url()) == SendResult(None, error="the connection was reset")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A chain and its key for the name localhost, vouched for by nobody."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "chain.pem",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "chain.pem", folder / "key.pem"


@pytest.mark.needs("openssl")
def test_a_certificate_that_nobody_vouches_for(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with RawReceiver(serve) as receiver:
        outcome = send(receiver.url().replace("http:", "https:").replace("127.0.0.1", "localhost"))
    assert (outcome.status, outcome.blocked) == (None, False)
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.error


@pytest.mark.needs("openssl")
def test_https_to_a_receiver_that_is_vouched_for(monkeypatch, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            read_request(secure)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with RawReceiver(serve) as receiver:
        assert send(f"https://localhost:{receiver.port}/") == SendResult(200, b"ok")


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    ("host", "options", "status"),
    [
        ("localhost", {}, None),
        ("localhost", {"ca": True}, 200),
        ("localhost", {"verify_loopback": False}, 200),
        ("127.0.0.1", {"ca": True}, None),  # the certificate is for another name
        ("127.0.0.1", {"verify_loopback": False}, 200),
    ],
)
def test_own_certificates(certificate, host, options, status):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def serve(connection):
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            read_request(secure)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    given = {**options, "ca": certificate[0] if options.get("ca") else None}
    with RawReceiver(serve) as receiver:
        transport = Transport(Guard(), 5.0, **given)
        result = asyncio.run(transport.send("POST", f"https://{host}:{receiver.port}/", JSON, b"{}"))
    assert result.status == status


def test_receivers_beyond_loopback_are_always_verified():
    transport = Transport(Guard(), verify_loopback=False)
    assert transport._tls_for(IPv4Address("127.0.0.2")).verify_mode is ssl.CERT_NONE
    for beyond in (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")):
        assert transport._tls_for(beyond).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("user:pw@", "user:pw"),
        ("user@", "user:"),
        (":pw@", ":pw"),
        ("u%40x:p%3Aw%2F@", "u@x:p:w/"),
        ("%C3%BC:x@", "ü:x"),
    ],
)
def test_credentials_in_the_url_are_sent(user, shown):
    with Receiver() as receiver:
        assert send(f"http://{user}127.0.0.1:{receiver.port}/").status == 200
    assert receiver.got[0].headers["Authorization"] == "Basic " + b64encode(shown.encode()).decode()


@pytest.mark.parametrize("length", ["9" * 4400, "9" * 20, "0" * 5000 + "2", "٢"])
def test_a_length_of_any_size(length):
    """Digits that Python does not convert, and digits that are none of HTTP's."""
    with answering(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nok".encode()) as receiver:
        result = send(receiver.url())
    whole = length.strip("0") in ("2", "٢")
    assert (result.status, result.body) == ((200, b"ok") if whole else (None, b""))


# --- whom it may call


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.", "app.localhost", "a.b.localhost"])
def test_every_name_below_localhost_can_be_reached(name):
    """Also where the resolver does not know it."""

    async def unknown(name, port):
        raise OSError

    with Receiver() as receiver:
        assert send(f"http://{name}:{receiver.port}/", guard=Guard(resolve=unknown)).status == 200


@pytest.mark.parametrize(
    ("allow", "host"),
    [
        ("bücher.example", "bücher.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "BÜCHER.example"),
        ("my_app", "my_app"),
        ("fe80::/10", "[fe80::1%25lo]"),
    ],
)
def test_what_is_allowed_in_one_spelling_is_found_in_the_other(allow, host):
    async def known(name, port):
        return ["127.0.0.1"]

    addresses = asyncio.run(Guard((allow,), known).addresses(read_url(f"http://{host}/")))
    assert [str(address) for address in addresses] == ["fe80::1%lo" if "[" in host else "127.0.0.1"]


class Names:
    """A name service that answers from a list, one after the other, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def __call__(self, name, port):
        self.asked.append(name)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/",
        "http://10.0.0.1:80/",
        "http://0.0.0.0/",
        "http://169.254.169.254/latest/meta-data",
        "http://[2001:db8::1]/",
        "http://[::ffff:192.0.2.1]/",
        "http://[::]/",
        "http://example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1@example.com/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://b\u00fccher.example/",
    ],
)
def test_others_than_loopback_are_blocked_without_a_question(url):
    names = Names()
    outcome = send(url, guard=Guard(resolve=names))
    assert outcome.blocked
    assert outcome.error.endswith("would allow it")
    assert "--callback-allow" in outcome.error
    assert names.asked == []


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://[::1", "http://a:b/", "gopher:x"]
)
def test_what_is_no_http_url_is_blocked(url):
    assert send(url).blocked


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "localhost.", "[::ffff:127.0.0.1]", "me@127.0.0.1"]
)
def test_loopback_in_all_its_spellings(host):
    with Receiver() as receiver:
        assert send(f"http://{host}:{receiver.port}/", guard=Guard(resolve=Names(["127.0.0.1"]))).status == 200


def test_a_local_name_that_stands_for_another_host_is_blocked():
    outcome = send("http://localhost/", guard=Guard(resolve=Names(["127.0.0.1", "192.0.2.7"])))
    assert outcome == SendResult(
        None,
        error="localhost has the address 192.0.2.7, which is not loopback; --callback-allow localhost would allow it",
        blocked=True,
    )


def test_rebinding_leads_nowhere_else():
    """The name is looked up once; the address that it has a moment later does not matter."""
    names = Names(["127.0.0.1"], ["192.0.2.7"])
    guard = Guard(resolve=names)
    with Receiver() as receiver:
        url = f"http://hooks.localhost:{receiver.port}/"
        assert send(url, guard=guard).status == 200
        assert len(names.asked) == 1
        # The next attempt asks again, and finds the other answer blocked.
        assert send(url, guard=guard).blocked
    assert len(receiver.got) == 1


def test_the_checked_address_is_the_one_that_is_connected_to(monkeypatch):
    """Whatever the system's resolver says, the connection is opened to an address and not to a name."""
    opened = []
    real = asyncio.open_connection

    async def spy(host, port, **more):
        opened.append(host)
        return await real(host, port, **more)

    monkeypatch.setattr(asyncio, "open_connection", spy)
    with Receiver() as receiver:
        url = f"http://hooks.example:{receiver.port}/"
        guard = Guard(("hooks.example",), Names(["127.0.0.1"]))
        assert send(url, guard=guard).status == 200
    assert opened == ["127.0.0.1"]
    assert receiver.got[0].headers["Host"] == f"hooks.example:{receiver.port}"


def test_the_second_address_is_tried():
    with Receiver() as receiver:
        guard = Guard(("hooks.example",), Names(["127.0.0.9", "127.0.0.1"]))
        assert send(f"http://hooks.example:{receiver.port}/", guard=guard).status == 200


@pytest.mark.parametrize(
    ("allow", "url", "is_allowed"),
    [
        ("hooks.example", "http://hooks.example/", True),
        ("hooks.example", "http://HOOKS.example./", True),
        ("Hooks.Example", "http://hooks.example/", True),
        ("hooks.example", "http://other.example/", False),
        ("hooks.example", "http://x.hooks.example/", False),
        ("*.example", "http://hooks.example/", True),
        ("*.example", "http://a.b.example/", True),
        ("*.example", "http://example/", False),
        ("hooks.example:8080", "http://hooks.example:8080/", True),
        ("hooks.example:8080", "http://hooks.example/", False),
        ("192.0.2.1", "http://192.0.2.1/", True),
        ("192.0.2.1", "http://[::ffff:192.0.2.1]/", True),
        ("192.0.2.1:81", "http://192.0.2.1:81/", True),
        ("192.0.2.0/24", "http://192.0.2.77/", True),
        ("192.0.2.0/24", "http://198.51.100.1/", False),
        ("2001:db8::/32", "http://[2001:db8::5]/", True),
        ("b\u00fccher.example", "http://b\u00fccher.example/", True),
        ("xn--bcher-kva.example", "http://b\u00fccher.example/", True),
    ],
)
def test_what_callback_allow_allows(allow, url, is_allowed):
    guard = Guard((allow,), Names(["192.0.2.1"]))
    if is_allowed:
        assert asyncio.run(guard.addresses(read_url(url)))
    else:
        with pytest.raises(Blocked):
            asyncio.run(guard.addresses(read_url(url)))


def test_a_name_that_nobody_knows():
    guard = Guard(("hooks.example",), Names(OSError("no such name")))
    assert send("http://hooks.example/", guard=guard) == SendResult(
        None, error="the name hooks.example cannot be resolved"
    )


@pytest.mark.parametrize("entry", ["hooks.example", "*.example", "10.0.0.0/8", "10.0.0.1:80", "::1", "[::1]", "a:8080"])
def test_entries_that_can_match(entry):
    check_allowed(entry)


@pytest.mark.parametrize(
    "entry", ["http://hooks.example", "hooks.example/path", "a:b", "", "10.0.0.0/99", "user@host", "*", "a.*", "*."]
)
def test_entries_that_never_match_are_refused(entry):
    with pytest.raises(ValueError, match="no host name, address or network"):
        check_allowed(entry)


OURS, THEIRS, OTHER = "127.0.0.1", "10.1.2.3", "10.1.2.4"


@pytest.mark.parametrize(
    ("asker", "host", "is_allowed"),
    [
        ("", OURS, True),  # a client on this machine
        ("", "localhost", True),
        ("", THEIRS, False),
        (THEIRS, THEIRS, True),
        (THEIRS, OURS, False),
        (THEIRS, "localhost", False),
        (THEIRS, OTHER, False),
        (THEIRS, "[::ffff:10.1.2.3]", True),
        (THEIRS, "[::1]", False),
        (THEIRS, "named.example", True),
        ("2001:db8::1", "[2001:db8:0::1]", True),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_beyond_loopback_a_task_calls_its_own_client(asker, host, is_allowed, known):
    """Whether or not the resolver knows localhost."""
    answer = OTHER if host == "named.example" else OURS
    resolver = Names([answer] if known or host == "named.example" else OSError("no such name"))
    guard = Guard(("named.example",), resolver, is_public=True)
    route = read_url(f"http://{host}:9/")
    if is_allowed:
        assert asyncio.run(guard.addresses(route, asker))
    elif known or host != "localhost":
        with pytest.raises(Blocked, match="the address that submitted the task; --callback-allow"):
            asyncio.run(guard.addresses(route, asker))
    else:
        with pytest.raises(OSError, match="cannot be resolved"):
            asyncio.run(guard.addresses(route, asker))
