"""The proxy on the wire: which requests it serves, which it refuses, and that nothing is lost on the way."""

import json
import socket
import ssl

import pytest
import requests

from swapmock import Emulator
from swapmock.mock_server.interception import intercept
from tests.interception.conftest import ENVIRONMENT, Connection
from tests.receivers import Receiver


@pytest.fixture
def trust(interception):
    return ssl.create_default_context(cafile=interception.environment["SSL_CERT_FILE"])


@pytest.fixture
def secure(connect, trust):
    """A connection through the proxy with TLS for a vendor's host."""
    made = []

    def secure(host="api.crun.ai", port=443):
        plain = connect()
        plain.send(f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}")
        assert plain.head()[0].split()[1] == "200"
        plain.close()
        made.append(Connection(trust.wrap_socket(plain.socket, server_hostname=host)))
        return made[-1]

    yield secure
    for client in made:
        client.close()
        client.socket.close()


@pytest.fixture
def key(interception):
    return interception.environment["CRUN_API_KEY"]


BALANCE = "/api/v1/client/account/balance"


@pytest.mark.parametrize("host", ["api.crun.ai", "api.crunai.com", "api.zhiqite.com"])
def test_every_vendor_host_has_a_certificate(host, secure):
    client = secure(host)
    client.send(f"GET {BALANCE} HTTP/1.1", f"Host: {host}")
    assert client.answer()[0] == 401


def test_the_hosts_are_those_of_the_contracts(interception):
    assert interception.hosts == ("api.crun.ai", "api.crunai.com", "api.zhiqite.com")


def test_many_requests_on_one_connection(secure, key):
    client = secure()
    lines = (f"GET {BALANCE} HTTP/1.1", "Host: api.crun.ai", f"x-api-key: {key}")
    for _ in range(3):
        client.send(*lines)
    assert [client.answer()[0] for _ in range(3)] == [200] * 3
    client.send(*lines)
    assert client.answer()[0] == 200


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_large_body_arrives_whole(is_chunked, secure, key):
    client = secure()
    where = "GET /api/v1/client/files/upload-url?content_type=image/png&ext=.png HTTP/1.1"
    client.send(where, "Host: api.crun.ai", f"x-api-key: {key}")
    links = json.loads(client.answer()[2])["data"]
    body = bytes(range(256)) * 8000
    target = links["presigned_url"].removeprefix("https://api.crun.ai")
    head = (f"PUT {target} HTTP/1.1", "Host: api.crun.ai", "Content-Type: image/png")
    if is_chunked:
        chunks = (body[start : start + 30_001] for start in range(0, len(body), 30_001))
        sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        client.send(*head, "Transfer-Encoding: chunked", body=sent)
    else:
        client.send(*head, f"Content-Length: {len(body)}", body=body)
    if is_chunked:  # the store wants a length, as S3 does; the connection goes on behind the last chunk
        assert client.answer()[0] == 501
        client.send(f"GET {BALANCE} HTTP/1.1", "Host: api.crun.ai", f"x-api-key: {key}")
        assert client.answer()[0] == 200
        return
    assert client.answer()[0] == 200
    client.send(f"GET {links['file_url'].removeprefix('https://api.crun.ai')} HTTP/1.1", "Host: api.crun.ai")
    assert client.answer()[2] == body


def test_a_client_that_sends_a_whole_https_url_is_served(connect, key):
    """So do older HTTP libraries whose proxy they took from the environment."""
    client = connect()
    client.send(f"GET https://api.crun.ai{BALANCE}?a=1 HTTP/1.1", "Host: other.example", f"x-api-key: {key}")
    status, _headers, body = client.answer()
    assert (status, json.loads(body)["data"]) == (200, {"balance": 1000})
    assert client.rest() == b""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_links_have_the_scheme_and_host_that_the_client_used(scheme, connect, key):
    client = connect()
    target = f"{scheme}://API.crunai.com/api/v1/client/files/upload-url?content_type=image/png&ext=.png"
    client.send(f"GET {target} HTTP/1.1", "Host: API.crunai.com", f"x-api-key: {key}")
    link = json.loads(client.answer()[2])["data"]["file_url"]
    assert link.lower().startswith(f"{scheme}://api.crunai.com/u/")


