"""Reading the head of a request: its target, and whether its body is short."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
