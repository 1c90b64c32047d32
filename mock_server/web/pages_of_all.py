"""Gets what the inspector's pages show from the other processes, if the emulator has several processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import ContextVar
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.placement import Peer, Placement
from swapmock.mock_server.inspector import reading
from swapmock.mock_server.web.asgi import MOST_CALLS, AppParts
from swapmock.mock_server.web.bodies import Receive
from swapmock.mock_server.web.forwarding import NoAnswer, NotReached, call, hop_of
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.routed import BETWEEN, RoutedApp, whereabouts
from swapmock.mock_server.web.threads import DaemonThreads

log = logging.getLogger("swapmock")

Result = TypeVar("Result")

#: The timeout in seconds of a page's call to another process.
PAGE_TIME = 60.0

#: Whether the current call comes from a page of this process.
_for_page: ContextVar[bool] = ContextVar("_for_page", default=False)


class PagesOfAll(RoutedApp):
    """The application of one of several processes. Its pages show the sandboxes of all processes."""

    def __init__(self, parts: AppParts, placement: Placement, default_sandbox: str) -> None:
        super().__init__(parts, placement, default_sandbox)
        #: The event loop; None before the application serves.
        self.loop: asyncio.AbstractEventLoop | None = None
        self.calls = {"overviews": self._overviews}

    async def tell(self, name: str, document: Any) -> list[Any]:
        """Make the call `name` with the JSON value `document` to all other processes. Return the results of those
        that answer."""
        told = await asyncio.gather(
            *(self.call(peer, name, document) for peer in self.placement.peers()), return_exceptions=True
        )
        for result in told:
            if isinstance(result, NotReached | NoAnswer):
                log.error("another process does not answer: %s", result)
            elif isinstance(result, BaseException):
                raise result
        return [result for result in told if not isinstance(result, BaseException)]

    async def call(self, peer: Peer, name: str, document: Any) -> Any:
        """Return the result of the call `name` at the process `peer`."""
        return await call(peer, self.placement.secret, BETWEEN + name, document)

    async def _overviews(self, sandboxes: Any) -> dict[str, Any]:
        engine, found = self._pipeline.engine, {}
        for name in sandboxes:
            with suppress(KeyError):
                found[name] = encode(reading.overview(engine.store.open(name), engine))
        return found

    def overviews(self, sandboxes: Sequence[str]) -> Mapping[str, Any]:
        """Return the numbers of those `sandboxes` that other processes hold. Must not be called in the thread of the
        event loop."""
        return self._wait_for(self._overviews_of(sandboxes))

    async def _overviews_of(self, sandboxes: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in await self.tell("overviews", list(sandboxes)):
            found |= part
        return found

    def ask(self, request: Request) -> Answer:
        """Return the admin API's answer to the `request` of a page. Must not be called in the thread of the event
        loop."""
        return self._wait_for(self._ask_for_page(request))

    def _wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PAGE_TIME)

    async def _ask_for_page(self, request: Request) -> Answer:
        _for_page.set(True)
        base = urlsplit(request.base_url or "http://localhost")
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in request.headers.items()]
        kept = [pair for pair in headers if pair[0] not in (b"host", b"content-length", b"transfer-encoding")]
        client = _Page(base.netloc)
        scope: Any = {
            "method": request.method,
            "path": request.path,
            "raw_path": quote(request.path).encode(),
            "query_string": request.query.encode(),
            "root_path": base.path,
            "headers": [*kept, (b"host", base.netloc.encode()), (b"content-length", b"%d" % len(request.body))],
            "scheme": base.scheme,
            "client": ("127.0.0.1", 0),
        }
        peer = self.peer_of(whereabouts(scope))
        if peer is None:
            return await self.answer_here(scope, again(request.body, _nothing_more), client, None)
        async with self.forwarded(peer, scope, hop_of(scope, client)) as forwarded:
            answer = await forwarded.answer(None, client, request.body)
            return answer._replace(body=b"".join([piece async for piece in forwarded.body()]))

    @cached_property
    def _callers_for_pages(self) -> DaemonThreads:
        """The threads for the calls that pages make. A page already occupies a thread for clients' calls while it
        waits for its own call."""
        return DaemonThreads(MOST_CALLS, "swapmock-pages")

    async def _in_thread(self, threads: Executor | None, work: Callable[..., Answer], *args: Any) -> Answer:
        return await super()._in_thread(self._callers_for_pages if _for_page.get() else threads, work, *args)

    def close(self) -> None:
        """Close the application, and end the threads for calls of pages."""
        super().close()
        self._callers_for_pages.shutdown()


class _Page:
    """The client of a call that a page makes."""

    is_gone = has_left = False
    is_trusted_proxy = False
    peer = "127.0.0.1"

    def __init__(self, own: str) -> None:
        self.own = own

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a page writes no answer: {name}")


async def _nothing_more() -> Any:
    return {"type": "http.disconnect"}


def again(body: bytes, receive: Receive, *, is_whole: bool = True) -> Receive:
    """Return an ASGI `receive` that returns `body` first. `is_whole` says that nothing follows it."""
    first = [{"type": "http.request", "body": body, "more_body": not is_whole}]

    async def received() -> Any:
        return first.pop() if first else await receive()

    return received
