"""The application and the connection class of a process that is one of several: requests reach whoever holds their sandbox.

A connection whose first request is for a sandbox of another process moves there, with the bytes that have come
(`Mover`). What cannot move (TLS, later requests, another machine) is forwarded (`web/forwarding.py`). A single process uses
neither class: which one is used is decided when the server starts.

The way of a request that stays costs nothing more: the Store looks the credential up as ever, and raises HeldElsewhere for one
that belongs to another process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qs

import h11
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from swapmock.mock_server.admin.home import prefers_html
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.inbox import START
from swapmock.mock_server.core.placement import HeldElsewhere, Peer, Placement
from swapmock.mock_server.inspector.live import EVERYTHING
from swapmock.mock_server.web.asgi import AsgiApp, Client, Send
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
from swapmock.mock_server.web.messages import LONG, Answer, Request, header_octets, headers_from
from swapmock.mock_server.web.mounting import RouteMatch
from swapmock.mock_server.web.pipeline import Pipeline
from swapmock.mock_server.web.protocol_check import Bounds, Connection, split_target
from swapmock.mock_server.web.request_filter import Refusal, refused
from swapmock.mock_server.web.wsgi import SEVER

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("swapmock")

#: Operations that make a sandbox.
MAKING = frozenset({"create_sandbox", "fork_sandbox"})

#: Where processes ask each other; a client finds nothing there.
BETWEEN = "/__between/"

#: The header of forwarded requests, as text.
HOP_NAME = HOP_HEADER.decode()

#: Operations of the admin API without a sandbox in their path, that are for the default one, or for what its process has for
#: all: the runs of checks.
FOR_DEFAULT = frozenset({"reset_default", "get_default_requests", "list_runs", "add_run", "get_run"})

#: The page about the default sandbox.
HOME = ("/__admin", "/__admin/")

#: Pages about a sandbox, and (with an empty name) pages about runs.
PAGE = re.compile(re.escape(OWN) + r"(?:sandboxes/([^/]+)/|runs/())")


class Whereabouts(NamedTuple):
    """A request as far as it says where it belongs."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class Mover(Protocol):
    """Gives connections away."""

    def move(self, peer: Peer, descriptor: int, received: bytes) -> bool:
        """Give the socket `descriptor` to `peer`, with the bytes that were received on it. False if that is not possible
        now; then nothing has happened. The caller closes its own descriptor."""


