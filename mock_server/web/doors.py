"""The doors: WSGI's environment and Granian's RSGI in, the pipeline's answer out."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from functools import cached_property, lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from mock_server.web import connection
from mock_server.web.pipeline import Answer, Pipeline, Request
from mock_server.web.threads import DaemonThreads

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

T = TypeVar("T")

#: A host and a port, as RFC 9110 7.2 has them: a name, an IPv4 or a bracketed IPv6 address.
HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")

#: The most that is kept of a body which no contract speaks of, and that is read beyond a limit, in bytes.
OTHER_LIMIT = 1 << 20
DRAINED = 1 << 24

#: Seconds that a body may take.
READ_TIMEOUT = 30.0

PLAIN = [("content-type", "text/plain; charset=utf-8")]

#: Into how many pieces the body of an answer that dribbles is cut.
PIECES = 20

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


def request_from_environ(environ: WSGIEnvironment, limit: int) -> Request:
    # A value that is not ASCII is no text (RFC 9110 5.5); Granian leaves such a header out, and so does this.
    headers = {
        key[5:].replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and value.isascii()
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    body, is_cut = _read(environ, limit)
    host = named_host(environ.get("HTTP_HOST", ""), f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=wsgi_path(environ),
        query=_unicode(environ.get("QUERY_STRING", "")),
        headers=headers,
        body=body,
        base_url=f"{environ['wsgi.url_scheme']}://{host}",
        is_cut=is_cut,
    )


def wsgi_path(environ: WSGIEnvironment) -> str:
    return _unicode(environ.get("PATH_INFO", ""))


def _unicode(native: str) -> str:
    """What WSGI gives as Latin-1 (PEP 3333), as the UTF-8 that it is."""
    return native if native.isascii() else native.encode("latin-1", "replace").decode("utf-8", "replace")


def _native(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


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
        return respond(answer, environ, start_response, self._pause)


def respond(
    answer: Answer, environ: WSGIEnvironment, start_response: StartResponse, pause: Callable[[float], None]
) -> Iterable[bytes]:
    """Give `answer` to a WSGI server, spoilt on its way if it says so.

    WSGI hands out no connection. It is found by `REMOTE_PORT`, which Werkzeug, waitress, Gunicorn and Granian give; where
    there is none to find (the test client, a unix socket, a proxy in between), ConnectionResetError or
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


#: Calls to the admin API that are worked on at once; `wait` holds its place for as long as it waits.
MOST_WAITERS = 256


