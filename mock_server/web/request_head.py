"""The head of a request: its target, what is wrong with it, whether its body is short, and whether it came before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from swapmock.mock_server.web.messages import Headers

#: The longest body that takes the fast path, in bytes; the application reads longer ones piece by piece.
SHORT = 65_536

#: The most header lines of one request.
MOST_LINES = 100

#: A request target with scheme and host: the host with its port, then path and query.
ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]+)([/?].*)?", re.IGNORECASE | re.DOTALL)


def authority(server: tuple[str, int | None] | None) -> str:
    """Return the host and port that a client reached; "localhost" for a unix socket."""
    if server is None or server[1] is None:
        return "localhost"
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_target(url: bytes) -> tuple[str, str]:
    """Return the decoded path and the query."""
    path, _, query = url.decode().partition("?")
    return (unquote(path) if "%" in path else path), query


def is_short(headers: Mapping[str, str], limit: int) -> bool:
    """Return whether the request has no body, or a short body of known length."""
    if "transfer-encoding" in headers or "expect" in headers:
        return False
    return int(headers.get("content-length", 0)) <= min(limit, SHORT)


def framing_fault(headers: Headers, version: str) -> tuple[int, str] | None:
    """Return the status and the text for a request that RFC 9112 (2.3, 3.2, 6.1) forbids to accept; None for others."""
    if version not in ("1.0", "1.1"):
        return 505, f"HTTP/{version} is not spoken here; HTTP/1.1 is"
    if version == "1.0" and "transfer-encoding" in headers:
        return 400, "HTTP/1.0 has no transfer codings (RFC 9112 6.1)"
    return headers.fault if version == "1.1" or "host" in headers else None


def size_fault(url: bytes, headers: Sequence[tuple[bytes, bytes]], most: int) -> tuple[int, str] | None:
    """Return the status and the text for a head with more than MOST_LINES lines or `most` bytes; None for others.
    Each header counts with two separators and its line end."""
    if len(headers) > MOST_LINES:
        return 431, f"more than {MOST_LINES} header lines"
    size = len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
    return (431, "the head is too large; --max-headers allows more") if size > most else None


def without_host(url: bytes, headers: list[tuple[bytes, bytes]]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return the target and the headers with the host of an absolute target such as `http://host/path` as Host
    header (RFC 9112 3.2.2); other targets and their headers unchanged."""
    target = ABSOLUTE_FORM.fullmatch(url)
    if target is None:
        return url, headers
    rest = target[2] or b""
    path = rest if rest.startswith(b"/") else b"/" + rest
    return path, [pair for pair in headers if pair[0] != b"host"] + [(b"host", target[1])]


#: The most heads that are remembered, and the most bytes of one.
MOST_HEADS, LONGEST_HEAD = 512, 2048


class Head(NamedTuple):
    """The parsed head of a request whose connection stays open. `length` is the number of bytes of its body."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    length: int


class KnownHeads:
    """The heads of earlier requests by their bytes: a client repeats its heads, so each is parsed once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, request: bytes) -> tuple[Head, bytes] | None:
        """Return the head and the body of `request`, if it is one whole request with a known head; else None."""
        end = request.find(b"\r\n\r\n") + 4
        head = self._known.get(request[:end])
        return None if head is None or len(request) - end != head.length else (head, request[end:])

    def learn(self, request: bytes, head: Head) -> None:
        """Remember the `head` of `request`, if these bytes are one whole request. The oldest head makes place."""
        end = request.find(b"\r\n\r\n") + 4
        if end > LONGEST_HEAD or len(request) - end != head.length:
            return
        if len(self._known) >= MOST_HEADS:
            del self._known[next(iter(self._known))]
        self._known[request[:end]] = head
