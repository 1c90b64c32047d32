"""Requests and answers as the servers and the pipeline exchange them, and their headers on the wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple


@dataclass(slots=True)
class Request:
    """A request as a asgi_app read it. Header names are in lower case; `path` is decoded, `query` is not; `cut` says why
    the body is not here, if it is not; `has_left`, where known, tells whether the client is still there."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    cut: str = ""
    has_left: Callable[[], bool] | None = field(default=None, compare=False)


class Answer(NamedTuple):
    """What a asgi_app writes. `delay` holds it back, in real seconds; `wire` is how it is spoilt on its way: "" not at all,
    "reset" (TCP RST in its place), "hang_up" (FIN in its place), "dribble" (the body in pieces, spread over `delay`).
    `first` is work to be done before anything is written; it may take its time, and needs the server to go on."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    delay: float = 0.0
    wire: str = ""
    first: Callable[[], object] | None = None


#: A host and a port, as RFC 9110 7.2 has them: a name, an IPv4 or a bracketed IPv6 address.
HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


PLAIN = [("content-type", "text/plain; charset=utf-8")]


#: Into how many pieces the body of an answer that dribbles is cut, and into pieces of what size one that is long.
PIECES, LONG = 20, 1 << 18


def content_length(answer: Answer) -> tuple[str, str]:
    return "content-length", str(len(answer.body))


def pieces(body: bytes) -> list[bytes]:
    """`body` in at most PIECES pieces of about one size."""
    size = max(1, -(-len(body) // PIECES))
    return [body[start : start + size] for start in range(0, len(body), size)]


@lru_cache(256)
def named_host(shown: str, own: str) -> str:
    """The host and port that a client says it asked, for the links in answers; `own` where it says nothing fit for one."""
    return shown if HOST.fullmatch(shown) else own


def request_from(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    scheme: str,
    own: str,
    *,
    cut: str = "",
) -> Request:
    base_url = _base_url(scheme, headers.get("host", ""), own)
    return Request(method, path, query, headers, body, base_url, cut)


@lru_cache(256)
def _base_url(scheme: str, shown: str, own: str) -> str:
    return f"{scheme}://{named_host(shown, own)}"


def headers_from(pairs: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """By name in lower case; the values of a repeated one joined by commas, as RFC 9110 5.3 allows. A value that is not
    ASCII is no text (RFC 9110 5.5), and is left out."""
    return _headers(tuple(pairs))


@lru_cache(128)  # a client repeats its head, and the journal keeps it: so it is read and kept once
def _headers(pairs: tuple[tuple[bytes, bytes], ...]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:
        if value.isascii():
            key, text = name.decode(), value.decode()
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        elif name == b"transfer-encoding":
            headers["transfer-encoding"] = ""  # the parser goes by its last word
    if headers.get("content-type") == "":
        del headers["content-type"]  # for WSGI an empty one is none (PEP 3333)
    return headers


def header_octets(text: str) -> bytes:
    """A header's name or value on one line."""
    return text.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")


@lru_cache(256)
def header_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    return b"".join(b"%s: %s\r\n" % (header_octets(name), header_octets(value)) for name, value in headers)
