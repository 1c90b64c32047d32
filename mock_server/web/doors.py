"""The doors: WSGI's environment and ASGI's messages in, the pipeline's answer out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from functools import cached_property, lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from mock_server.web import connection
from mock_server.web.bodies import GoneError, Receive, Room, next_message, read_body
from mock_server.web.pipeline import Answer, Pipeline, Request, Target
from mock_server.web.threads import DaemonThreads

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("swapmock")

Send = Callable[[Any], Awaitable[None]]


class Client(Protocol):
    """A connection of the live server, beyond what ASGI says of one. `own` is the host and port that it came to."""

    own: str

    @property
    def is_gone(self) -> bool: ...

    @property
    def has_left(self) -> bool:
        """It sends no more. It may still read, but nobody who waits for something to happen ends it so."""

    async def drained(self) -> None:
        """Until it has read what was written to it, but for a little."""

    def holds(self, size: int) -> None:
        """So many bytes of an answer to it are held from now on."""

    def reset(self) -> None:
        """A true RST in place of everything that was still to come; over a unix socket, an end."""

    def hang_up(self) -> None:
        """A plain FIN and not another byte."""


#: A host and a port, as RFC 9110 7.2 has them: a name, an IPv4 or a bracketed IPv6 address.
HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")

#: The most that is kept of a body which no contract speaks of, in bytes.
OTHER_LIMIT = 1 << 20
OTHERS_TOO_LONG = f"larger than {OTHER_LIMIT} bytes"

PLAIN = [("content-type", "text/plain; charset=utf-8")]
STOPS = Answer(503, PLAIN, b"the server stops\n")

#: Into how many pieces the body of an answer that dribbles is cut, and into pieces of what size one that is long.
PIECES, LONG = 20, 1 << 18

#: How an answer is lost on the wire: what is done to the connection in its place.
SEVER = {"reset": connection.reset, "hang_up": connection.hang_up}


def content_length(answer: Answer) -> tuple[str, str]:
    return "content-length", str(len(answer.body))


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


def _octets(text: str) -> bytes:
    """A header's name or value on one line."""
    return text.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")


@lru_cache(256)
def header_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    return b"".join(b"%s: %s\r\n" % (_octets(name), _octets(value)) for name, value in headers)


