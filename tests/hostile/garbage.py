"""What hostile clients send, byte for byte, by seed; and what may come back."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from swapmock.contracts import load

KEY = "ak_swapmock000000000000000000000000"
CREDENTIALS = {
    "crun": {"x-api-key": KEY},
    "imgopen": {
        "x-request-req-accesskeyid": "openapi-swapmock00000000",
        "x-request-req-accesskeysecret": "secretswapmock000000000000000000",
    },
    "admin": {},
}

#: What would hold a connection on purpose, or drop the very sandbox that is being tried.
LEFT_ALONE = ("wait", "delete_sandbox", "reset_sandbox", "reset_default", "restore_sandbox")


@dataclass(frozen=True)
class Attack:
    kind: str
    sent: bytes
    half_close: bool = False


def head(method: str, target: str, headers: dict[str, str], *lines: str) -> bytes:
    own = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *own, *lines, "", ""]).encode(
        "utf-8", "surrogateescape"
    )


def whole(method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
    kind = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    return head(method, target, {**headers, **kind}) + body


class Attacker:
    """Endless attacks, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._targets = [
            (name, operation.method, operation.path)
            for name in ("crun", "imgopen", "admin")
            for operation in load(name).operations.values()
            if not any(part in operation.id for part in LEFT_ALONE)
        ]
        self._kinds: list[Callable[[], Attack]] = [
            self.chunks, self.lengths, self.long_head, self.many_headers, self.pipeline, self.half, self.cut, self.utf8,
            self.deep, self.huge_numbers, self.duplicates, self.paths, self.bytes, self.flipped, self.wrong_types,
            self.wrong_types, self.wrong_types, self.queries, self.methods, self.odd_headers, self.uploads,
        ]  # fmt: skip

    def attacks(self) -> Iterator[Attack]:
        while True:
            yield self._chance.choice(self._kinds)()

    def _aim(self) -> tuple[str, str, dict[str, str]]:
        name, method, path = self._chance.choice(self._targets)
        filled = re.sub(
            r"\{\w+\}", lambda _: self._chance.choice(["default", "x", "..", "%2e%2e", "0", "a" * 300]), path
        )
        return method, filled, CREDENTIALS[name]

    def _post(self) -> tuple[str, str, dict[str, str]]:
        return next(aim for aim in iter(self._aim, None) if aim[0] in ("POST", "PUT", "PATCH"))

    def _json(self, depth: int = 3) -> Any:
        chance = self._chance
        kind = chance.randrange(9 if depth else 7)
        if kind == 7:
            return [self._json(depth - 1) for _ in range(chance.randrange(4))]
        if kind == 8:
            return {chance.choice(NAMES): self._json(depth - 1) for _ in range(chance.randrange(5))}
        return chance.choice(VALUES)

    def chunks(self) -> Attack:
        method, path, keys = self._post()
        body = self._chance.choice(BAD_CHUNKS)
        return Attack(
            "chunks", head(method, path, keys, "Transfer-Encoding: chunked") + body, not body.endswith(b"0\r\n\r\n")
        )

    def lengths(self) -> Attack:
        method, path, keys = self._post()
        lines = self._chance.choice(BAD_LENGTHS)
        return Attack("lengths", head(method, path, keys, *lines) + b"{}", half_close=True)

    def long_head(self) -> Attack:
        method, path, keys = self._aim()
        size = self._chance.choice([8_000, 70_000, 200_000])
        if self._chance.random() < 0.5:
            return Attack("long head", head(method, path + "?" + "a" * size, keys, "Connection: close"))
        return Attack("long head", head(method, path, keys, "X-Long: " + "a" * size, "Connection: close"))

    def many_headers(self) -> Attack:
        method, path, keys = self._aim()
        lines = [f"X-{self._chance.randrange(9)}: {number}" for number in range(self._chance.choice([50, 150, 3000]))]
        return Attack("many headers", head(method, path, keys, "Connection: close", *lines))

    def pipeline(self) -> Attack:
        parts = []
        for _ in range(self._chance.randrange(2, 40)):
            method, path, keys = self._aim()
            parts.append(head(method, path, {**keys, "Content-Length": "2"}) + b"{}")
        return Attack("pipeline", b"".join(parts), half_close=True)

    def half(self) -> Attack:
        method, path, keys = self._aim()
        return Attack(
            "half-closed", whole(method, path, keys, b"{}").replace(b"Connection: close\r\n", b""), half_close=True
        )

    def cut(self) -> Attack:
        method, path, keys = self._post()
        text = whole(method, path, keys, json.dumps(self._json()).encode())
        return Attack("cut off", text[: self._chance.randrange(1, len(text))], half_close=True)

    def utf8(self) -> Attack:
        method, path, keys = self._post()
        return Attack("not UTF-8", whole(method, path, keys, self._chance.choice(NOT_UTF8)))

    def deep(self) -> Attack:
        method, path, keys = self._post()
        opened, closed = self._chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
        depth = self._chance.choice([100, 257, 5_000, 100_000])
        return Attack("deep", whole(method, path, keys, opened * depth + b"1" + closed * depth))

    def huge_numbers(self) -> Attack:
        method, path, keys = self._post()
        name = self._chance.choice(NAMES)
        return Attack(
            "huge numbers", whole(method, path, keys, b'{"%s":%s}' % (name.encode(), self._chance.choice(NUMBERS)))
        )

    def duplicates(self) -> Attack:
        method, path, keys = self._post()
        pairs = ",".join(f"{json.dumps(self._chance.choice(NAMES))}:{json.dumps(self._json(1))}" for _ in range(30))
        return Attack("duplicate keys", whole(method, path, keys, f"{{{pairs}}}".encode()))

    def paths(self) -> Attack:
        path = self._chance.choice(STEMS) + "".join(
            self._chance.choice(STEPS) for _ in range(self._chance.randrange(1, 6))
        )
        return Attack(
            "paths", head(self._chance.choice(["GET", "PUT", "HEAD"]), path, CREDENTIALS["crun"], "Connection: close")
        )

    def bytes(self) -> Attack:
        return Attack("bytes", self._chance.randbytes(self._chance.randrange(1, 300)), half_close=True)

    def flipped(self) -> Attack:
        method, path, keys = self._post()
        text = bytearray(whole(method, path, keys, json.dumps(self._json()).encode()))
        for _ in range(self._chance.randrange(1, 6)):
            text[self._chance.randrange(len(text))] = self._chance.randrange(256)
        return Attack("flipped bytes", bytes(text), half_close=True)

    def wrong_types(self) -> Attack:
        method, path, keys = self._post()
        return Attack("wrong types", whole(method, path, keys, json.dumps(self._json()).encode()))

    def queries(self) -> Attack:
        method, path, keys = self._aim()
        parts = [
            f"{self._chance.choice(NAMES)}={self._chance.choice(STEPS)}" for _ in range(self._chance.randrange(1, 9))
        ]
        return Attack("queries", head(method, f"{path}?{'&'.join(parts)}", keys, "Connection: close"))

    def methods(self) -> Attack:
        _, path, keys = self._aim()
        method = self._chance.choice(
            ["OPTIONS", "TRACE", "CONNECT", "DELETE", "HEAD", "PATCH", "BREW", "get", "PROPFIND"]
        )
        return Attack("methods", head(method, path, keys, "Connection: close"), half_close=True)

    def odd_headers(self) -> Attack:
        method, path, keys = self._aim()
        lines = [self._chance.choice(ODD_HEADERS) for _ in range(3)]
        return Attack("odd headers", head(method, path, keys, *lines, "Connection: close"), half_close=True)

    def uploads(self) -> Attack:
        path = f"/u/{self._chance.choice(STEPS).strip('/')}?{self._chance.choice(['', 'sig=x', 'signature=..', 'X-Amz-Date=1'])}"
        return Attack("uploads", whole("PUT", path, {}, self._chance.randbytes(100)))