def test_plain_http_by_connect_and_by_redirection(connect, key):
    lines = (f"GET {BALANCE} HTTP/1.1", "Host: api.crun.ai", f"x-api-key: {key}")
    tunnel, redirected = connect(), connect()
    tunnel.send("CONNECT api.crun.ai:80 HTTP/1.1", "Host: api.crun.ai:80")
    assert tunnel.head()[0].split()[1] == "200"
    for client in (tunnel, redirected):
        client.send(*lines)
        assert client.answer()[0] == 200


@pytest.mark.parametrize(
    ("lines", "status", "told"),
    [
        (("CONNECT example.com:443 HTTP/1.1", "Host: example.com:443"), 403, "--others tunnel"),
        (("CONNECT api.crun.ai.example.com:443 HTTP/1.1", "Host: x"), 403, "--others tunnel"),
        (("GET http://example.com/ HTTP/1.1", "Host: example.com"), 403, "--others tunnel"),
        (("CONNECT api.crun.ai:many HTTP/1.1", "Host: x"), 400, "the port is not a number"),
        (("CONNECT 127.0.0.1:99999 HTTP/1.1", "Host: x"), 400, "the port is not a number"),
        (("GET https://example.com/ HTTP/1.1", "Host: example.com"), 400, "CONNECT"),
        (("GET / HTTP/1.1", "Host: 127.0.0.1"), 400, "proxy"),
        (("GET / HTTP/1.1",), 400, "not a valid HTTP/1.1 request"),
        (("nonsense",), 400, "not a valid HTTP/1.1 request"),
        (("GET http://[::1/ HTTP/1.1", "Host: x"), 400, "not a URL"),
    ],
)
def test_all_else_is_refused_with_a_reason(lines, status, told, connect):
    client = connect()
    client.send(*lines)
    answer = client.answer()
    assert answer[0] == status
    assert told in answer[2].decode()


def test_refused_hosts_are_noted(interception, connect):
    client = connect()
    client.send("CONNECT noted.example:443 HTTP/1.1", "Host: x")
    client.answer()
    assert "noted.example" in interception.refused


def test_loopback_is_let_through(connect):
    with Receiver() as receiver:
        client = connect()
        client.send(f"CONNECT 127.0.0.1:{receiver.port} HTTP/1.1", "Host: x")
        assert client.head()[0].split()[1] == "200"
        client.send("POST /a HTTP/1.1", "Host: x", "Content-Length: 1", body=b"1")
        assert client.answer()[0] == 200
        other = connect()
        other.send(f"GET {receiver.url('/b?c')} HTTP/1.1", "Host: x", "Proxy-Connection: keep-alive")
        assert other.answer()[0] == 200
        assert [got.path for got in receiver.got] == ["/a", "/b?c"]
        assert "Proxy-Connection" not in receiver.got[1].headers


