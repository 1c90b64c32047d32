"""One worker process: its servers on one event loop, and the thread that sends its callbacks."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from swapmock.mock_server.adapters.clock import pause
from swapmock.mock_server.core.placement import Peer
from swapmock.mock_server.engine.sandboxes import DEFAULT_SANDBOX
from swapmock.mock_server.stores.sharded import Change, Directory, ShardedStore
from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.inspector import Inspector
from swapmock.mock_server.web.pipeline import Pipeline
from swapmock.mock_server.web.protocol_check import check_protocol
from swapmock.mock_server.web.routed import RoutedConnection
from swapmock.mock_server.web.running_time import TICK
from swapmock.mock_server.web.server import (
    HttpServer,
    Listener,
    Options,
    bind_unix,
    new_runner,
    spare_the_collector,
)
from swapmock.mock_server.workers.app import WorkerApp
from swapmock.mock_server.workers.moving import SocketMover, take_connections
from swapmock.mock_server.workers.placement import ShardPlacement

#: How many more connections a worker accepts from other workers than from clients.
FROM_WORKERS = 4096

#: The seconds between two checks for slow workers. They are rare, because each costs as much as a request.
TICK_FOR_WORKERS = 2.0


@dataclass(frozen=True)
class Plan:
    """What all workers share; it is made before they are forked.

    `folder` is private to this emulator. `listeners` are those for clients: the first for all, the second for the
    admin API if it has its own port. `channels` are the two ends of each worker's channel for moving connections.
    `alive` is the read end of a pipe that is closed when the parent process ends."""

    count: int
    folder: Path
    secret: str
    listeners: Sequence[Listener]
    channels: Sequence[tuple[socket.socket, socket.socket]]
    alive: int

    def peers(self) -> list[Peer]:
        """Return the peers of all workers."""
        return [Peer(f"worker {number}", f"unix:{self.socket_of(number)}") for number in range(self.count)]

    def socket_of(self, number: int) -> Path:
        """Return the unix socket on which a worker receives requests of the others."""
        return self.folder / f"worker-{number}"

    @property
    def claims(self) -> Path:
        """The folder in which names for uploads are claimed."""
        return self.folder / "claims"


class _ForWorkers:
    """The ASGI application for requests of other workers: those for the admin API are passed to its application."""

    def __init__(self, main: WorkerApp, admin: WorkerApp) -> None:
        self._main = main
        self._admin = admin
        self.body_budget = main.body_budget
        self.proxies = main.proxies

    def match_inline(self, method: str, path: str) -> None:  # noqa: ARG002 - AsgiApp's signature
        """Return None: a request that another worker forwards needs more than a request of a client."""
        return

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_admin = scope["path"].startswith("/__admin")
        await (self._admin if is_admin else self._main)(scope, receive, send)

    def note_lag(self, seconds: float) -> None:
        """Do nothing: the application of the clients' server counts this."""

    def begin_shutdown(self) -> None:
        """Do nothing: the clients' servers stop their applications."""

    def abort_pending(self) -> None:
        """Do nothing, as for `begin_shutdown`."""

    def close(self) -> None:
        """Do nothing, as for `begin_shutdown`."""


def run_worker(number: int, system: System, plan: Plan, options: Options, ready: Callable[[], None]) -> None:
    """Run the worker `number` until SIGTERM, or until the parent process ends. `ready` is called once it serves.

    `system` is the emulator, `plan` is what all workers share, `options` are the limits of the servers."""
    store = system.engine.store
    assert isinstance(store, ShardedStore)
    peers = plan.peers()
    store.divide(Directory(number, peers), plan.claims, DEFAULT_SANDBOX)
    placement = ShardPlacement(store, plan.secret)
    is_stopping = False
    spare_the_collector()
    with system.engine.dispatcher.running(system.engine, system.settings.callback_timeout), new_runner() as runner:
        loop = runner.get_loop()
        stop = asyncio.Event()

        def end(*_: object) -> None:
            nonlocal is_stopping
            if is_stopping:
                os._exit(0)  # a second signal: do not wait
            is_stopping = True
            loop.call_soon_threadsafe(stop.set)

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes; the parent sends SIGTERM
        signal.signal(signal.SIGTERM, end)
        runner.run(_serve(number, system, plan, options, placement, store, ready, stop))


async def _serve(
    number: int,
    system: System,
    plan: Plan,
    options: Options,
    placement: ShardPlacement,
    store: ShardedStore,
    ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    loop = asyncio.get_running_loop()
    await check_protocol()
    main = _app(system.pipeline, lambda: system.app, system, placement, store)
    apps = [main]
    if len(plan.listeners) > 1:
        apps.append(_app(system.admin_pipeline, _admin_flask(system), system, placement, store))
    for app in apps:
        app.loop = loop
    pages = system.admin_pipeline.pages
    if isinstance(pages, Inspector):
        pages.others = apps[-1]

    def announce(change: Change) -> None:
        """Tell the others of a change soon, from whichever thread it is made."""
        apps[-1].announce(change)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(apps[-1].flush_soon)

    store.announce = announce
    channels = {peer: plan.channels[other][1] for other, peer in enumerate(plan.peers()) if other != number}
    started: list[asyncio.Event] = []
    servers: list[HttpServer] = []
    runs: list[asyncio.Task[None]] = []

    def start(app: Any, listeners: Sequence[socket.socket], options: Options, mover: Any, tick: float = TICK) -> None:
        event = asyncio.Event()
        server = HttpServer(app, options, event.set, partial(RoutedConnection, mover=mover), tick)
        started.append(event)
        servers.append(server)
        runs.append(loop.create_task(server.serve([listener.dup() for listener in listeners])))

    own = bind_unix(plan.socket_of(number))
    between = Options(options.max_connections + FROM_WORKERS, options.max_headers * 2, options.read_timeout)
    start(_ForWorkers(main, apps[-1]), [own], between, None, TICK_FOR_WORKERS)
    for index, (app, listener) in enumerate(zip(apps, plan.listeners, strict=True)):
        both = [one for one in (listener, listener.twin) if one is not None]
        start(app, both, options, SocketMover(index, channels))

    async def adopt(index: int, accepted: socket.socket, received: bytes) -> None:
        await servers[1 + index].adopt(accepted, received)

    for event in started:
        await event.wait()
    no_more_connections = take_connections(plan.channels[number][0], adopt)
    loop.add_reader(plan.alive, stop.set)  # the pipe is closed when the parent process ends
    ready()
    stopping = loop.create_task(stop.wait())
    await asyncio.wait([stopping, *runs], return_when=asyncio.FIRST_COMPLETED)
    loop.remove_reader(plan.alive)
    no_more_connections()
    # First the servers for clients: requests that they have forwarded are still answered.
    for server in servers[1:]:
        server.stop()
    await asyncio.wait(runs[1:])
    servers[0].stop()
    await asyncio.gather(*runs)
    own.close()


def _app(
    pipeline: Pipeline,
    make_flask: Callable[[], Any],
    system: System,
    placement: ShardPlacement,
    store: ShardedStore,
) -> WorkerApp:
    return WorkerApp(pipeline, make_flask, system.settings.max_bodies_bytes, system.note_lag, placement, store)


def _admin_flask(system: System) -> Callable[[], Any]:
    def make() -> Any:
        from swapmock.mock_server.web.app import create_app

        return create_app(system.admin_pipeline, pause)

    return make


def exit_worker(status: int) -> None:
    """End this process without the parent's clean-up, which is not this process's task."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)