class RoutedApp(AsgiApp):
    """The ASGI application of one process of several. `placement` says who holds a sandbox.

    `calls` are what other processes may ask for beyond requests of clients, by name.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        make_flask: Callable[[], WSGIApplication],
        max_bodies_bytes: int,
        note_lag: Callable[[float], None],
        placement: Placement,
        default_sandbox: str,
    ) -> None:
        super().__init__(pipeline, make_flask, max_bodies_bytes, note_lag)
        self.placement = placement
        self.calls: Handlers = {}
        self._default = default_sandbox

    # Where a request belongs

    def match_inline(self, method: str, path: str) -> RouteMatch | None:
        target = self._pipeline.match(method, path)
        if target is None or target.api.is_admin:
            return None
        return None if target.is_public or (target.operation is not None and target.operation.files) else target

    def peer_of(self, asked: Whereabouts) -> Peer | None:
        """The other process that a request belongs to by its credential, or by the sandbox in a path of the admin API; None
        for this process, and where only a token says it."""
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
        """The sandbox that a call to the admin API or a page is for."""
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
        """The token of a public link that a request has in its path."""
        target = self._pipeline.match(asked.method, asked.path)
        if target is None or target.operation is None or not target.operation.files:
            return None
        return token_of(target.operation, target.params)

    async def _places_of(self, asked: Whereabouts) -> Sequence[Peer | None]:
        """The processes to ask, in order: the next one if the one before knows no such file. None is this process."""
        token = self.token_of(asked)
        if token is not None:
            return await self.placement.holders_of_link(token) or [None]
        return [self.peer_of(asked)]

    # Requests

    def answer(self, target: RouteMatch, request: Request) -> Answer:
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
        """The answer of this process. `hop` says how the request came, if another process forwarded it."""
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
        """Have `peer` answer, and write the answer. False, and nothing written, if that is a 404 and not the last word."""
        settle = getattr(client, "look_again", None)
        if settle is not None:
            settle()  # the next request may let the connection move
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
        """The request of `scope` at `peer`, not yet sent."""
        target = scope.get("raw_path") or scope["path"].encode()
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        return Forwarded(peer, hop, self.placement.secret, target, scope["headers"])

    def _failed(self, asked: Whereabouts, *, was_sent: bool) -> Answer:
        """The answer where another process gives none: the vendor's maintenance, or its error if the request may have been
        carried out."""
        target = self._pipeline.match(asked.method, asked.path)
        detail = "the process that holds this sandbox does not answer"
        if target is None or target.api.is_admin:
            return refused(Refusal(500 if was_sent else 503, detail))
        refusals = target.api.contract.behaviour.refusals
        name = "maintenance" if not was_sent and "maintenance" in refusals else "server_error"
        variants = target.api.contract.behaviour.defaults
        return to_bytes(target.api.provider.render_problem(Problem(name), variants))

    async def _relay_stream(self, send: Send, answer: Answer, forwarded: Forwarded, client: Client) -> None:
        """Write a body while it comes, at the pace at which it comes: a file, or events that end when the client leaves."""
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
            if is_file:  # it was broken off on purpose, or the other process has ended
                client.hang_up()
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _relay(self, send: Send, answer: Answer, forwarded: Forwarded, client: Client) -> None:
        """Write a long answer while its body comes."""
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
        """Answer a request that another process forwarded."""
        if scope["path"].startswith(BETWEEN):
            await send_answer(send, await self._called(scope, receive))
            return
        origin = _Origin(client, hop)
        own: Any = {**scope, "method": hop.method, "scheme": hop.scheme, "client": hop.client, "root_path": hop.root}
        try:
            answer = await self.answer_here(own, receive, origin, hop)
        except HeldElsewhere as elsewhere:  # it has gone on meanwhile; a second hop is not made
            log.warning("a forwarded request is for a sandbox that %s holds", elsewhere.peer.name)
            answer = self._failed(whereabouts(own), was_sent=False)
        if answer.before_send is not None:
            await asyncio.get_running_loop().run_in_executor(self._callback_pool, answer.before_send)
        await send_answer(send, answer)
        if answer.stream is not None:
            await self._go_on(send, answer.stream, client)
        elif answer.content is not None:
            await self._send_content(send, receive, answer, answer.content, origin)

    async def _called(self, scope: Any, receive: Receive) -> Answer:
        """The answer to another process of the same emulator."""
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
    """The client of a forwarded request, as the first process has it: who it is, and whether it is still there."""

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
        """None: what goes between processes is more than the file."""
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def whereabouts(scope: Any) -> Whereabouts:
    query = scope["query_string"].decode("utf-8", "replace")
    return Whereabouts(scope["method"], scope["path"], query, headers_from(scope["headers"]))


def _without_body(asked: Whereabouts) -> Request:
    return Request(asked.method, asked.path, asked.query, asked.headers, b"", "")


class _HeadRead:
    """What httptools tells of the head of a request."""

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
    """The request whose head `received` begins with; None if that is not whole, or is nothing usual."""
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
    """A connection of one process of several. Before its first request it looks whether that belongs to another process, and
    so after each request that was forwarded. `received` is what the process that gave it away had received."""

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
        """Look at the next request, once no request is unanswered."""
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
        """Whether the connection went to the process that its next request belongs to."""
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
        self.transport.abort()  # closes our descriptor and leaves the connection open
        return True

    def _answer(
        self, target: RouteMatch, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        if HOP_NAME in headers:  # how its client came stands there; the application reads it
            self._hand_over_whole(body)
            return
        try:
            super()._answer(target, method, path, query, headers, body)
        except HeldElsewhere:
            self._hand_over_whole(body)

    def _hand_over_whole(self, body: bytes) -> None:
        """Pass a request to the application whose `body` has come already."""
        self._hand_over()
        if body:
            HttpToolsProtocol.on_body(self, body)
        HttpToolsProtocol.on_message_complete(self)