def test_others_are_tunnelled_if_asked_for():
    """`0x7f.1` is loopback for the system, and no name of it for the proxy."""
    with Receiver() as receiver, intercept(environment=ENVIRONMENT, others="tunnel") as running:
        port = int(running.proxy_url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            client = Connection(plain)
            client.send(f"CONNECT 0x7f.1:{receiver.port} HTTP/1.1", "Host: x")
            assert client.head()[0].split()[1] == "200"
            client.send("POST /a HTTP/1.1", "Host: x", "Content-Length: 0")
            assert client.answer()[0] == 200
        assert running.refused == []


def test_a_host_that_nobody_listens_on_is_a_bad_gateway(connect):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = connect()
    client.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1", "Host: x")
    status, _, body = client.answer()
    assert status == 502
    assert b"cannot connect" in body


# --- faults reach the client


def test_a_reset_is_a_reset_for_the_client(interception, connect):
    with interception.control.sandbox() as sandbox:
        sandbox.add_fault({"connection": "reset"})
        client = connect()
        client.send(f"GET http://api.crun.ai{BALANCE} HTTP/1.1", "Host: api.crun.ai", f"x-api-key: {sandbox.key()}")
        with pytest.raises(ConnectionResetError):
            client.rest()


@pytest.mark.parametrize(("effect", "is_clean"), [("reset", False), ("hang_up", True)])
def test_a_lost_connection_is_lost_for_a_client_with_tls(effect, is_clean, interception, secure):
    """Python's ssl shows a reset as an end without TLS's own; a plain end has that."""
    with interception.control.sandbox() as sandbox:
        sandbox.add_fault({"connection": effect})
        client = secure()
        client.socket.suppress_ragged_eofs = False
        client.send(f"GET {BALANCE} HTTP/1.1", "Host: api.crun.ai", f"x-api-key: {sandbox.key()}")
        if is_clean:
            assert client.rest() == b""
        else:
            with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
                client.rest()


def test_a_broken_body_is_broken_for_the_client(interception, secure):
    with interception.control.sandbox() as sandbox:
        sandbox.add_fault({"body": "empty"})
        client = secure()
        client.send(f"GET {BALANCE} HTTP/1.1", "Host: api.crun.ai", f"x-api-key: {sandbox.key()}")
        assert client.answer()[2] == b""


# --- what goes wrong


def test_a_client_that_does_not_trust_us_is_noted(interception, connect):
    client = connect()
    client.send("CONNECT api.crun.ai:443 HTTP/1.1", "Host: x")
    client.head()
    before = len(interception.untrusted)
    client.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(client.socket, server_hostname="api.crun.ai")
    second = connect()  # answered after the first has been dealt with
    second.send(f"GET http://api.crun.ai{BALANCE} HTTP/1.1", "Host: x")
    second.answer()
    assert len(interception.untrusted) == before + 1


def test_a_client_that_leaves_harms_nobody(connect, secure, key):
    for leave in (lambda c: c.socket.close(), lambda c: c.socket.shutdown(socket.SHUT_WR)):
        for client in (connect(), secure()):
            client.send(f"POST {BALANCE} HTTP/1.1", "Host: api.crun.ai", "Content-Length: 100", body=b"{")
            leave(client)
    client = secure()
    client.send(f"GET {BALANCE} HTTP/1.1", "Host: api.crun.ai", f"x-api-key: {key}")
    assert client.answer()[0] == 200


def test_an_emulator_that_is_not_there_is_told_at_the_start():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError, match="refused"), intercept(f"http://127.0.0.1:{port}", environment=ENVIRONMENT):
        pass


@pytest.mark.parametrize(("trusted", "scheme"), [((), "http"), (("127.0.0.1",), "https")])
def test_links_of_a_running_emulator_are_secure_if_it_trusts_the_proxy(trusted, scheme):
    with (
        Emulator(trusted_proxies=trusted) as emulator,
        intercept(emulator.url, environment=ENVIRONMENT) as running,
        requests.Session() as session,
    ):
        session.trust_env = False
        session.verify = running.environment["REQUESTS_CA_BUNDLE"]
        session.proxies = {"https": running.proxy_url}
        answer = session.get(
            "https://api.crun.ai/api/v1/client/files/upload-url?content_type=image/png&ext=.png",
            headers=emulator.default.headers(),
            timeout=20,
        )
        assert answer.json()["data"]["file_url"].startswith(f"{scheme}://api.crun.ai/u/")
        assert [request.host for request in running.vendor_requests] == ["api.crun.ai"]


def test_an_emulator_that_ends_is_a_bad_gateway():
    emulator = Emulator().start()
    with intercept(emulator.url, environment=ENVIRONMENT) as running, requests.Session() as session:
        emulator.stop()
        session.trust_env = False
        answer = session.get("http://api.crun.ai/", proxies={"http": running.proxy_url}, timeout=20)
    assert answer.status_code == 502
    assert "the emulator cannot be reached" in answer.text
