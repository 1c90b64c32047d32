"""The application of one of several processes that share a store: combined answers of all processes, and new
sandboxes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.core.placement import Peer
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.engine.sandboxes import DEFAULT_SANDBOX
from swapmock.mock_server.web.asgi import AppParts, Client, Send
from swapmock.mock_server.web.bodies import Receive
from swapmock.mock_server.web.forwarding import Hop, NoAnswer, NotReached, hop_of
from swapmock.mock_server.web.messages import Answer
from swapmock.mock_server.web.metrics_of_all import merged
from swapmock.mock_server.web.pages_of_all import PagesOfAll
from swapmock.mock_server.web.routed import MAKING, RoutedConnection, Whereabouts

if TYPE_CHECKING:
    from swapmock.mock_server.stores.redis import RedisStore

log = logging.getLogger("swapmock")

#: How often another process is asked for its part of an answer; a busy one may not accept a connection in time.
PART_ATTEMPTS = 3

#: Where the paths of the admin API begin.
ADMIN = "/__admin"


class SharedApp(PagesOfAll):
    """The ASGI application of a process whose `store` other processes share."""

    def __init__(self, parts: AppParts, store: RedisStore) -> None:
        super().__init__(parts, store, DEFAULT_SANDBOX)
        self._store = store
        #: What takes forwarded requests to the admin API, if that has a port of its own: other processes know one address.
        self.controls: SharedApp | None = None

    @property
    def connection(self) -> Callable[..., RoutedConnection]:
        """Return the function that makes the connections of this application."""
        return partial(RoutedConnection, mover=None)

    async def _take(self, hop: Hop, scope: Any, receive: Receive, send: Send, client: Client) -> None:
        if self.controls is not None and scope["path"].startswith(ADMIN):
            await self.controls._take(hop, scope, receive, send, client)
        else:
            await super()._take(hop, scope, receive, send, client)

    def begin_shutdown(self) -> None:
        """Begin the shutdown of this application, and of the one for control calls."""
        super().begin_shutdown()
        if self.controls is not None:
            self.controls.begin_shutdown()

    def abort_pending(self) -> None:
        """Abort pending requests here, and in the application for control calls."""
        super().abort_pending()
        if self.controls is not None:
            self.controls.abort_pending()

    def close(self) -> None:
        """Close this application, and the one for control calls."""
        super().close()
        if self.controls is not None:
            self.controls.close()

    def peer_of(self, asked: Whereabouts) -> Peer | None:
        """Return the other process that a request belongs to. Returns None if the store cannot be reached: then this
        process reports that."""
        try:
            return super().peer_of(asked)
        except StoreError:
            return None  # this process says that the store is away

    async def _places_of(self, asked: Whereabouts) -> Sequence[Peer | None]:
        try:
            return await super()._places_of(asked)
        except StoreError:
            return [None]  # this process reports that the store cannot be reached

    async def answer_here(self, scope: Any, receive: Receive, client: Client, hop: Hop | None) -> Answer:
        """Answer a request in this process. Calls over all sandboxes are answered together with the other processes."""
        self.loop = asyncio.get_running_loop()
        target = self._pipeline.match(scope["method"], scope["path"])
        name = "" if target is None or not target.api.is_admin or target.operation is None else target.operation.id
        if name in MERGERS and (hop is None or not hop.is_part):
            return await self._answer_together(name, scope, receive, client)
        answer = await super().answer_here(scope, receive, client, hop)
        if name in MAKING and answer.status == 201:
            with suppress(StoreError):  # the process that gets its first request takes the sandbox
                await asyncio.to_thread(self._store.release, jsontext.loads(answer.body)["id"])
        return answer

    async def _answer_together(self, name: str, scope: Any, receive: Receive, client: Client) -> Answer:
        """Return an answer combined from the parts of all processes. A process that does not answer is left out:
        others take its sandboxes soon."""
        own = await super().answer_here(scope, receive, client, None)
        if own.status != 200 or dict(own.headers).get("content-type", "").startswith("text/html"):
            return own
        try:
            peers = self.placement.peers()
        except StoreError:
            return own
        parts = await asyncio.gather(*(self._part(peer, scope, client) for peer in peers))
        return own._replace(body=MERGERS[name]([own.body, *(part for part in parts if part is not None)]))

    async def _part(self, peer: Peer, scope: Any, client: Client) -> bytes | None:
        for attempts_left in reversed(range(PART_ATTEMPTS)):
            try:
                async with self.forwarded(peer, scope, hop_of(scope, client, is_part=True)) as forwarded:
                    answer = await forwarded.answer(None, client)
                    body = b"".join([piece async for piece in forwarded.body()])
            except (NotReached, NoAnswer) as error:
                if not attempts_left:
                    log.warning("the part of another process is missing: %s", error)
                continue
            return body if answer.status == 200 else None
        return None


def _merged_list(bodies: Sequence[bytes]) -> bytes:
    rows = {row["id"]: row for body in bodies for row in jsontext.loads(body)["sandboxes"]}
    return jsontext.dumps({"sandboxes": [rows[name] for name in sorted(rows)]})


def _merged_metrics(bodies: Sequence[bytes]) -> bytes:
    return merged([body.decode() for body in bodies]).encode()


#: Operation -> the function that combines the answers of all processes.
MERGERS: Mapping[str, Callable[[Sequence[bytes]], bytes]] = {
    "list_sandboxes": _merged_list,
    "get_metrics": _merged_metrics,
}