NAMES = (
    "model", "input", "image_url", "video_url", "new_face", "detect_id", "faces", "face_id", "target", "callback_url", "id",
    "businessTaskId", "sourceUrl", "targetUrl", "faceIdx", "imageUrl", "taskId", "file_name", "content_type", "clock", "seed",
    "by", "until", "match", "effect", "balance", "labels", "variants", "page", "limit", "__proto__", "", "\x00", "\u202e",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, -(10**30), 1e308, "", "a" * 5000, "https://example.com/a.png", "https://faces.invalid/3.png",
    "https://errors.invalid/429", "https://errors.invalid/nonsense", "http://[::1", "file:///etc/passwd", "image-face-swap", "../..",
    "\x00", "\u0000\ud7ff", "１２", "65s", "-5s", "999999999999h", "frozen", "$..*", "$[?(@.a)]", "(a+)+$", {}, [], "default",
)  # fmt: skip
BAD_CHUNKS = (
    b"ZZ\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n0\r\n\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc", b"3;" + b"x" * 20000 + b"\r\nabc\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"0x3\r\nabc\r\n0\r\n\r\n",
    b"2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n", b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
)  # fmt: skip
BAD_LENGTHS = (
    ("Content-Length: -1",), ("Content-Length: 1x",), ("Content-Length: 99999999999999999999",), ("Content-Length: 3", "Content-Length: 4"),
    ("Content-Length: 2", "Transfer-Encoding: chunked"), ("Content-Length: 500",), ("Transfer-Encoding: gzip",), ("Content-Length: +2",),
    ("Content-Length: 2, 2",), ("Content-Length: 99999999",), ("Transfer-Encoding: chunked, identity",), ("Content-Length:",),
)  # fmt: skip
NOT_UTF8 = (
    b"\xff\xfe{}", b'{"image_url":"\xc3\x28"}', b'{"image_url":"\xed\xa0\x80"}', b"\xef\xbb\xbf{}", b"\x00", b'{"a":"\x01"}',
    '{"image_url":"https://a.com"}'.encode("utf-16"), b'{"image_url":"\\ud800"}', b"\x1f\x8b\x08\x00", b'{"image_url": "\xf5\x80\x80\x80"}',
)  # fmt: skip
NUMBERS = (
    b"1" * 5000, b"-" + b"9" * 400, b"1e999", b"-1e999", b"1e-999", b"0." + b"1" * 4000, b"NaN", b"Infinity", b"00", b"0x10", b"1_000",
    b"9223372036854775808", b"18446744073709551616", b"1.7976931348623157e309",
)  # fmt: skip
STEMS = (
    "/media/",
    "/u/",
    "/media/x/",
    "/Output-Img2/",
    "/api/v1/client/",
    "/__admin/sandboxes/",
    "/AIGCImgOpenServ/saas/",
    "/",
    "//",
)
STEPS = (
    "../", "..%2f", "%2e%2e/", "%2e%2e%2f", "....//", "..\\", "%5c..%5c", "etc/passwd", "%00", "0.jpg", "%c0%ae%c0%ae/", "%ff", "%", "%zz",
    "a" * 3000, ";x=y", "?", "#", "%0d%0aX-Injected:%201", "C:%5c", "~root", "*", "$(id)", "'--", "<script>", "%F0%9F%92%A9", "-1", "1e9",
)  # fmt: skip
ODD_HEADERS = (
    "X-A: \udcff\udcfe", "Content-Type: application/json; charset=utf-16", "Content-Type: multipart/form-data", "Expect: 200-ok", "Host: y",
    "Prefer: code=teapot", "Prefer: code=429; delay=0", "Authorization: Bearer", "Authorization: Basic !!!", "Accept-Encoding: gzip;q=x", " folded: x",
    "Upgrade: websocket", "Upgrade: h2c", "X-Forwarded-For: ' or 1=1", "Range: bytes=0-0,1-1,2-2", "Content-Encoding: gzip", "no colon",
    "X-HTTP-Method-Override: DELETE", ": empty", "If-None-Match: *", "Cookie: " + "a=b; " * 500, "Transfer-Encoding : chunked",
)  # fmt: skip


