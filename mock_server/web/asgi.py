"""The ASGI application of a live server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.providers.store import digests_of, takes_long
from swapmock.mock_server.web.bodies import ByteBudget, GoneError, Receive, next_message, read_body
from swapmock.mock_server.web.forwarded import TrustedProxies, forwarded_base_url
from swapmock.mock_server.web.long_bodies import is_long, shorten
from swapmock.mock_server.web.messages import (
    LONG,
    PLAIN,
    Answer,
    EventStream,
    Request,
    content_length,
    header_octets,
    headers_from,
    once_prepared,
    pieces,
    request_from,
)
from swapmock.mock_server.web.mounting import RouteMatch
from swapmock.mock_server.web.pipeline import Pipeline
from swapmock.mock_server.web.request_filter import Refusal, refused
from swapmock.mock_server.web.threads import DaemonThreads
from swapmock.mock_server.web.wsgi import ELSEWHERE, SEVER, environ_from

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from swapmock.mock_server.web.content import Content

log = logging.getLogger("swapmock")

Send = Callable[[Any], Awaitable[None]]


class Client(Protocol):
    """A connection of the live server, with functions that ASGI does not have. `own` is the host and port that the
    client reached."""

    own: str
    peer: str
    is_trusted_proxy: bool

    @property
    def is_gone(self) -> bool:
        """Return whether the connection is closed."""

    @property
    def has_left(self) -> bool:
        """Return whether the client sends no more. Such a client may still read. But a client that waits for an
        event does not close its side."""

    async def drained(self) -> None:
        """Wait until the client has read almost all that was written."""

    def holds(self, size: int) -> None:
        """Note that `size` bytes of an answer to this client are in memory from now on."""

    takes_views: bool
    """Whether pieces of a body may be views of bytes; ASGI has bytes alone."""

    async def send_file(self, descriptor: int, start: int, stop: int, /) -> int | None:
        """Send the bytes from `start` to `stop` of an open file as the body. Return how many the client took, or
        None if this connection cannot do that. ASGI has no such message."""

    def reset(self) -> None:
        """Send a TCP RST and nothing else; on a unix socket, close the connection."""

    def leave_out_date(self) -> None:
        """Send no Date in addition to the one in the headers of the answer."""

    def send_garbage(self) -> None:
        """Send bytes that are not HTTP, then a FIN."""

    def hang_up(self) -> None:
        """Send a FIN and nothing else."""


#: The largest body on a path outside of every contract, in bytes.
OTHER_LIMIT = 1 << 20
OTHERS_TOO_LONG = f"larger than {OTHER_LIMIT} bytes"

STOPS = Answer(503, PLAIN, b"the server stops\n")


def stream_lines(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Return the header lines of an answer without a known length."""
    return [
        (header_octets(name), header_octets(value))
        for name, value in answer.headers
        if name.lower() != "content-length"
    ]


#: How many calls to the admin API run at the same time, and how many `wait` calls. `wait` calls have separate threads:
#: otherwise they could block the calls that they wait for.
MOST_CALLS, MOST_WAITERS = 16, 256

#: How many files are drawn at the same time.
MOST_DRAWINGS = 4


class AppParts(NamedTuple):
    """What every ASGI application of this package is made of. `make_flask` returns the WSGI application that has the
    pages, `max_bodies_bytes` limits the memory for the bodies of requests, and `note_lag` is called ten times per second
    with the seconds by which the event loop was late."""

    pipeline: Pipeline
    make_flask: Callable[[], WSGIApplication]
    max_bodies_bytes: int
    note_lag: Callable[[float], None]


