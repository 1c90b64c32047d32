"""The application and the connection class of one process of several: each request reaches the process that holds
its sandbox.

A connection whose first request is for a sandbox of another process is moved there, with the bytes that have
arrived (`Mover`). What cannot be moved (TLS, later requests, another machine) is forwarded (`web/forwarding.py`).
A single process uses neither class: the server decides this at its start.

A request that stays in its process costs nothing extra: the Store looks up the credential as always, and raises
HeldElsewhere for one that belongs to another process."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs

import h11
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from swapmock.mock_server.admin.home import prefers_html
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.inbox import START
from swapmock.mock_server.core.placement import HeldElsewhere, Peer, Placement
from swapmock.mock_server.inspector.live import EVERYTHING
from swapmock.mock_server.web.asgi import AppParts, AsgiApp, Client, Send
from swapmock.mock_server.web.bodies import GoneError, Receive
from swapmock.mock_server.web.files import token_of
from swapmock.mock_server.web.finalize import to_bytes
from swapmock.mock_server.web.forwarding import (
    HOP_HEADER,
    LOOK_INTERVAL,
    Forwarded,
    Handlers,
    Hop,
    NoAnswer,
    NotReached,
    hop_of,
    read_hop,
    send_answer,
)
from swapmock.mock_server.web.inspector import EVENTS, OWN
from swapmock.mock_server.web.messages import LONG, Answer, Request, header_octets, headers_from, once_prepared
from swapmock.mock_server.web.mounting import RouteMatch
from swapmock.mock_server.web.protocol_check import Bounds, Connection, split_target
from swapmock.mock_server.web.request_filter import Refusal, refused
from swapmock.mock_server.web.request_head import Head
from swapmock.mock_server.web.wsgi import SEVER

log = logging.getLogger("swapmock")

#: Operations that make a sandbox.
MAKING = frozenset({"create_sandbox", "fork_sandbox"})

#: The path for calls between processes; for a client there is nothing.
BETWEEN = "/__between/"

#: The header of forwarded requests, as text.
HOP_NAME = HOP_HEADER.decode()

#: Operations of the admin API without a sandbox in their path that belong to the process of the default sandbox. This
#: process also has the runs of checks.
FOR_DEFAULT = frozenset({"reset_default", "get_default_requests", "list_runs", "add_run", "get_run"})

#: The page about the default sandbox.
HOME = ("/__admin", "/__admin/")

#: Pages about a sandbox, and (with an empty name) pages about runs.
PAGE = re.compile(re.escape(OWN) + r"(?:sandboxes/([^/]+)/|runs/())")


class Whereabouts(NamedTuple):
    """The parts of a request that say which process it belongs to."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class Mover(Protocol):
    """Passes connections to other processes."""

    def move(self, peer: Peer, descriptor: int, received: bytes) -> bool:
        """Pass the socket `descriptor` to `peer`, with the bytes that were `received` on it. Return False if that is
        not possible now; then nothing has happened. The caller closes its own descriptor."""