def request_from_environ(environ: WSGIEnvironment, target: Target) -> Request:
    # As in `headers_from`.
    headers = {
        key[5:].replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and value.isascii()
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    body, cut = _read(environ, target)
    host = named_host(environ.get("HTTP_HOST", ""), f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=wsgi_path(environ),
        query=_unicode(environ.get("QUERY_STRING", "")),
        headers=headers,
        body=body,
        base_url=f"{environ['wsgi.url_scheme']}://{host}",
        cut=cut,
    )


def wsgi_path(environ: WSGIEnvironment) -> str:
    return _unicode(environ.get("PATH_INFO", ""))


def _unicode(native: str) -> str:
    """What WSGI gives as Latin-1 (PEP 3333), as the UTF-8 that it is."""
    return native if native.isascii() else native.encode("latin-1", "replace").decode("utf-8", "replace")


def _native(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


#: A server that decodes chunks and does not say so by `wsgi.input_terminated`.
DECODES = "Cheroot/"


def _read(environ: WSGIEnvironment, target: Target) -> tuple[bytes, str]:
    """The body, and why it is not kept, if it is not."""
    length: str = environ.get("CONTENT_LENGTH") or ""
    if length.isdigit():
        if int(length) > target.limit:
            return b"", target.too_long
        return environ["wsgi.input"].read(int(length)), ""
    if not environ.get("wsgi.input_terminated"):
        if "HTTP_TRANSFER_ENCODING" not in environ:
            return b"", ""
        if not environ.get("SERVER_SOFTWARE", "").startswith(DECODES):
            return b"", "sent in chunks, which this server hands on as they are; say how long it is"
    body = environ["wsgi.input"].read(target.limit + 1)
    return (b"", target.too_long) if len(body) > target.limit else (body, "")


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
        answer = self._pipeline.answer(target, request_from_environ(environ, target))
        return respond(answer, environ, start_response, self._pause)


def respond(
    answer: Answer, environ: WSGIEnvironment, start_response: StartResponse, pause: Callable[[float], None]
) -> Iterable[bytes]:
    """Give `answer` to a WSGI server, spoilt on its way if it says so.

    WSGI hands out no connection. It is found by `REMOTE_PORT`, which Werkzeug, waitress and Gunicorn give; where there is
    none to find (Granian, the test client, a unix socket, a proxy in between), ConnectionResetError or
    ConnectionAbortedError is raised in its place, which a server answers as it answers any failure.
    """
    if answer.first is not None:
        answer.first()
    is_dribbling = answer.wire == "dribble" and environ["REQUEST_METHOD"] != "HEAD"
    if answer.delay and not is_dribbling:
        pause(answer.delay)
    if answer.wire in SEVER and not SEVER[answer.wire](_peer(environ)):
        raise ConnectionResetError if answer.wire == "reset" else ConnectionAbortedError
    start_response(reason(answer.status), [*answer.headers, content_length(answer)])
    if environ["REQUEST_METHOD"] == "HEAD":
        return []
    return _dribbled(answer, pause) if is_dribbling else [answer.body]


def _dribbled(answer: Answer, pause: Callable[[float], None]) -> Iterator[bytes]:
    parts = pieces(answer.body)
    for part in parts:
        yield part
        pause(answer.delay / len(parts))


def _peer(environ: WSGIEnvironment) -> str:
    host = environ.get("REMOTE_ADDR", "")
    return f"[{host}]:{environ.get('REMOTE_PORT')}" if ":" in host else f"{host}:{environ.get('REMOTE_PORT')}"


#: Calls to the admin API that are worked on at once, and those that may wait for something to happen, on places of their
#: own: else they would keep others from making it happen.
MOST_CALLS, MOST_WAITERS = 16, 256


class AsgiDoor:
    """The door of one live server, as an ASGI application: what it answers in a thread it can also be asked at once."""

    def __init__(
        self, pipeline: Pipeline, make_flask: Callable[[], WSGIApplication], max_bodies_bytes: int = 1 << 30
    ) -> None:
        self._pipeline = pipeline
        self._make_flask = make_flask
        self.room = Room(max_bodies_bytes)
        self._stopping = asyncio.Event()
        #: Flask's answers may be files: no more of them are made than are taken, and counted as held.
        self._turns = asyncio.Semaphore(MOST_CALLS)
        self._elsewhere: set[asyncio.Future[Any]] = set()
        self._has_given_up = False

    @cached_property
    def _callers(self) -> DaemonThreads:
        return DaemonThreads(MOST_CALLS, "swapmock-admin")

    @cached_property
    def _waiters(self) -> DaemonThreads:
        return DaemonThreads(MOST_WAITERS, "swapmock-waiting")

    @cached_property
    def _heralds(self) -> DaemonThreads:
        """They bring callbacks that are to come before the answer."""
        return DaemonThreads(MOST_WAITERS, "swapmock-first")

    @cached_property
    def _flask(self) -> WSGIApplication:
        """Made on the first request that needs it: importing Flask is most of what a start would cost."""
        return self._make_flask()

    def prompt(self, method: str, path: str) -> Target | None:
        """Where a request goes that is answered at once; None if it has to wait for a thread."""
        target = self._pipeline.match(method, path)
        return None if target is None or target.surface.is_admin else target

    def answer(self, target: Target, request: Request) -> Answer:
        try:
            return self._pipeline.answer(target, request)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return Answer(500, PLAIN, b"internal error\n")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """`scope["extensions"]` holds the connection, and the answer where only its writing is left."""
        client: Client = scope["extensions"]["swapmock.client"]
        with contextlib.suppress(GoneError):
            await client.drained()
            answer = scope["extensions"]["swapmock.answer"] or await self._ask(scope, receive, client)
            await self._write(scope, receive, send, answer, client)

    async def _ask(self, scope: Any, receive: Receive, client: Client) -> Answer:
        method, path = scope["method"], scope["path"]
        headers = headers_from(scope["headers"])
        target = self._pipeline.match(method, path)
        limit, too_long = (OTHER_LIMIT, OTHERS_TOO_LONG) if target is None else (target.limit, target.too_long)
        body, cut, is_whole = await read_body(receive, headers, limit, too_long, self.room)
        query = scope["query_string"].decode("utf-8", "replace")
        request = request_from(method, path, query, headers, body, scope["scheme"], client.own, cut=cut)
        if target is None:
            async with self._turns:
                answer = await self._aside(None, self._through_flask, request, scope["client"])
        elif target.surface.is_admin:
            request.has_left = lambda: client.has_left
            waits = target.operation is not None and target.operation.waits
            answer = await self._aside(self._waiters if waits else self._callers, self.answer, target, request)
        else:
            answer = self.answer(target, request)
        return answer if is_whole else answer._replace(headers=[*answer.headers, ("connection", "close")])

    async def _aside(self, threads: Executor | None, work: Callable[..., Answer], *args: Any) -> Answer:
        if self._has_given_up:
            return STOPS
        future = asyncio.get_running_loop().run_in_executor(threads, work, *args)
        self._elsewhere.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            return STOPS
        finally:
            self._elsewhere.discard(future)

    async def _write(self, scope: Any, receive: Receive, send: Send, answer: Answer, client: Client) -> None:
        if answer.first is not None:
            await asyncio.get_running_loop().run_in_executor(self._heralds, answer.first)
        is_dribbling = answer.wire == "dribble" and scope["method"] != "HEAD"
        if answer.delay and not is_dribbling:
            await self._hold(answer.delay)
        if answer.wire in SEVER:
            {"reset": client.reset, "hang_up": client.hang_up}[answer.wire]()
            while True:
                await next_message(receive)
        # Flask's answer to a HEAD says how long the one to a GET is.
        is_measured = any(name == "content-length" for name, _ in answer.headers)
        headers = answer.headers if is_measured else [*answer.headers, content_length(answer)]
        lines = [(_octets(name), _octets(value)) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        if is_dribbling:
            await self._dribble(send, answer, client)
        elif len(answer.body) > LONG:
            await self._write_long(send, answer.body, client)
        else:
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _dribble(self, send: Send, answer: Answer, client: Client) -> None:
        parts = pieces(answer.body)
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            if client.is_gone:
                return  # it has had enough
            await self._hold(answer.delay / len(parts))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write_long(self, send: Send, body: bytes, client: Client) -> None:
        """As fast as the client reads."""
        client.holds(len(body))
        try:
            for start in range(0, len(body), LONG):
                await send({"type": "http.response.body", "body": body[start : start + LONG], "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            client.holds(0)

    async def _hold(self, seconds: float) -> None:
        """Wait `seconds`, or until the server stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def hurry(self) -> None:
        """Hold nothing back any longer, for the server stops; to be called on its event loop."""
        self._stopping.set()

    def give_up(self) -> None:
        """Answer that the server stops, in place of what is still being worked on in threads, and of all that follows."""
        self._has_given_up = True
        for future in tuple(self._elsewhere):
            future.cancel()

    def close(self) -> None:
        """To be called when no request is left."""
        for threads in (self._callers, self._waiters, self._heralds):
            threads.shutdown()

    def _through_flask(self, request: Request, client: tuple[str, int] | None) -> Answer:
        if request.cut:
            return Answer(413, PLAIN, f"the body is not taken: {request.cut}\n".encode())
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
            started[:] = [int(status.split(" ", 1)[0]), headers]
            return lambda _: None

        chunks = self._flask(environ_from(request, "" if client is None else client[0]), start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return Answer(started[0], [(name.lower(), value) for name, value in started[1]], body)


def environ_from(request: Request, client: str) -> WSGIEnvironment:
    """The WSGI environment of a request that another door read."""
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
