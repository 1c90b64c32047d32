"""The emulator for WSGI servers (PEP 3333), in front of Flask's routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote

from swapmock.mock_server.core.numerals import read_count
from swapmock.mock_server.web import wsgi_sockets
from swapmock.mock_server.web.forwarded import forwarded_base_url
from swapmock.mock_server.web.messages import Answer, Request, content_length, named_host, once_prepared, pieces
from swapmock.mock_server.web.mounting import RouteMatch
from swapmock.mock_server.web.pipeline import Pipeline

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from swapmock.mock_server.web.content import Content


#: The key of the WSGI environment under which a HeldElsewhere is kept, which Flask would answer with 500.
ELSEWHERE = "swapmock.held_elsewhere"

#: Connection faults without an answer -> the function that breaks the connection.
SEVER = {"reset": wsgi_sockets.reset, "hang_up": wsgi_sockets.hang_up, "garbage": wsgi_sockets.send_garbage}


def reason(status: int) -> str:
    """Return `status` with its phrase, as WSGI requires. The vendors also use numbers that HTTP does not define."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def read_request(pipeline: Pipeline, environ: WSGIEnvironment, target: RouteMatch) -> Request:
    """Return the request of a WSGI environment for `pipeline`. Its base URL is the one that a trusted proxy reports,
    if any."""
    request = request_from_environ(environ, target)
    if pipeline.proxies.trusts(environ.get("REMOTE_ADDR")):
        request.base_url = forwarded_base_url(request)
    return request


def request_from_environ(environ: WSGIEnvironment, target: RouteMatch) -> Request:
    """Return the request of a WSGI environment. `target` says how large its body may be."""
    body, body_error = _read(environ, target)
    return replace(plain_request(environ), body=body, body_error=body_error)


def plain_request(environ: WSGIEnvironment) -> Request:
    """Return the request of a WSGI environment without its body."""
    # The same as in `headers_from`.
    headers = {
        key[5:].replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and value.isascii()
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    host = named_host(environ.get("HTTP_HOST", ""), f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=wsgi_path(environ),
        query=_unicode(environ.get("QUERY_STRING", "")),
        headers=headers,
        body=b"",
        base_url=f"{environ['wsgi.url_scheme']}://{host}{quote(_unicode(environ.get('SCRIPT_NAME', '')))}",
        client=environ.get("REMOTE_ADDR", ""),
    )


def wsgi_path(environ: WSGIEnvironment) -> str:
    """Return the decoded path of the request."""
    return _unicode(environ.get("PATH_INFO", ""))


def _unicode(native: str) -> str:
    """Return a UTF-8 text that WSGI passes as Latin-1 (PEP 3333)."""
    return native if native.isascii() else native.encode("latin-1", "replace").decode("utf-8", "replace")


def _native(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


#: A server that decodes chunked bodies without setting `wsgi.input_terminated`.
DECODES = "Cheroot/"


def _read(environ: WSGIEnvironment, target: RouteMatch) -> tuple[bytes, str]:
    """Return the body, and why it was dropped ("" if it was not)."""
    length = read_count(environ.get("CONTENT_LENGTH") or "", target.limit + 1)
    if length is not None:
        if length > target.limit:
            return b"", target.too_long
        return environ["wsgi.input"].read(length), ""
    if not environ.get("wsgi.input_terminated"):
        if "HTTP_TRANSFER_ENCODING" not in environ:
            return b"", ""
        if not environ.get("SERVER_SOFTWARE", "").startswith(DECODES):
            return b"", "sent in chunks, which this server hands on as they are; say how long it is"
    body = environ["wsgi.input"].read(target.limit + 1)
    return (b"", target.too_long) if len(body) > target.limit else (body, "")


class WsgiMiddleware:
    """Answers contract operations with `pipeline`, and passes everything else to `behind`, Flask's own `wsgi_app`."""

    def __init__(self, pipeline: Pipeline, behind: WSGIApplication, pause: Callable[[float], None]) -> None:
        self._pipeline = pipeline
        self._behind = behind
        self._pause = pause

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        target = self._pipeline.match(environ["REQUEST_METHOD"], wsgi_path(environ))
        if target is None:
            return self._behind(environ, start_response)
        answer = self._pipeline.serve(target, read_request(self._pipeline, environ, target))
        return respond(answer, environ, start_response, self._pause)


def respond(
    answer: Answer, environ: WSGIEnvironment, start_response: StartResponse, pause: Callable[[float], None]
) -> Iterable[bytes]:
    """Write `answer` to a WSGI server, with its connection fault if it has one. `pause` waits.

    WSGI does not give access to the connection. It is found by `REMOTE_PORT`, which Werkzeug, waitress and
    Gunicorn set. If it cannot be found (Granian, the test client, a unix socket, a proxy in between),
    ConnectionResetError or ConnectionAbortedError is raised instead, which the server handles like any failure."""
    answer = once_prepared(answer)
    is_dribbling = answer.connection_fault == "dribble" and environ["REQUEST_METHOD"] != "HEAD"
    if answer.delay and not is_dribbling:
        pause(answer.delay)
    if answer.connection_fault in SEVER and not SEVER[answer.connection_fault](_peer(environ)):
        raise ConnectionResetError if answer.connection_fault == "reset" else ConnectionAbortedError
    is_measured = answer.content is not None or any(name == "content-length" for name, _ in answer.headers)
    start_response(reason(answer.status), answer.headers if is_measured else [*answer.headers, content_length(answer)])
    if answer.content is not None:
        return _content(answer.content, answer.connection_fault, _peer(environ), pause)
    if environ["REQUEST_METHOD"] == "HEAD":
        return []
    if answer.connection_fault == "break_off":
        return _broken_off(answer.body, _peer(environ))
    return _dribbled(answer, pause) if is_dribbling else [answer.body]


def _content(content: Content, fault: str, peer: str, pause: Callable[[float], None]) -> Iterator[bytes]:
    """Yield the pieces of a body with a file, at its speed."""
    sent = 0
    try:
        for wait, part in content.steps():
            if wait:
                pause(wait)
            yield bytes(part)
            sent += len(part)
        if fault == "break_off" and content.pieces and not wsgi_sockets.hang_up(peer):
            raise ConnectionAbortedError
    finally:
        content.end(sent)


def _broken_off(body: bytes, peer: str) -> Iterator[bytes]:
    yield body
    if not wsgi_sockets.hang_up(peer):
        raise ConnectionAbortedError


def _dribbled(answer: Answer, pause: Callable[[float], None]) -> Iterator[bytes]:
    parts = pieces(answer.body)
    for part in parts:
        yield part
        pause(answer.delay / len(parts))


def _peer(environ: WSGIEnvironment) -> str:
    host = environ.get("REMOTE_ADDR", "")
    return f"[{host}]:{environ.get('REMOTE_PORT')}" if ":" in host else f"{host}:{environ.get('REMOTE_PORT')}"


def environ_from(request: Request, client: str) -> WSGIEnvironment:
    """Return the WSGI environment for a request that the ASGI application has read. `client` is the address of its
    client."""
    scheme, _, authority = request.base_url.partition("://")
    host, _, port = authority.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _native(request.path),
        "RAW_URI": quote(request.path),
        "QUERY_STRING": _native(request.query),
        "SERVER_NAME": host or authority,
        "SERVER_PORT": port if port.isdigit() else {"https": "443"}.get(scheme, "80"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    environ["CONTENT_LENGTH"] = str(len(request.body))
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    kind = environ.pop("HTTP_CONTENT_TYPE", None)
    if kind is not None:
        environ["CONTENT_TYPE"] = kind
    return environ