class RoutedApp(AsgiApp):
    """The ASGI application of one process of several. `placement` says which process holds a sandbox.

    `calls` are the functions that other processes may call, by name."""

    def __init__(self, parts: AppParts, placement: Placement, default_sandbox: str) -> None:
        super().__init__(*parts)
        self.placement = placement
        self.calls: Handlers = {}
        self._default = default_sandbox

    # Which process a request belongs to

    def match_inline(self, method: str, path: str) -> RouteMatch | None:
        """Return the route of a vendor request that can be answered on the event loop; None for all others, for
        example for files and public links."""
        target = self._pipeline.match(method, path)
        if target is None or target.api.is_admin:
            return None
        return None if target.is_public or (target.operation is not None and target.operation.files) else target

    def peer_of(self, asked: Whereabouts) -> Peer | None:
        """Return the other process that a request belongs to, by its credential or by the sandbox in a path of the
        admin API; None for this process, and if only a token decides."""
        target = self._pipeline.match(asked.method, asked.path)
        if target is None:
            inbox = asked.path.startswith(START) and asked.path.removeprefix(START).partition("/")[0]
            return self.placement.holder(inbox) if inbox else None
        if target.api.is_admin:
            sandbox = self._sandbox_of(target, asked)
            return None if sandbox is None else self.placement.holder(sandbox)
        if target.is_public or (target.operation is not None and target.operation.files):
            return None
        try:
            identity = self._pipeline.identify(target, _without_body(asked))
        except HeldElsewhere as elsewhere:
            return elsewhere.peer
        return self.placement.holder(identity.sandbox) if identity.sandbox else None

    def _sandbox_of(self, target: RouteMatch, asked: Whereabouts) -> str | None:
        """Return the sandbox that a call to the admin API or a page is for."""
        if target.operation is not None and target.operation.id in FOR_DEFAULT:
            return self._default
        if "sandbox" in target.params:
            return target.params["sandbox"]
        if asked.path in HOME and prefers_html(asked.headers):
            return self._default
        page = PAGE.match(asked.path)
        if page is not None:
            return page[1] or self._default
        if asked.path == EVENTS:
            return next(
                (name for name in parse_qs(asked.query).get("sandbox", ()) if name != EVERYTHING), self._default
            )
        return None

    def token_of(self, asked: Whereabouts) -> str | None:
        """Return the token of a public link in the path of a request; None without one."""
        target = self._pipeline.match(asked.method, asked.path)
        if target is None or target.operation is None or not target.operation.files:
            return None
        return token_of(target.operation, target.params)

    async def _places_of(self, asked: Whereabouts) -> Sequence[Peer | None]:
        """Return the processes to ask, in order; the next one is asked if the one before knows no such file. None is
        this process."""
        token = self.token_of(asked)
        if token is not None:
            return await self.placement.holders_of_link(token) or [None]
        return [self.peer_of(asked)]

    # Requests

    def answer(self, target: RouteMatch, request: Request) -> Answer:
        """Answer a request. Raises HeldElsewhere, with the request's body, if another process holds the sandbox."""
        try:
            return super().answer(target, request)
        except HeldElsewhere as elsewhere:
            elsewhere.body = request.body
            raise

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        client: Client = scope["extensions"]["swapmock.client"]
        with suppress(GoneError):
            hop = read_hop(scope, self.placement.secret)
            if hop is not None:
                await self._take(hop, scope, receive, send, client)
                return
            await client.drained()
            answer = scope["extensions"]["swapmock.answer"]
            if answer is None:
                await self._route(scope, receive, send, client)
            else:
                await self._write(scope, receive, send, answer, client)

    async def _route(self, scope: Any, receive: Receive, send: Send, client: Client) -> None:
        places = await self._places_of(whereabouts(scope))
        for number, peer in enumerate(places):
            is_last = number == len(places) - 1
            if peer is None:
                try:
                    answer = await self.answer_here(scope, receive, client, None)
                except HeldElsewhere as elsewhere:
                    await self._forward(elsewhere.peer, scope, receive, send, client, elsewhere.body, is_last=True)
                    return
                if is_last or answer.status != 404:
                    await self._write(scope, receive, send, answer, client)
                    return
            elif await self._forward(peer, scope, receive, send, client, None, is_last=is_last):
                return

    async def answer_here(self, scope: Any, receive: Receive, client: Client, hop: Hop | None) -> Answer:  # noqa: ARG002 - for subclasses
        """Return the answer of this process. `hop` says how the request came, if another process forwarded it."""
        return await self._ask(scope, receive, client)

    async def _forward(
        self,
        peer: Peer,
        scope: Any,
        receive: Receive,
        send: Send,
        client: Client,
        body: bytes | None,
        *,
        is_last: bool,
    ) -> bool:
        """Let `peer` answer, and write its answer. If the answer is a 404 and `is_last` is False, write nothing and
        return False."""
        settle = getattr(client, "look_again", None)
        if settle is not None:
            settle()  # the connection may be moved at the next request
        try:
            async with self.forwarded(peer, scope, hop_of(scope, client)) as forwarded:
                answer = await forwarded.answer(receive, client, body)
                if answer.status == 404 and not is_last:
                    return False
                if forwarded.length is None and scope["method"] != "HEAD" and answer.connection_fault not in SEVER:
                    await self._relay_stream(send, answer, forwarded, client)
                    return True
                is_plain = not answer.delay and not answer.connection_fault and scope["method"] != "HEAD"
                if is_plain and forwarded.length is not None and forwarded.length > LONG:
                    await self._relay(send, answer, forwarded, client)
                    return True
                answer = answer._replace(body=b"".join([piece async for piece in forwarded.body()]))
        except h11.LocalProtocolError as error:
            answer = refused(Refusal(400, f"not a request as HTTP has them: {error}"))
        except (NotReached, NoAnswer) as error:
            log.error("a request could not be forwarded: %s", error)
            answer = self._failed(whereabouts(scope), was_sent=isinstance(error, NoAnswer))
        await self._write(scope, receive, send, answer, client)
        return True

    def forwarded(self, peer: Peer, scope: Any, hop: Hop) -> Forwarded:
        """Return the request of `scope`, to be sent to `peer`."""
        target = scope.get("raw_path") or scope["path"].encode()
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        return Forwarded(peer, hop, self.placement.secret, target, scope["headers"])

    def _failed(self, asked: Whereabouts, *, was_sent: bool) -> Answer:
        """Return the answer if another process gives none: the vendor's maintenance error, or its server error if
        the request may have been executed."""
        target = self._pipeline.match(asked.method, asked.path)
        detail = "the process that holds this sandbox does not answer"
        if target is None or target.api.is_admin:
            return refused(Refusal(500 if was_sent else 503, detail))
        refusals = target.api.contract.behaviour.refusals
        name = "maintenance" if not was_sent and "maintenance" in refusals else "server_error"
        variants = target.api.contract.behaviour.defaults
        return to_bytes(target.api.provider.render_problem(Problem(name), variants))

    async def _relay_stream(self, send: Send, answer: Answer, forwarded: Forwarded, client: Client) -> None:
        """Write a body while it arrives, at the speed at which it arrives: a file, or events that end when the
        client disconnects."""
        if answer.delay and answer.connection_fault != "dribble":
            await self._hold(answer.delay)
        lines = [(header_octets(name), header_octets(value)) for name, value in answer.headers]
        if lines and lines[0][0] == b"date":
            client.leave_out_date()
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})

        async def relay() -> None:
            async for piece in forwarded.body():
                await send({"type": "http.response.body", "body": piece, "more_body": True})

        is_file = any(name == b"content-length" for name, _ in lines)
        relaying = asyncio.ensure_future(relay())
        while not (client.is_gone or relaying.done()):
            if not is_file and (client.has_left or self._stopping.is_set()):
                break
            await asyncio.wait({relaying}, timeout=LOOK_INTERVAL)
        relaying.cancel()
        try:
            await relaying
        except asyncio.CancelledError:
            pass
        except NoAnswer:
            if is_file:  # the answer was cut on purpose, or the other process has ended
                client.hang_up()
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _relay(self, send: Send, answer: Answer, forwarded: Forwarded, client: Client) -> None:
        """Write a long answer while its body arrives."""
        is_measured = any(name == "content-length" for name, _ in answer.headers)
        headers = answer.headers if is_measured else [*answer.headers, ("content-length", str(forwarded.length))]
        lines = [(header_octets(name), header_octets(value)) for name, value in headers]
        if lines[0][0] == b"date":
            client.leave_out_date()
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        try:
            async for piece in forwarded.body():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except NoAnswer as error:
            log.error("a forwarded answer broke off: %s", error)
            client.hang_up()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _take(self, hop: Hop, scope: Any, receive: Receive, send: Send, client: Client) -> None:
        """Answer a request that another process has forwarded."""
        if scope["path"].startswith(BETWEEN):
            await send_answer(send, await self._called(scope, receive))
            return
        origin = _Origin(client, hop)
        own: Any = {**scope, "method": hop.method, "scheme": hop.scheme, "client": hop.client, "root_path": hop.root}
        try:
            answer = await self.answer_here(own, receive, origin, hop)
        except HeldElsewhere as elsewhere:  # the sandbox has moved again meanwhile; there is no second hop
            log.warning("a forwarded request is for a sandbox that %s holds", elsewhere.peer.name)
            answer = self._failed(whereabouts(own), was_sent=False)
        if answer.before_send is not None:
            answer = await asyncio.get_running_loop().run_in_executor(self._callback_pool, once_prepared, answer)
        await send_answer(send, answer)
        if answer.stream is not None:
            await self._go_on(send, answer.stream, client)
        elif answer.content is not None:
            await self._send_content(send, receive, answer, answer.content, origin)

    async def _called(self, scope: Any, receive: Receive) -> Answer:
        """Answer a call of another process of the same emulator."""
        handler = self.calls.get(scope["path"].removeprefix(BETWEEN))
        if handler is None:
            return Answer(404, [], b"no such call")
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            body, more = body + message["body"], message["more_body"]
        return Answer(200, [], json.dumps(await handler(json.loads(body))).encode())