class AsgiApp:
    """The ASGI application of one live server. `match_inline` and `answer` handle requests that need no thread."""

    def __init__(
        self,
        pipeline: Pipeline,
        make_flask: Callable[[], WSGIApplication],
        max_bodies_bytes: int = 1 << 30,
        note_lag: Callable[[float], None] = lambda _: None,
    ) -> None:
        #: Called ten times per second with the seconds by which the event loop was late.
        self.note_lag = note_lag
        self._pipeline = pipeline
        self._make_flask = make_flask
        self.body_budget = ByteBudget(max_bodies_bytes)
        self._stopping = asyncio.Event()
        #: Flask's answers may be large files: only a few are made at the same time.
        self._turns = asyncio.Semaphore(MOST_CALLS)
        self._in_threads: set[asyncio.Future[Any]] = set()
        self._is_aborting = False

    @property
    def proxies(self) -> TrustedProxies:
        """The reverse proxies whose headers are believed."""
        return self._pipeline.proxies

    @cached_property
    def _callers(self) -> DaemonThreads:
        return DaemonThreads(MOST_CALLS, "swapmock-admin")

    @cached_property
    def _waiters(self) -> DaemonThreads:
        return DaemonThreads(MOST_WAITERS, "swapmock-waiting")

    @cached_property
    def _drawers(self) -> DaemonThreads:
        """Threads that draw files and make the bytes of videos."""
        return DaemonThreads(MOST_DRAWINGS, "swapmock-media")

    @cached_property
    def _callback_pool(self) -> DaemonThreads:
        """Threads that send the callbacks that come before an answer."""
        return DaemonThreads(MOST_WAITERS, "swapmock-first")

    @cached_property
    def _flask(self) -> WSGIApplication:
        """The Flask application, made for the first request that needs it: importing Flask would take most of the
        start time."""
        return self._make_flask()

    def match_inline(self, method: str, path: str) -> RouteMatch | None:
        """Return the route of a request that can be answered on the event loop; None if it needs a thread."""
        target = self._pipeline.match(method, path)
        return None if target is None or target.api.is_admin or target.works_long else target

    def answer(self, target: RouteMatch, request: Request) -> Answer:
        """Return the answer of the pipeline; 500 if the pipeline fails. A poll of a task with a long request is answered in
        a thread, by `before_send`."""
        operation = target.operation
        if operation is not None and operation.poll is not None and self._polls_long(request):
            return Answer(200, PLAIN, b"", before_send=partial(self._serve, target, request))
        return self._serve(target, request)

    def _polls_long(self, request: Request) -> bool:
        long_tasks = self._pipeline.engine.long_tasks
        return bool(long_tasks) and long_tasks.includes(request.path, request.query)

    def _serve(self, target: RouteMatch, request: Request) -> Answer:
        try:
            return self._pipeline.serve(target, request)
        except HeldElsewhere:
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return Answer(500, PLAIN, b"internal error\n")

    def refuse_upload(self, request: Request, status: int) -> Answer | None:
        """Return the answer of `Pipeline.refuse_upload`; None if that fails, or if another process holds the
        sandbox."""
        try:
            return self._pipeline.refuse_upload(request, status)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one ASGI request. `scope["extensions"]` has the connection, and the answer if it is already known."""
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
        body, body_error, is_whole = await read_body(receive, headers, limit, too_long, self.body_budget)
        query = scope["query_string"].decode("utf-8", "replace")
        request = request_from(
            method, path, query, headers, body, scope["scheme"], client.own, body_error=body_error, client=client.peer
        )
        request.base_url += scope.get("root_path", "")
        if client.is_trusted_proxy:
            request.base_url = forwarded_base_url(request)
        if target is None:
            async with self._turns:
                answer = await self._in_thread(None, self._through_flask, request, scope["client"])
        elif target.api.is_admin:
            request.has_left = lambda: client.has_left
            waits = target.operation is not None and target.operation.waits
            if waits and self._waiters.is_full:
                return refused(Refusal(503, f"{MOST_WAITERS} calls wait already; one of them has to end first"))
            answer = await self._in_thread(self._waiters if waits else self._callers, self.answer, target, request)
        elif target.works_long:
            answer = await self._in_thread(self._drawers, self.answer, target, request)
        else:
            is_upload = target.operation is not None and target.operation.files == "store"
            if is_upload and takes_long(len(body), headers):
                loop = asyncio.get_running_loop()
                request.digests = await loop.run_in_executor(self._drawers, digests_of, body, headers)
            elif is_long(request, target.operation, target.api.json_limit):
                limit = target.api.json_limit
                await asyncio.get_running_loop().run_in_executor(self._drawers, shorten, request, limit)
            answer = self.answer(target, request)
        return answer if is_whole else answer._replace(headers=[*answer.headers, ("connection", "close")])

    async def _in_thread(self, threads: Executor | None, work: Callable[..., Answer], *args: Any) -> Answer:
        if self._is_aborting:
            return STOPS
        future = asyncio.get_running_loop().run_in_executor(threads, work, *args)
        self._in_threads.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            return STOPS
        finally:
            self._in_threads.discard(future)

    async def _write(self, scope: Any, receive: Receive, send: Send, answer: Answer, client: Client) -> None:
        if answer.before_send is not None:
            answer = await asyncio.get_running_loop().run_in_executor(self._callback_pool, once_prepared, answer)
        is_dribbling = answer.connection_fault == "dribble" and scope["method"] != "HEAD"
        if answer.delay and not is_dribbling:
            await self._hold(answer.delay)
        if answer.connection_fault in SEVER:
            {"reset": client.reset, "hang_up": client.hang_up, "garbage": client.send_garbage}[
                answer.connection_fault
            ]()
            while True:
                await next_message(receive)
        if answer.stream is not None and scope["method"] != "HEAD":
            await self._stream(send, answer, answer.stream, client)
            return
        # Flask's answer to a HEAD has the length of the answer to a GET.
        is_measured = answer.content is not None or any(name == "content-length" for name, _ in answer.headers)
        headers = answer.headers if is_measured else [*answer.headers, content_length(answer)]
        lines = [(header_octets(name), header_octets(value)) for name, value in headers]
        if lines and lines[0][0] == b"date":
            client.leave_out_date()
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        if answer.content is not None:
            await self._send_content(send, receive, answer, answer.content, client)
            return
        if answer.connection_fault == "break_off" and scope["method"] != "HEAD":
            await send({"type": "http.response.body", "body": answer.body, "more_body": True})
            client.hang_up()
            while True:
                await next_message(receive)
        if is_dribbling:
            await self._dribble(send, answer, client)
        elif len(answer.body) > LONG:
            await self._write_long(send, answer.body, client)
        else:
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _stream(self, send: Send, answer: Answer, stream: EventStream, client: Client) -> None:
        """Write events until the client disconnects or the server stops."""
        lines = stream_lines(answer)
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        await self._go_on(send, stream, client)

    async def _go_on(self, send: Send, stream: EventStream, client: Client) -> None:
        while not (client.is_gone or client.has_left or self._stopping.is_set()):
            await self._hold(stream.interval)
            written = await asyncio.get_running_loop().run_in_executor(self._callers, stream.message)
            if written:
                await send({"type": "http.response.body", "body": written, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_content(
        self, send: Send, receive: Receive, answer: Answer, content: Content, client: Client
    ) -> None:
        """Write a body piece by piece, as fast as its pace and the client allow."""
        steps, sent, loop = content.steps(), 0, asyncio.get_running_loop()
        try:
            if content.span is not None:
                descriptor, start, stop = content.span
                taken = await client.send_file(descriptor, start, stop)
                if taken is not None:
                    sent = taken
                    if sent < stop - start:
                        client.reset()
                    else:
                        await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return
            while True:
                if content.is_made:
                    step = await loop.run_in_executor(self._drawers, next, steps, None)
                else:
                    step = next(steps, None)
                if step is None:
                    break
                wait, part = step
                if wait:
                    await self._hold(wait)
                piece = part if client.takes_views else bytes(part)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if client.is_gone:
                    return
                sent += len(part)
            if answer.connection_fault == "break_off" and content.pieces:
                client.hang_up()
                while True:
                    await next_message(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            content.end(sent)

    async def _dribble(self, send: Send, answer: Answer, client: Client) -> None:
        parts = pieces(answer.body)
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            if client.is_gone:
                return
            await self._hold(answer.delay / len(parts))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write_long(self, send: Send, body: bytes, client: Client) -> None:
        """Write `body` in pieces, as fast as the client reads."""
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
        """End all delays, because the server stops. Must be called on the event loop."""
        self._stopping.set()

    def abort_pending(self) -> None:
        """Answer 503 to requests that still run in threads, and to all later ones."""
        self._is_aborting = True
        for future in tuple(self._in_threads):
            future.cancel()

    def close(self) -> None:
        """End the threads. Must be called when no request is left."""
        for threads in (self._callers, self._waiters, self._callback_pool, self._drawers):
            threads.shutdown()

    def _through_flask(self, request: Request, client: tuple[str, int] | None) -> Answer:
        if request.body_error:
            return Answer(413, PLAIN, f"the body is not taken: {request.body_error}\n".encode())
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
            started[:] = [int(status.split(" ", 1)[0]), headers]
            return lambda _: None

        environ = environ_from(request, "" if client is None else client[0])
        chunks = self._flask(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        elsewhere = environ.get(ELSEWHERE)
        if elsewhere is not None:
            elsewhere.body = request.body
            raise elsewhere
        return Answer(started[0], [(name.lower(), value) for name, value in started[1]], body)
