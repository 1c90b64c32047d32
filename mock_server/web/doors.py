"""The doors: WSGI's environment and Granian's RSGI in, the pipeline's answer out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mock_server.web import connection
from mock_server.web.pipeline import Answer, Pipeline, Request, Target

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: The most that is read of a body which no contract speaks of.
OTHER_LIMIT = 1 << 20

#: Into how many pieces the body of an answer that dribbles is cut.
PIECES = 20

#: How an answer is lost on the wire: what is done to the connection in its place.
SEVER = {"reset": connection.reset, "hang_up": connection.hang_up}


def pieces(body: bytes) -> list[bytes]:
    """`body` in at most PIECES pieces of about one size."""
    size = max(1, -(-len(body) // PIECES))
    return [body[start : start + size] for start in range(0, len(body), size)]


def reason(status: int) -> str:
    """`status` with its phrase, as WSGI wants it; the vendors use numbers that HTTP does not know."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def request_from_environ(environ: WSGIEnvironment, limit: int) -> Request:
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    body, is_cut = _read(environ, limit)
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return Request(
        method=environ["REQUEST_METHOD"],
        path=wsgi_path(environ),
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=body,
        base_url=f"{environ['wsgi.url_scheme']}://{host}",
        is_cut=is_cut,
    )


def wsgi_path(environ: WSGIEnvironment) -> str:
    raw: str = environ.get("PATH_INFO", "")
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def _read(environ: WSGIEnvironment, limit: int) -> tuple[bytes, bool]:
    """The body, and whether it was longer than `limit` (then it is not kept)."""
    length: str = environ.get("CONTENT_LENGTH") or ""
    if length.isdigit():
        if int(length) > limit:
            return b"", True
        return environ["wsgi.input"].read(int(length)), False
    if not environ.get("wsgi.input_terminated") and "HTTP_TRANSFER_ENCODING" not in environ:
        return b"", False
    body = environ["wsgi.input"].read(limit + 1)
    return (b"", True) if len(body) > limit else (body, False)


