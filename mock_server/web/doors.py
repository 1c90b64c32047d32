"""The doors: a request of WSGI or of the live server in, the pipeline's answer out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mock_server.web import connection
from mock_server.web.answers import PLAIN, pieces, reason
from mock_server.web.pipeline import Answer, Pipeline, Request, Target

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: The most that is kept of a body which no contract speaks of, in bytes.
OTHER_LIMIT = 1 << 20

#: How an answer is lost on the wire: what is done to the connection in its place.
SEVER = {"reset": connection.reset, "hang_up": connection.hang_up}


def content_length(answer: Answer) -> tuple[str, str]:
    return "content-length", str(len(answer.body))


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


class Elsewhere:
    """Where a request goes that no contract knows."""

    limit = OTHER_LIMIT


ELSEWHERE = Elsewhere()

#: What says that the emulator is up.
HEALTH = Answer(200, [("content-type", "application/json")], b'{"status":"ok"}')


class LiveDoor:
    """The door of the live server: contract operations at once, all else through Flask in a thread."""

    def __init__(self, pipeline: Pipeline, make_flask: Callable[[], WSGIApplication]) -> None:
        self._pipeline = pipeline
        self._make_flask = make_flask

    @cached_property
    def _flask(self) -> WSGIApplication:
        """Made on the first request that needs it: importing Flask is most of what a start would cost."""
        return self._make_flask()

    def match(self, method: str, path: str) -> Target | Elsewhere:
        return self._pipeline.match(method, path) or ELSEWHERE

    def answer(self, target: Any, request: Request, client: str) -> Answer | Callable[[], Answer]:
        if target is ELSEWHERE:
            if request.path in ("/health", "/ready") and request.method in ("GET", "HEAD"):
                return HEALTH
            return partial(self._through_flask, request, client)
        if target.surface.is_admin:
            # It may wait for something to happen, which must not keep others from making it happen.
            return partial(self._pipeline.answer, target, request)
        return self._pipeline.answer(target, request)

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
