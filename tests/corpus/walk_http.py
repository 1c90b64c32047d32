"""HTTP itself: what lies beside the contracts, odd spellings, and requests that are none."""

from __future__ import annotations

from tests.corpus.book import Book
from tests.corpus.wire import HOST

KEY = "ak_swapmock000000000000000000000000"
BALANCE = f"GET /api/v1/client/account/balance HTTP/1.1\r\nHost: {HOST}\r\nx-api-key: {KEY}\r\n"
CREATE = f"POST /api/v1/client/job/CreateTask HTTP/1.1\r\nHost: {HOST}\r\nx-api-key: {KEY}\r\n"

RAW: tuple[tuple[str, str, int], ...] = (
    ("garbage", "hello\r\n\r\n", 1),
    ("no host", BALANCE.replace(f"Host: {HOST}\r\n", "") + "\r\n", 1),
    ("old", BALANCE.replace("HTTP/1.1", "HTTP/1.0") + "\r\n", 1),
    ("old and kept", BALANCE.replace("HTTP/1.1", "HTTP/1.0") + "Connection: keep-alive\r\n\r\n", 1),
    ("closed", BALANCE + "Connection: close\r\n\r\n", 1),
    ("two at once", (BALANCE + "\r\n") * 2, 2),
    ("three at once", BALANCE + "\r\n" + CREATE + "Content-Length: 2\r\n\r\n{}" + BALANCE + "\r\n", 3),
    ("wait for it", CREATE + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", 2),
    ("chunked", CREATE + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 1),
    ("bad chunk", CREATE + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 1),
    ("bad length", CREATE + "Content-Length: x\r\n\r\n", 1),
    ("long head", BALANCE + "X-Long: " + "x" * 70_000 + "\r\n\r\n", 1),
    ("odd header", BALANCE + "No colon\r\n\r\n", 1),
    ("key twice", BALANCE + f"x-api-key: {KEY}\r\n\r\n", 1),
    ("other case", BALANCE.replace("x-api-key", "X-API-KEY") + "\r\n", 1),
    ("absolute", BALANCE.replace("GET /", f"GET http://{HOST}/") + "\r\n", 1),
    ("odd method", BALANCE.replace("GET", "BREW") + "\r\n", 1),
    ("odd path", BALANCE.replace("balance", "bal%zzance") + "\r\n", 1),
    ("upgrade", BALANCE + "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 1),
)

PATHS = (
    "/",
    "/health",
    "/nobody",
    "/favicon.ico",
    "/media",
    "/media/",
    "/u/",
    "/r2/",
    "//",
    "/__admin/",
    "/__admin/nobody",
)


def walk(book: Book) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
        for path in PATHS:
            book.ask(f"http/{method} {path}", method, path, fresh=method == "POST")
    for name, raw, count in RAW:
        book.raw(f"http/raw {name}", raw.encode(), count)
    for host in ("localhost", "emulator.test:8080", "[::1]:1234", "user@host", "a b", "", "host:99999999"):
        headers = (("Host", host), ("x-api-key", KEY))
        path = "/api/v1/client/files/upload-url?content_type=image/png&ext=.png"
        book.ask(f"http/host {host}", "GET", path, headers=headers, fresh=True)
    forwarded = (("x-api-key", KEY), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "example.com"))
    book.ask(
        "http/forwarded", "GET", "/api/v1/client/files/upload-url?content_type=image/png&ext=.png", headers=forwarded
    )
    book.ask("http/origin", "OPTIONS", "/api/v1/client/job/CreateTask", headers=(("Origin", "http://a"),))
    upload = f"PUT /r2/nobody.png?expires=1&signature=x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 60000000\r\n"
    book.raw("http/large upload", (upload + "Expect: 100-continue\r\n\r\n").encode())