class WsgiDoor:
    """In front of Flask's own `wsgi_app`: what a contract knows is answered here, all else is Flask's."""

    def __init__(self, pipeline: Pipeline, behind: WSGIApplication, pause: Callable[[float], None]) -> None:
        self._pipeline = pipeline
        self._behind = behind
        self._pause = pause

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        target = self._pipeline.match(environ["REQUEST_METHOD"], wsgi_path(environ))
        if target is None:
            return self._behind(environ, start_response)
        answer = self._pipeline.answer(target, request_from_environ(environ, target.limit))
        body = spoil(answer, environ, self._pause)
        start_response(reason(answer.status), [*answer.headers, ("Content-Length", str(len(answer.body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body


def spoil(answer: Answer, environ: WSGIEnvironment, pause: Callable[[float], None]) -> Iterable[bytes]:
    """The body of `answer` as a WSGI server should write it, after what was to happen before it has happened.

    WSGI hands out no connection. It is found by `REMOTE_PORT`, which Werkzeug, waitress, Gunicorn and Granian give; where
    there is none to find (the test client, a unix socket, a proxy in between), ConnectionResetError or
    ConnectionAbortedError is raised in its place, which a server answers as it answers any failure.
    """
    if answer.wire == "dribble":
        return _dribbled(answer, pause)
    if answer.delay:
        pause(answer.delay)
    if answer.wire:
        sever = SEVER[answer.wire]
        if not sever(_peer(environ)):
            raise ConnectionResetError if answer.wire == "reset" else ConnectionAbortedError
    return [answer.body]


def _dribbled(answer: Answer, pause: Callable[[float], None]) -> Iterator[bytes]:
    parts = pieces(answer.body)
    for part in parts:
        yield part
        pause(answer.delay / len(parts))


def _peer(environ: WSGIEnvironment) -> str:
    host = environ.get("REMOTE_ADDR", "")
    return f"[{host}]:{environ.get('REMOTE_PORT')}" if ":" in host else f"{host}:{environ.get('REMOTE_PORT')}"


class RsgiDoor:
    """The door of the live server: contract operations on the event loop, all else through Flask in a thread."""

    def __init__(self, pipeline: Pipeline, make_flask: Callable[[], WSGIApplication]) -> None:
        self._pipeline = pipeline
        self._make_flask = make_flask
        self._stopping: dict[asyncio.AbstractEventLoop, asyncio.Event] = {}

    @cached_property
    def _flask(self) -> WSGIApplication:
        """Made on the first request that needs it: importing Flask is most of what a start would cost."""
        return self._make_flask()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(404)
            return
        headers = _headers(scope)
        target = self._pipeline.match(scope.method, scope.path)
        body, is_cut = await _receive(protocol, headers, OTHER_LIMIT if target is None else target.limit)
        authority = scope.authority or headers.get("host") or scope.server
        request = Request(
            scope.method, scope.path, scope.query_string, headers, body, f"{scope.scheme}://{authority}", is_cut
        )
        if target is None:
            answer = await asyncio.get_running_loop().run_in_executor(None, self._through_flask, request, scope)
        else:
            answer = self._answer(target, request)
        if answer.delay or answer.wire:
            await self._spoil(scope, protocol, answer)
        elif scope.method == "HEAD":
            protocol.response_empty(answer.status, answer.headers)
        else:
            protocol.response_bytes(answer.status, answer.headers, answer.body)

    async def _spoil(self, scope: Any, protocol: Any, answer: Answer) -> None:
        """Write `answer` late, piece by piece, or not at all."""
        if answer.wire == "dribble" and scope.method != "HEAD":
            await self._dribble(protocol, answer)
            return
        await self._hold(answer.delay)
        if answer.wire in SEVER:
            # Over a unix socket there is no address to find: there the answer breaks off after its head.
            SEVER[answer.wire](scope.client, scope.server)
            protocol.response_stream(answer.status, [("content-length", str(len(answer.body) + 1))])
        elif scope.method == "HEAD":
            protocol.response_empty(answer.status, answer.headers)
        else:
            protocol.response_bytes(answer.status, answer.headers, answer.body)

    async def _dribble(self, protocol: Any, answer: Answer) -> None:
        # Here, for where another server is used Granian is not imported.
        from granian._granian import RSGIProtocolClosed

        parts = pieces(answer.body)
        stream = protocol.response_stream(answer.status, [*answer.headers, ("content-length", str(len(answer.body)))])
        for part in parts:
            try:
                await stream.send_bytes(part)
            except RSGIProtocolClosed:
                return  # the client has had enough
            await self._hold(answer.delay / len(parts))

    async def _hold(self, seconds: float) -> None:
        """Wait `seconds`, or until the server stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping[asyncio.get_running_loop()].wait(), seconds)

    def hurry(self) -> None:
        """Hold nothing back any longer, for the server stops; to be called on its event loop."""
        self._stopping[asyncio.get_running_loop()].set()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stopping[loop] = asyncio.Event()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        del self._stopping[loop]

    def _answer(self, target: Target, request: Request) -> Answer:
        return self._pipeline.answer(target, request)

    def _through_flask(self, request: Request, scope: Any) -> Answer:
        if request.is_cut:
            return Answer(413, [("content-type", "text/plain")], b"body too large\n")
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
            started[:] = [int(status.split(" ", 1)[0]), headers]
            return lambda _: None

        chunks = self._flask(environ_from(request, scope.client), start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        headers = [(name.lower(), value) for name, value in started[1] if name.lower() != "content-length"]
        return Answer(started[0], headers, body)


def _headers(scope: Any) -> dict[str, str]:
    """Header names in lower case; the values of a repeated one joined by commas, as RFC 9110 5.3 allows."""
    headers: dict[str, str] = {}
    for name, value in scope.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _receive(protocol: Any, headers: Mapping[str, str], limit: int) -> tuple[bytes, bool]:
    """The body, and whether it was longer than `limit` (then it is not kept)."""
    length = headers.get("content-length", "")
    if length.isdigit():
        if int(length) > limit:
            return b"", True
        return (await protocol(), False) if length != "0" else (b"", False)
    if "transfer-encoding" not in headers:
        return b"", False
    chunks, size = [], 0
    async for chunk in protocol:
        size += len(chunk)
        if size > limit:
            return b"", True
        chunks.append(chunk)
    return b"".join(chunks), False


def environ_from(request: Request, client: str) -> WSGIEnvironment:
    """The WSGI environment of a request that another door read."""
    scheme, _, authority = request.base_url.partition("://")
    host, _, port = authority.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode("utf-8", "surrogatepass").decode("latin-1"),
        "RAW_URI": quote(request.path),
        "QUERY_STRING": request.query,
        "SERVER_NAME": host or authority,
        "SERVER_PORT": port if port.isdigit() else {"https": "443"}.get(scheme, "80"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": client.rpartition(":")[0],
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
