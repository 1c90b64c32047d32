"""The doors: WSGI's environment and ASGI's messages in, the pipeline's answer out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from swapmock.mock_server.web.bodies import ByteBudget, GoneError, Receive, next_message, read_body
from swapmock.mock_server.web.messages import (
    LONG,
    PLAIN,
    Answer,
    Request,
    content_length,
    header_octets,
    headers_from,
    pieces,
    request_from,
)
from swapmock.mock_server.web.pipeline import Pipeline, RouteMatch
from swapmock.mock_server.web.threads import DaemonThreads
from swapmock.mock_server.web.wsgi import SEVER, environ_from

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

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


#: The most that is kept of a body which no contract speaks of, in bytes.
OTHER_LIMIT = 1 << 20
OTHERS_TOO_LONG = f"larger than {OTHER_LIMIT} bytes"

STOPS = Answer(503, PLAIN, b"the server stops\n")


#: Calls to the admin API that are worked on at once, and those that may wait for something to happen, on places of their
#: own: else they would keep others from making it happen.
MOST_CALLS, MOST_WAITERS = 16, 256


class AsgiApp:
    """The asgi_app of one live server, as an ASGI application: what it answers in a thread it can also be asked at once."""

    def __init__(
        self, pipeline: Pipeline, make_flask: Callable[[], WSGIApplication], max_bodies_bytes: int = 1 << 30
    ) -> None:
        self._pipeline = pipeline
        self._make_flask = make_flask
        self.body_budget = ByteBudget(max_bodies_bytes)
        self._stopping = asyncio.Event()
        #: Flask's answers may be files: no more of them are made than are taken, and counted as held.
        self._turns = asyncio.Semaphore(MOST_CALLS)
        self._elsewhere: set[asyncio.Future[Any]] = set()
        self._is_aborting = False

    @cached_property
    def _callers(self) -> DaemonThreads:
        return DaemonThreads(MOST_CALLS, "swapmock-admin")

    @cached_property
    def _waiters(self) -> DaemonThreads:
        return DaemonThreads(MOST_WAITERS, "swapmock-waiting")

    @cached_property
    def _callback_pool(self) -> DaemonThreads:
        """They bring callbacks that are to come before the answer."""
        return DaemonThreads(MOST_WAITERS, "swapmock-first")

    @cached_property
    def _flask(self) -> WSGIApplication:
        """Made on the first request that needs it: importing Flask is most of what a start would cost."""
        return self._make_flask()

    def match_inline(self, method: str, path: str) -> RouteMatch | None:
        """Where a request goes that is answered at once; None if it has to wait for a thread."""
        target = self._pipeline.match(method, path)
        return None if target is None or target.api.is_admin else target

    def answer(self, target: RouteMatch, request: Request) -> Answer:
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
        body, cut, is_whole = await read_body(receive, headers, limit, too_long, self.body_budget)
        query = scope["query_string"].decode("utf-8", "replace")
        request = request_from(method, path, query, headers, body, scope["scheme"], client.own, cut=cut)
        if target is None:
            async with self._turns:
                answer = await self._aside(None, self._through_flask, request, scope["client"])
        elif target.api.is_admin:
            request.has_left = lambda: client.has_left
            waits = target.operation is not None and target.operation.waits
            answer = await self._aside(self._waiters if waits else self._callers, self.answer, target, request)
        else:
            answer = self.answer(target, request)
        return answer if is_whole else answer._replace(headers=[*answer.headers, ("connection", "close")])

    async def _aside(self, threads: Executor | None, work: Callable[..., Answer], *args: Any) -> Answer:
        if self._is_aborting:
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
            await asyncio.get_running_loop().run_in_executor(self._callback_pool, answer.first)
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
        lines = [(header_octets(name), header_octets(value)) for name, value in headers]
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

    def begin_shutdown(self) -> None:
        """Hold nothing back any longer, for the server stops; to be called on its event loop."""
        self._stopping.set()

    def abort_pending(self) -> None:
        """Answer that the server stops, in place of what is still being worked on in threads, and of all that follows."""
        self._is_aborting = True
        for future in tuple(self._elsewhere):
            future.cancel()

    def close(self) -> None:
        """To be called when no request is left."""
        for threads in (self._callers, self._waiters, self._callback_pool):
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
