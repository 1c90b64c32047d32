"""Answers as they are written, whoever writes them."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

PLAIN = [("content-type", "text/plain; charset=utf-8")]

#: Into how many pieces the body of an answer that dribbles is cut.
PIECES = 20


def pieces(body: bytes) -> list[bytes]:
    """`body` in at most PIECES pieces of about one size."""
    size = max(1, -(-len(body) // PIECES))
    return [body[start : start + size] for start in range(0, len(body), size)]


def reason(status: int) -> str:
    """`status` with its phrase; the vendors use numbers that HTTP does not know."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


@lru_cache(256)
def start_of(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {reason(status)}", *(f"{name}: {_one_line(value)}" for name, value in headers), ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")
