"""The way out is bounded, and nothing of the user's environment goes along."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from swapmock.client_checks.conformance.masking import Secrets
from swapmock.client_checks.conformance.strict_json import MAX_DEPTH, parsed, why_not_json
from swapmock.client_checks.conformance.transport import Transport, Unreachable, is_loopback, proxies_for, proxy_named

KEY = "ak_Swapmock/00000+00000000000000"
SECRETS = Secrets({"CRUN_API_KEY": KEY})


@contextmanager
def serving(talk: Callable[[socket.socket, bytes], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request's head and lets `talk` answer; its URL and the heads."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        piece = connection.recv(65536)
                        if not piece:
                            break
                        head += piece
                    heads.append(head)
                    with suppress(OSError):
                        talk(connection, head)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", heads
        finally:
            server.shutdown(socket.SHUT_RDWR)


def answering(body: bytes, *headers: str) -> Callable[[socket.socket, bytes], None]:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers]

    def talk(connection: socket.socket, _: bytes) -> None:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    return talk


def endless(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def dripping_body(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    drip(connection)


def dripping_head(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(connection)


def drip(connection: socket.socket) -> None:
    connection.settimeout(0.02)
    while True:
        connection.sendall(b" ")
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            continue


def bounded() -> Transport:
    return Transport(total=0.5, max_text=100_000, max_media=200_000)


def test_an_endless_answer_is_cut() -> None:
    with serving(endless) as (url, _):
        answer = bounded().send("GET", url, [], b"")
    assert answer.broken_bound == "more than 100000 bytes"
    assert len(answer.content) == 100_000


def test_a_dripping_body_is_cut() -> None:
    with serving(dripping_body) as (url, _):
        answer = bounded().send("GET", url, [], b"")
    assert answer.broken_bound == "not complete after 0.5 s"


def test_a_dripping_head_is_no_answer() -> None:
    with serving(dripping_head) as (url, _), pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
        bounded().send("GET", url, [], b"")


def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    with serving(answering(bomb, "Content-Type: application/json", "Content-Encoding: gzip")) as (url, _):
        answer = bounded().send("GET", url, [], b"")
    assert answer.broken_bound == "more than 100000 bytes"
    assert len(answer.content) == 100_000


@pytest.mark.parametrize(("coding", "bits"), [("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_compressed_answer_is_read(coding: str, bits: int) -> None:
    body = json.dumps({"code": 200}).encode() * 100
    packer = zlib.compressobj(wbits=bits)
    packed = packer.compress(body) + packer.flush()
    with serving(answering(packed, f"Content-Encoding: {coding}")) as (url, _):
        assert bounded().send("GET", url, [], b"").content == body


def test_nothing_of_the_environment_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    transport = bounded()
    with serving(answering(b"{}", "Set-Cookie: session=1; Path=/")) as (url, heads):
        transport.send("GET", url, [], b"")
        transport.send("GET", url, [], b"")
    assert len(heads) == 2
    assert all(b"authorization" not in head.lower() and b"cookie" not in head.lower() for head in heads)


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:1/x", True), ("http://localhost/", True), ("http://a.localhost/", True), ("http://[::1]:80/", True),
        ("http://127.9.9.9/", True), ("https://api.crun.ai/", False), ("http://localhost.example.com/", False),
    ],
)  # fmt: skip
def test_loopback_is_never_proxied(url: str, near: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert is_loopback(url) == near
    assert bool(proxies_for(url)) == (not near)


def test_a_proxy_that_breaks_a_call_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert proxy_named("http://service.example/") == "http_proxy"
    with pytest.raises(Unreachable, match="the proxy of http_proxy"):
        bounded().send("GET", "http://service.example/", [], b"")


@pytest.mark.needs("openssl")
def test_an_unknown_certificate_is_called_one(tmp_path: Path) -> None:
    import subprocess

    files = [str(tmp_path / name) for name in ("key.pem", "cert.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2", "-keyout", files[0], "-out", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                context.wrap_socket(connection, server_side=True)

        threading.Thread(target=run, daemon=True).start()
        with pytest.raises(Unreachable, match="TLS: the server's certificate is not trusted") as told:
            bounded().send("GET", f"https://127.0.0.1:{server.getsockname()[1]}/", [], b"")
    assert not told.value.is_connected


# --- keys


def spellings() -> dict[str, str]:
    b64 = base64.b64encode(KEY.encode()).decode()
    return {
        "plain": KEY,
        "upper case": KEY.upper(),
        "lower case": KEY.lower(),
        "in a URL": quote(KEY, safe=""),
        "in a URL, lower hexadecimal": quote(KEY, safe="").lower(),
        "twice in a URL": quote(quote(KEY, safe=""), safe=""),
        "in JSON": json.dumps(KEY)[1:-1].replace("/", "\\/"),
        "in JSON escapes": "".join(f"\\u{ord(c):04x}" for c in KEY),
        "in JSON escapes, upper case": "".join(f"\\u{ord(c):04X}" for c in KEY),
        "some JSON escapes": KEY.replace("S", "\\u0053").replace("_", "\\u005f"),
        "in HTML": "".join(f"&#{ord(c)};" for c in KEY),
        "in HTML, hexadecimal": "".join(f"&#x{ord(c):x};" for c in KEY),
        "base64": b64,
        "base64 for URLs": base64.urlsafe_b64encode(KEY.encode()).decode(),
        "base64 with a name": base64.b64encode(b"user:" + KEY.encode()).decode(),
        "base64 within more": base64.b64encode(b"ab" + KEY.encode() + b"cdef").decode(),
        "hexadecimal": KEY.encode().hex(),
        "hexadecimal, upper case": KEY.encode().hex().upper(),
    }


@pytest.mark.parametrize("how", spellings())
def test_a_key_is_masked_in_every_spelling(how: str) -> None:
    text = f'{{"message": "bad key {spellings()[how]}!"}}'
    masked = SECRETS.out_of(text)
    assert "$CRUN_API_KEY" in masked
    assert SECRETS.shown_in(text.encode()) == "CRUN_API_KEY"
    assert SECRETS.shown_in(masked.encode()) == ""
    assert SECRETS.out_of_bytes(text.encode()) == masked.encode()


@pytest.mark.parametrize("text", ["", "ak_", "ak_Swapmock", KEY[:-1], KEY[1:], "CRUN_API_KEY", "a" * 5000])
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert SECRETS.out_of(text) == text
    assert SECRETS.shown_in(text.encode()) == ""


def test_bytes_that_are_no_text_are_left_as_they_are() -> None:
    content = bytes(range(256)) * 3
    assert SECRETS.out_of_bytes(content) == content


# --- JSON


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": 1}', ""),
        (b' \n[1.50, "x", null]\n', ""),
        ('{"a": "Ä"}'.encode(), ""),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": "Ä"}'.encode("latin-1"), "not UTF-8"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "Infinity is not JSON"),
        (b'{"a": 1e999}', "beyond every bound"),
        (b'{"a": ' + b"9" * 400 + b"}", "a number of 400 digits"),
        (b"[" * 5000 + b"]" * 5000, f"nested more than {MAX_DEPTH}"),
        (b"[" * 200_000, f"nested more than {MAX_DEPTH}"),
        (b'{"a": 1} x', "Extra data"),
        (b"", "Expecting value"),
    ],
)
def test_json_is_read_strictly(content: bytes, why: str) -> None:
    told = why_not_json(content)
    assert bool(told) == bool(why)
    assert why in told


@pytest.mark.parametrize("content", [b"[" * 200_000, b"", b"\xff", b"[" * 5000 + b"]" * 5000])
def test_what_cannot_be_read_is_none(content: bytes) -> None:
    assert parsed(content) is None


def test_brackets_in_text_are_no_depth() -> None:
    text = json.dumps({"a": "[" * 1000 + '\\"' + "{" * 1000})
    assert parsed(text.encode()) is not None
    assert why_not_json(text.encode()) == ""
