"""Reading the head of a request: its target, whether its body is short, and whether it came before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

#: The longest body that takes the fast path, in bytes; the application reads longer ones piece by piece.
SHORT = 65_536

#: A request target with scheme and host: the host with its port, then path and query.
ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]+)([/?].*)?", re.IGNORECASE | re.DOTALL)


def authority(server: tuple[str, int | None] | None) -> str:
    """Return the host and port that a client reached; "localhost" for a unix socket."""
    if server is None or server[1] is None:
        return "localhost"
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def origin_form(rest: bytes) -> bytes:
    """Return the path and query `rest` of an absolute URL with a slash at the beginning."""
    return rest if rest.startswith(b"/") else b"/" + rest


def split_target(url: bytes) -> tuple[str, str]:
    """Return the decoded path and the query."""
    path, _, query = url.decode().partition("?")
    return (unquote(path) if "%" in path else path), query


def is_short(headers: Mapping[str, str], limit: int) -> bool:
    """Return whether the request has no body, or a short body of known length."""
    if "transfer-encoding" in headers or "expect" in headers:
        return False
    return int(headers.get("content-length", 0)) <= min(limit, SHORT)


def head_size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Return the bytes of a request's URL and headers, with two separators and the line end for each header."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


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