class RsgiDoor:
    """The door of one live server: contract operations on its event loop, all else through Flask in a thread."""

    def __init__(
        self, pipeline: Pipeline, make_flask: Callable[[], WSGIApplication], read_timeout: float = READ_TIMEOUT
    ) -> None:
        self._pipeline = pipeline
        self._make_flask = make_flask
        self._read_timeout = read_timeout
        self._busy = 0
        self._stopping = asyncio.Event()
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._watch: asyncio.TimerHandle | None = None

    @cached_property
    def _waiters(self) -> DaemonThreads:
        return DaemonThreads(MOST_WAITERS, "swapmock-admin")

    @cached_property
    def _flask(self) -> WSGIApplication:
        """Made on the first request that needs it: importing Flask is most of what a start would cost."""
        return self._make_flask()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        self._busy += 1
        try:
            answer = await self._answer(scope, protocol)
            if answer.delay or answer.wire or answer.first or scope.method == "HEAD":
                await self._write(scope, protocol, answer)
            else:
                protocol.response_bytes(answer.status, answer.headers, answer.body)
        finally:
            self._busy -= 1

    async def _answer(self, scope: Any, protocol: Any) -> Answer:
        headers = _headers(scope)
        target = self._pipeline.match(scope.method, scope.path)
        body, is_cut = b"", False
        if "content-length" in headers or "transfer-encoding" in headers:
            try:
                limit = OTHER_LIMIT if target is None else target.limit
                body, is_cut = await self._in_time(_receive(protocol, headers, limit))
            except TimeoutError:
                return Answer(408, PLAIN, b"the body took too long\n")
            except BrokenBody as broken:
                return Answer(400, PLAIN, f"{broken}\n".encode())
        authority = named_host(headers.get("host", ""), scope.server)
        request = Request(
            scope.method, scope.path, scope.query_string, headers, body, f"{scope.scheme}://{authority}", is_cut
        )
        if target is None:
            return await self._aside(None, self._through_flask, request, scope.client)
        if target.surface.is_admin:
            # It may wait for something to happen, which must not keep others from making it happen.
            return await self._aside(self._waiters, self._pipeline.answer, target, request)
        return self._pipeline.answer(target, request)

    async def _aside(self, threads: Executor | None, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *args)

    async def _in_time(self, reading: Coroutine[Any, Any, Read]) -> Read:
        """What is read, or TimeoutError. One timer for all that is being read costs a request much less than one each."""
        task: Any = asyncio.current_task()
        loop = asyncio.get_running_loop()
        self._reading[task] = loop.time()
        if self._watch is None:
            self._watch = loop.call_later(self._read_timeout / 4, self._look_for_slow_ones)
        try:
            return await reading
        except asyncio.CancelledError:
            if task not in self._overdue:
                raise
            self._overdue.discard(task)
            task.uncancel()
            raise TimeoutError from None
        finally:
            del self._reading[task]

    def _give_up(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in tasks:
            self._overdue.add(task)
            task.cancel()

    def _look_for_slow_ones(self) -> None:
        loop = asyncio.get_running_loop()
        latest = loop.time() - self._read_timeout
        self._give_up([task for task, since in self._reading.items() if since < latest])
        self._watch = loop.call_later(self._read_timeout / 4, self._look_for_slow_ones) if self._reading else None

    async def _write(self, scope: Any, protocol: Any, answer: Answer) -> None:
        if answer.first is not None:
            await self._aside(self._waiters, answer.first)
        if answer.wire == "dribble" and scope.method != "HEAD":
            await self._dribble(protocol, answer)
            return
        if answer.delay:
            await self._hold(answer.delay)
        if answer.wire in SEVER and SEVER[answer.wire](scope.client, scope.server):
            protocol.response_empty(answer.status, [])  # into the void, so that Granian lets go as well
        elif answer.wire in SEVER:
            # Over a unix socket there is no address to find it by: there the answer breaks off half-way.
            stream = protocol.response_stream(answer.status, [*answer.headers, content_length(answer)])
            await stream.send_bytes(answer.body[: len(answer.body) // 2])
        elif scope.method == "HEAD":
            protocol.response_empty(answer.status, answer.headers)
        else:
            protocol.response_bytes(answer.status, answer.headers, answer.body)

    async def _dribble(self, protocol: Any, answer: Answer) -> None:
        # Here, for where another server is used Granian is not imported.
        from granian._granian import RSGIProtocolClosed

        parts = pieces(answer.body)
        stream = protocol.response_stream(answer.status, [*answer.headers, content_length(answer)])
        for part in parts:
            try:
                await stream.send_bytes(part)
            except RSGIProtocolClosed:
                return  # the client has had enough
            await self._hold(answer.delay / len(parts))

    async def _hold(self, seconds: float) -> None:
        """Wait `seconds`, or until the server stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def hurry(self) -> None:
        """Hold nothing back any longer, for the server stops; to be called on its event loop."""
        self._stopping.set()
        self._waiters.shutdown()

    async def idle(self) -> None:
        """Return as soon as nothing is being answered; who is still sending a body is told that it took too long."""
        self._give_up(list(self._reading))
        while self._busy:
            await asyncio.sleep(0.02)

    def _through_flask(self, request: Request, client: str) -> Answer:
        if request.is_cut:
            return Answer(413, PLAIN, f"the body is larger than {OTHER_LIMIT} bytes\n".encode())
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
            started[:] = [int(status.split(" ", 1)[0]), headers]
            return lambda _: None

        chunks = self._flask(environ_from(request, client), start_response)
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


#: A body, and whether it was longer than it may be.
Read = tuple[bytes, bool]


class BrokenBody(Exception):
    """The body did not come as HTTP says that it should."""


async def _receive(protocol: Any, headers: Mapping[str, str], limit: int) -> Read:
    """The body, and whether it was longer than `limit`: then it is not kept, but read while that is bearable, for a
    client that is still sending would not see the answer."""
    declared = headers.get("content-length", "")
    length = int(declared) if declared.isdigit() else None
    if length is not None and length <= limit:
        try:
            return await protocol() if length else b"", False
        except RuntimeError:  # what Granian raises of a connection that has ended
            raise BrokenBody("the body ended too soon") from None
    if length is not None and length > limit + DRAINED:
        return b"", True
    chunks, size, ends = [], 0, 0
    async for chunk in protocol:
        size += len(chunk)
        ends += not chunk
        if size > limit + DRAINED:
            return b"", True
        if size <= limit:
            chunks.append(chunk)
    # Granian ends every body with one empty chunk, and puts one in the place of an error and of trailers.
    if ends != 1:
        raise BrokenBody("the body is broken, or has trailers")
    return (b"", True) if size > limit else (b"".join(chunks), False)


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