class _Origin:
    """The client of a forwarded request, as the first process sees it: its address, and whether it is still
    connected."""

    def __init__(self, hop_connection: Client, hop: Hop) -> None:
        self._connection = hop_connection
        self.own = hop.own
        self.peer = "" if hop.client is None else hop.client[0]
        self.is_trusted_proxy = hop.is_trusted_proxy

    @property
    def is_gone(self) -> bool:
        return self._connection.is_gone

    @property
    def has_left(self) -> bool:
        return self._connection.has_left

    async def send_file(self, _descriptor: int, _start: int, _stop: int) -> int | None:
        """Return None: between processes, more than the file is sent."""
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def whereabouts(scope: Any) -> Whereabouts:
    """Return the parts of a request that say which process it belongs to."""
    query = scope["query_string"].decode("utf-8", "replace")
    return Whereabouts(scope["method"], scope["path"], query, headers_from(scope["headers"]))


def _without_body(asked: Whereabouts) -> Request:
    return Request(asked.method, asked.path, asked.query, asked.headers, b"", "")


class _HeadRead:
    """Receives the head of a request from httptools."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_whole = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_whole = True


def peek(received: bytes) -> Whereabouts | None:
    """Return the request whose head `received` begins with; None if the head is incomplete or unusual."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = _HeadRead()
    parser = HttpRequestParser(head)
    try:
        parser.feed_data(received[: end + 4])
        method = parser.get_method().decode()
    except (HttpParserError, HttpParserUpgrade):
        return None
    if not head.is_whole or head.url[:1] != b"/" or not head.url.isascii() or b"#" in head.url:
        return None
    path, query = split_target(head.url)
    return Whereabouts(method, path, query, headers_from(head.headers))