class Unfit(AssertionError):
    """An answer that no hostile client should get."""


def send(address: tuple[str, int], attack: Attack, timeout: float = 10.0) -> list[tuple[int, bytes]]:
    """Every answer to an attack, as (status, body), until the server closes or has answered; judged."""
    received = bytearray()
    with socket.create_connection(address, timeout) as client:
        try:
            client.sendall(attack.sent)
            if attack.half_close:
                client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                received += piece
                if not attack.half_close and attack.kind in ("chunks",) and b"\r\n\r\n" in received:
                    break
        except ConnectionError:
            """The server may close the connection of a client that breaks the rules."""
    return judged(attack, bytes(received))


_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n", re.DOTALL)


def judged(attack: Attack, received: bytes) -> list[tuple[int, bytes]]:
    """The answers in what was received; Unfit for one that is neither an envelope nor a plain refusal."""
    answers, rest = [], received
    while found := _STATUS.match(rest):
        status, fields = int(found[1]), found[2].lower()
        length = re.search(rb"content-length: (\d+)", fields)
        size = int(length[1]) if length and b"HEAD " not in attack.sent[:5] else 0
        body = rest[found.end() : found.end() + size]
        rest = rest[found.end() + size :]
        answers.append((status, body))
        if b"x-injected" in fields or b"Traceback" in body or b'File "' in body:
            raise Unfit(f"{attack.kind}: {attack.sent[:300]!r} got {status} {fields!r} {body[:300]!r}")
        if status >= 500 and not _is_asked_for(attack, status, body):
            raise Unfit(f"{attack.kind}: {attack.sent[:300]!r} got {status} {body[:300]!r}")
    return answers


def _is_asked_for(attack: Attack, status: int, body: bytes) -> bool:
    """A 5xx in the vendor's envelope, to a request that names one by a magic value or header; or an unknown method."""
    return status == 501 or (b'"code"' in body and (b"errors.invalid" in attack.sent or b"refer: code" in attack.sent))
