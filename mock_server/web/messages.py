"""Requests and answers as the servers and the pipeline exchange them, and their headers on the wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from swapmock.mock_server.core.call import Digests
    from swapmock.mock_server.web.content import Content


@dataclass(slots=True)
class Request:
    """A request that an application (ASGI or WSGI) has read.

    Header names are in lower case. `path` is decoded, `query` is not. `base_url` is the URL by which the client
    reached the server. `body_error` says why the body was dropped ("" if it was not). `has_left`, if known,
    returns whether the client has disconnected. `client` is the address of the client, "" if unknown. `digests`
    are those of `body`, if they were computed before. `whole` is the body that came, if `body` was shortened."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    body_error: str = ""
    has_left: Callable[[], bool] | None = field(default=None, compare=False)
    client: str = field(default="", compare=False)
    digests: Digests | None = field(default=None, compare=False)
    whole: bytes | None = field(default=None, compare=False)


class EventStream(Protocol):
    """The rest of an answer that goes on: `message` is called every `interval` seconds, and its result is written."""

    interval: float

    def message(self) -> bytes:
        """Return the bytes to write now."""


class Answer(NamedTuple):
    """What an application (ASGI or WSGI) writes.

    `delay` is the time to wait before writing, in real seconds. `connection_fault` replaces or changes the
    writing: "" for none, "reset" (a TCP RST and no answer), "hang_up" (a FIN and no answer), "garbage" (bytes
    that are not HTTP, and a FIN), "dribble" (the body in pieces, spread over `delay`), "break_off" (a FIN after
    `body`, which is shorter than the Content-Length in `headers`). `before_send` is called before anything is
    written; it may take long, and it needs the server to keep running. If it returns an Answer, that one is written instead. An answer with `stream` goes on after its
    body until the client disconnects; a WSGI server writes only the body. `content`, if given, is the body that
    is written piece by piece; `body` is then its beginning, for the journal."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    delay: float = 0.0
    connection_fault: str = ""
    before_send: Callable[[], object] | None = None
    stream: EventStream | None = None
    content: Content | None = None


#: The fields after the body of an answer that is written at once.
_AT_ONCE = Answer(200, [], b"")[3:]


def takes_time(answer: Answer) -> bool:
    """Return whether an answer has to wait, or is not written as usual."""
    return answer[3:] != _AT_ONCE or (bool(answer.headers) and answer.headers[0][0] == "date")


def once_prepared(answer: Answer) -> Answer:
    """Call `before_send` of `answer`, and return the answer to write. This may take long."""
    while answer.before_send is not None:
        made = answer.before_send()
        answer = made if isinstance(made, Answer) else answer._replace(before_send=None)
    return answer


#: A host and a port by RFC 9110 7.2: a name, an IPv4 or a bracketed IPv6 address.
HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


PLAIN = [("content-type", "text/plain; charset=utf-8")]


#: The number of pieces of a dribbled body; the size in bytes of the pieces of a long one.
PIECES, LONG = 20, 1 << 18


#: The bytes that the fault `garbage` sends in place of an answer: no status line, and no line end.
GARBAGE = bytes(range(128, 256)) * 2


def content_length(answer: Answer) -> tuple[str, str]:
    """Return the Content-Length header of an answer."""
    return "content-length", str(len(answer.body))


def pieces(body: bytes) -> list[bytes]:
    """Return `body` in at most PIECES pieces of about the same size."""
    size = max(1, -(-len(body) // PIECES))
    return [body[start : start + size] for start in range(0, len(body), size)]


@lru_cache(256)
def named_host(shown: str, own: str) -> str:
    """Return the host and port for links in answers: `shown`, the client's Host header, or `own` if that is not
    valid."""
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
    body_error: str = "",
    client: str = "",
) -> Request:
    """Return a Request. `own` is the host and port that the client reached; it is used if the Host header is not
    valid."""
    base_url = _base_url(scheme, headers.get("host", ""), own)
    return Request(method, path, query, headers, body, base_url, body_error, None, client)


@lru_cache(256)
def _base_url(scheme: str, shown: str, own: str) -> str:
    return f"{scheme}://{named_host(shown, own)}"


class Headers(dict[str, str]):
    """The headers of one request. `fault` is the status and the error text for headers that no HTTP/1.1 request may
    have; None if there are none."""

    fault: tuple[int, str] | None = None


def headers_from(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers by name in lower case. The values of a repeated name are joined by commas (RFC 9110 5.3). A
    value that is not ASCII is left out (RFC 9110 5.5)."""
    return _headers(tuple(pairs))


@lru_cache(128)  # clients repeat their headers and the journal keeps them: parse and store equal ones once
def _headers(pairs: tuple[tuple[bytes, bytes], ...]) -> Headers:
    headers = Headers()
    for name, value in pairs:
        if value.isascii():
            key, text = name.decode(), value.decode()
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        elif name == b"transfer-encoding":
            headers["transfer-encoding"] = ""  # the parser uses the last coding
    if headers.get("content-type") == "":
        del headers["content-type"]  # WSGI cannot distinguish an empty header from a missing one (PEP 3333)
    hosts = sum(name == b"host" for name, _ in pairs)
    if hosts != 1:
        headers.fault = 400, f"a request has one Host header, not {hosts or 'none'} (RFC 9112 3.2)"
    elif not HOST.fullmatch(headers.get("host", "")):
        headers.fault = 400, "the Host header is not a host name or address, with a port or without (RFC 9112 3.2)"
    elif "transfer-encoding" in headers:
        headers.fault = _coding_fault(headers["transfer-encoding"])
    return headers


def _coding_fault(value: str) -> tuple[int, str] | None:
    *others, last = (coding.strip().lower() for coding in value.split(","))
    if last != "chunked":
        return 400, "the last transfer coding of a request is chunked (RFC 9112 6.3)"
    return (501, "the only transfer coding that is implemented is chunked (RFC 9112 6.1)") if others else None


def header_octets(text: str) -> bytes:
    """Return the name or value of a header as bytes, without line breaks."""
    return text.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")


@lru_cache(256)
def header_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Return the header lines as bytes."""
    return b"".join(b"%s: %s\r\n" % (header_octets(name), header_octets(value)) for name, value in headers)