class RoutedConnection(Connection):
    """A connection of one process of several. Before its first request, and after each request that was forwarded,
    it checks whether the next request belongs to another process. `received` are the bytes that the previous
    process had received."""

    _asgi_app: Any

    def __init__(self, bounds: Bounds, mover: Mover | None, received: bytes = b"", **uvicorns: Any) -> None:
        super().__init__(bounds, **uvicorns)
        self._mover = mover
        self._received_before = received
        self._is_looking = mover is not None and not received

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        received, self._received_before = self._received_before, b""
        if received:
            self.data_received(received)

    def look_again(self) -> None:
        """Check the next request once every earlier request is answered."""
        self._is_looking = self._mover is not None

    def data_received(self, data: bytes) -> None:
        if self._is_looking and self._is_between_requests:
            self._is_looking = False
            if self._moves(data):
                return
        super().data_received(data)

    @property
    def _is_between_requests(self) -> bool:
        cycle = self.cycle
        is_answered = cycle is None or (cycle.response_complete and not cycle.more_body)
        return is_answered and not self.pipeline and not self._is_asking and not self._is_over

    def _moves(self, data: bytes) -> bool:
        """Return whether the connection was moved to the process that its next request belongs to."""
        if self._is_secure or self._mover is None or self._bounds.is_stopping:
            return False  # the state of TLS is in this process
        self.flush()
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            return False
        asked = peek(data)
        peer = None if asked is None else self._asgi_app.peer_of(asked)
        if peer is None:
            return False
        descriptor = self.transport.get_extra_info("socket").fileno()
        if not self._mover.move(peer, descriptor, data):
            return False
        self._is_over = True
        self.transport.abort()  # this closes our descriptor and leaves the connection open
        return True

    def _ask(self, target: RouteMatch, head: Head, body: bytes) -> Answer | None:
        if HOP_NAME in head.headers:  # the hop header says how the client came; the application reads it
            return None
        try:
            return super()._ask(target, head, body)
        except HeldElsewhere:
            return None
