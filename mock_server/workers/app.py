"""The application of one worker: the admin API over all workers, and the messages between workers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.admin.sandboxes import SANDBOX_SEQUENCE, id_number
from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.codec import decode, encode
from swapmock.mock_server.core.placement import HeldElsewhere, Peer
from swapmock.mock_server.engine.sandboxes import DEFAULT_SANDBOX
from swapmock.mock_server.stores.sharded import Change, Directory, ShardedStore, change_from
from swapmock.mock_server.web.asgi import AppParts, Client
from swapmock.mock_server.web.bodies import Receive
from swapmock.mock_server.web.forwarding import Hop, NoAnswer, NotReached, hop_of
from swapmock.mock_server.web.messages import Answer
from swapmock.mock_server.web.metrics_of_all import merged
from swapmock.mock_server.web.mounting import RouteMatch
from swapmock.mock_server.web.pages_of_all import PagesOfAll, again
from swapmock.mock_server.web.request_filter import Refusal, refused
from swapmock.mock_server.web.routed import MAKING, Whereabouts, whereabouts
from swapmock.mock_server.workers import migration
from swapmock.mock_server.workers.placement import ShardPlacement

log = logging.getLogger("swapmock")

#: The worker with the default sandbox. It also makes new sandboxes, and passes each to the worker with the fewest.
FIRST = 0

#: The seconds between two checks for requests that belong to no sandbox, while a call waits for such requests.
PULL_INTERVAL = 0.05


class WorkerApp(PagesOfAll):
    """The ASGI application of one worker. `store` is its part of the sandboxes."""

    def __init__(self, parts: AppParts, placement: ShardPlacement, store: ShardedStore) -> None:
        super().__init__(parts, placement, DEFAULT_SANDBOX)
        self._engine = parts.pipeline.engine
        self._store = store
        self._making = asyncio.Lock()
        self._one_flush = asyncio.Lock()
        self._default_shown: Any = None
        self._changes: list[Change] = []
        self._telling: set[asyncio.Task[None]] = set()
        self.calls = {
            **self.calls,
            "changes": self._note_changes,
            "default": self._note_default,
            "link": self._published_at,
            "number": self._next_number,
            "records": self._give_records,
            "sandbox": self._take_sandbox,
            "sweep": self._sweep,
        }

    # Messages to the other workers

    def announce(self, change: Change) -> None:
        """Note a change that the other workers have to know. May be called from any thread."""
        self._changes.append(change)

    def flush_soon(self) -> None:
        """Run `flush` in a separate task, unless one is already running."""
        if self._changes:
            task = asyncio.get_running_loop().create_task(self.flush())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def flush(self) -> None:
        """Tell the other workers what has changed, and wait until all know it."""
        async with self._one_flush:  # the others get the changes in order
            changes, self._changes = self._changes, []
            if changes:
                await self.tell("changes", [change._asdict() for change in changes])

    # Messages from the other workers

    async def _note_changes(self, rows: Any) -> None:
        for row in rows:
            self._store.note(change_from(row))

    async def _note_default(self, row: Any) -> None:
        clock: SandboxClock = decode(SandboxClock, row["clock"])
        self._store.set_shadow(migration.unpack_sandbox(row["sandbox"], self._engine), clock)

    async def _published_at(self, token: Any) -> float | None:
        return self._store.published_at(str(token))

    async def _next_number(self, _: Any) -> int:
        with self._store.open(DEFAULT_SANDBOX) as box:
            return box.next_number(SANDBOX_SEQUENCE)

    async def _give_records(self, _: Any) -> list[Any]:
        with suppress(HeldElsewhere):
            return migration.take_records(DEFAULT_SANDBOX, self._engine)
        return []

    async def _take_sandbox(self, document: Any) -> None:
        await asyncio.to_thread(migration.unpack, document, self._engine, self._store)

    async def _sweep(self, _: Any) -> None:
        self._engine.sweep(self._engine.time.now())
        await self.flush()

    # The admin API

    def _sandbox_of(self, target: RouteMatch, asked: Whereabouts) -> str | None:
        if target.operation is not None and target.operation.id == "create_sandbox":
            return DEFAULT_SANDBOX
        return super()._sandbox_of(target, asked)

    async def answer_here(self, scope: Any, receive: Receive, client: Client, hop: Hop | None) -> Answer:
        """Answer a request in this worker. Calls over all sandboxes are answered together with the other workers."""
        target = self._pipeline.match(scope["method"], scope["path"])
        if target is None or not target.api.is_admin or target.operation is None:
            return await super().answer_here(scope, receive, client, hop)
        name = target.operation.id
        if name == "list_sandboxes" and self._is_first:
            await self._pull_records()
        if name in MERGERS and (hop is None or not hop.is_part):
            return await self._answer_together(name, scope, receive, client)
        if name in MAKING:
            return await self._make(scope, receive, client, hop)
        if self._sandbox_of(target, whereabouts(scope)) == DEFAULT_SANDBOX and self._is_first:
            return await self._answer_for_default(target, scope, receive, client, hop)
        return await self._answered_and_told(scope, receive, client, hop)

    @property
    def _is_first(self) -> bool:
        return self._store.directory.own == FIRST

    async def _answered_and_told(self, scope: Any, receive: Receive, client: Client, hop: Hop | None) -> Answer:
        answer = await super().answer_here(scope, receive, client, hop)
        await self.flush()
        return answer

    async def _answer_for_default(
        self, target: RouteMatch, scope: Any, receive: Receive, client: Client, hop: Hop | None
    ) -> Answer:
        """Answer for the default sandbox. The other workers have records of requests that belong to no sandbox, and
        follow its settings."""
        await self._pull_records()
        waits = target.operation is not None and target.operation.waits
        pulling = asyncio.ensure_future(self._keep_pulling()) if waits else None
        try:
            answer = await super().answer_here(scope, receive, client, hop)
        finally:
            if pulling is not None:
                pulling.cancel()
        if target.operation is not None and target.operation.method not in ("GET", "HEAD"):
            await self._show_default()
        return answer

    async def _pull_records(self) -> None:
        for rows in await self.tell("records", None):
            if rows:
                migration.add_records(rows, DEFAULT_SANDBOX, self._engine)

    async def _keep_pulling(self) -> None:
        while True:
            await asyncio.sleep(PULL_INTERVAL)
            await self._pull_records()

    async def _show_default(self) -> None:
        """Tell the other workers the settings and the clock of the default sandbox, if they have changed."""
        with self._store.open(DEFAULT_SANDBOX) as box:
            shown = (box.sandbox, box.clock)
        if shown != self._default_shown:
            self._default_shown = shown
            await self.tell("default", {"sandbox": encode(shown[0]), "clock": encode(shown[1])})

    async def _answer_together(self, name: str, scope: Any, receive: Receive, client: Client) -> Answer:
        """Return an answer combined from the parts of all workers."""
        own = await super().answer_here(scope, receive, client, None)
        if own.status != 200 or dict(own.headers).get("content-type", "").startswith("text/html"):
            return own  # a page requests its content from the other workers
        peers = self.placement.peers()
        try:
            others = await asyncio.gather(*(self._part(peer, scope, client) for peer in peers))
        except (NotReached, NoAnswer) as error:
            log.error("a worker's part of an answer is missing: %s", error)
            return refused(Refusal(503, "a worker process does not answer"))
        bad = next((part for part in others if part.status != 200), None)
        if bad is not None:
            return bad
        bodies = {peer: part.body for peer, part in zip(peers, others, strict=True)}
        bodies[self._store.directory.peers[self._store.directory.own]] = own.body
        return own._replace(body=MERGERS[name](bodies, self._store.directory))

    async def _part(self, peer: Peer, scope: Any, client: Client) -> Answer:
        async with self.forwarded(peer, scope, hop_of(scope, client, is_part=True)) as forwarded:
            answer = await forwarded.answer(None, client)
            return answer._replace(body=b"".join([piece async for piece in forwarded.body()]))

    # New sandboxes

    async def _make(self, scope: Any, receive: Receive, client: Client, hop: Hop | None) -> Answer:
        """Make a sandbox here, as a single process does, and pass it to the worker with the fewest sandboxes before
        other workers know it."""
        async with self._making:
            await self.tell("sweep", None)  # an id is free again when the time of its sandbox is over
            if not self._is_first:
                scope, receive = await self._with_id(scope, receive)
            answer = await super().answer_here(scope, receive, client, hop)
            if answer.status == 201:
                await self._place(json.loads(answer.body)["id"])
            await self.flush()
            return answer

    async def _place(self, sandbox_id: str) -> None:
        directory = self._store.directory
        process = directory.emptiest(besides=sandbox_id)
        if process == directory.own or directory.process_of(sandbox_id) != directory.own:
            return
        document = await asyncio.to_thread(migration.packed, sandbox_id, self._engine)
        await self.call(directory.peers[process], "sandbox", document)
        migration.forget_packed(sandbox_id, self._engine, self._store, process)

    async def _with_id(self, scope: Any, receive: Receive) -> tuple[Any, Receive]:
        """Return a request to make a sandbox with the id that the first worker would give it, if the request names
        none."""
        body, more = b"", True
        while more and len(body) <= MOST_OPTIONS:
            message = await receive()
            if message["type"] == "http.disconnect":
                return scope, again(body, receive, is_whole=False)
            body, more = body + message["body"], message["more_body"]
        if more:
            return scope, again(body, receive, is_whole=False)
        options = _read_options(body)
        if options is None or "id" in options:
            return scope, again(body, receive)
        first = self._store.directory.peers[FIRST]
        while True:
            made = id_number(await self.call(first, "number", None), self._engine)
            if self._store.directory.process_of(made) is None:
                break
        body = jsontext.dumps({**options, "id": made})
        kept = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"transfer-encoding")]
        if not any(name == b"content-type" for name, _ in kept):
            kept.append((b"content-type", b"application/json"))
        scope = {**scope, "headers": [*kept, (b"content-length", b"%d" % len(body))]}
        return scope, again(body, receive)


#: The longest body of a request that makes a copy of a sandbox, in bytes. A longer one is refused by its contract.
MOST_OPTIONS = 1 << 20


def _read_options(body: bytes) -> dict[str, Any] | None:
    """Return the options of a new sandbox; None for a body that will be refused."""
    if not body.strip():
        return {}
    try:
        options = jsontext.loads(body)
    except ValueError:
        return None
    return options if isinstance(options, dict) else None


def _merged_list(bodies: Bodies, directory: Directory) -> bytes:
    """Return one list of sandboxes, in the order of their creation. Each is described by its worker."""
    rows: dict[str, Any] = {}
    for number, peer in enumerate(directory.peers):
        described = jsontext.loads(bodies[peer])["sandboxes"]
        rows |= {row["id"]: row for row in described if directory.process_of(row["id"]) == number}
    return jsontext.dumps({"sandboxes": [rows[sandbox_id] for sandbox_id in directory.ids() if sandbox_id in rows]})


def _merged_metrics(bodies: Bodies, _: Directory) -> bytes:
    return merged([body.decode() for body in bodies.values()]).encode()


#: The answers of all workers.
Bodies = Mapping[Peer, bytes]

#: Operation -> the function that combines the answers of all workers.
MERGERS: Mapping[str, Callable[[Bodies, Directory], bytes]] = {
    "list_sandboxes": _merged_list,
    "get_metrics": _merged_metrics,
}
