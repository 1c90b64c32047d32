"""Serves the applications of one worker on one event loop: for clients, and for the other processes of the emulator."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.forwarding import carries_secret
from swapmock.mock_server.web.inspector import Inspector
from swapmock.mock_server.web.pages_of_all import PagesOfAll
from swapmock.mock_server.web.protocol_check import check_protocol
from swapmock.mock_server.web.routed import RoutedConnection
from swapmock.mock_server.web.running_time import TICK
from swapmock.mock_server.web.server import HttpServer, Listener, Options, new_runner, spare_the_collector
from swapmock.mock_server.workers.moving import SocketMover, take_connections

#: How many more connections a worker accepts from other processes than from clients.
FROM_WORKERS = 4096

#: The seconds between two checks for slow workers. They are rare, because each costs as much as a request.
TICK_FOR_WORKERS = 2.0


@dataclass(frozen=True)
class Plan:
    """What all workers share; it is made before they are forked.

    `folder` is private to this emulator. `listeners` are those for clients: the first for all, the second for the
    admin API if it has its own port. `channels` are the two ends of each worker's channel for moving connections.
    `alive` is the read end of a pipe that is closed when the parent process ends. `addresses` are where the workers
    receive requests of other processes: `unix:/path`, which the worker creates, or the URLs of `own_listeners`."""

    count: int
    folder: Path
    secret: str
    listeners: Sequence[Listener]
    channels: Sequence[tuple[socket.socket, socket.socket]]
    alive: int
    addresses: Sequence[str]
    own_listeners: Sequence[Listener] = ()

    @property
    def claims(self) -> Path:
        """The folder in which names for uploads are claimed."""
        return self.folder / "claims"


class _ForProcesses:
    """The ASGI application for requests of other processes: those for the admin API are passed to its application.
    A request without the secret gets 404."""

    def __init__(self, main: PagesOfAll, admin: PagesOfAll) -> None:
        self._main = main
        self._admin = admin
        self.body_budget = main.body_budget
        self.proxies = main.proxies

    def match_inline(self, method: str, path: str) -> None:  # noqa: ARG002 - AsgiApp's signature
        """Return None: a request that another process forwards needs more than a request of a client."""
        return

    def refuse_upload(self, request: Any, status: int) -> None:  # noqa: ARG002 - AsgiApp's signature
        """Return None: the process with the client answers an upload whose body does not come."""
        return

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not carries_secret(scope, self._main.placement.secret):
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
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


@contextmanager
def running_loop(system: System) -> Iterator[tuple[asyncio.Runner, asyncio.Event]]:
    """Yield a runner, and an event that SIGTERM sets. Meanwhile callbacks are sent; the end waits for those that are
    being sent."""
    is_stopping = False
    spare_the_collector()
    with system.engine.dispatcher.running(system.engine, system.settings.callback_timeout), new_runner() as runner:
        loop, stop = runner.get_loop(), asyncio.Event()

        def end(*_: object) -> None:
            nonlocal is_stopping
            if is_stopping:
                os._exit(0)  # a second signal: wait for nothing
            is_stopping = True
            loop.call_soon_threadsafe(stop.set)

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes; the parent sends SIGTERM
        signal.signal(signal.SIGTERM, end)
        yield runner, stop


async def serve(
    number: int,
    system: System,
    plan: Plan,
    options: Options,
    apps: Sequence[PagesOfAll],
    own: tuple[Listener, Options],
    ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Serve `apps`, one for each listener of the plan, as the worker `number`, until `stop` is set or the parent process ends.
    `own` is the socket for requests of other processes, with its options. `ready` is called once all of it serves."""
    loop = asyncio.get_running_loop()
    await check_protocol()
    for app in apps:
        app.loop = loop
    pages = system.admin_pipeline.pages
    if isinstance(pages, Inspector):
        pages.others = apps[-1]
    channels: Mapping[str, socket.socket] = {
        address: plan.channels[other][1] for other, address in enumerate(plan.addresses) if other != number
    }
    started: list[asyncio.Event] = []
    servers: list[HttpServer] = []
    runs: list[asyncio.Task[None]] = []

    def start(app: Any, listeners: Sequence[socket.socket], options: Options, mover: Any, tick: float = TICK) -> None:
        event = asyncio.Event()
        server = HttpServer(app, options, event.set, partial(RoutedConnection, mover=mover), tick)
        started.append(event)
        servers.append(server)
        runs.append(loop.create_task(server.serve([listener.dup() for listener in listeners])))

    start(_ForProcesses(apps[0], apps[-1]), [own[0]], own[1], None, TICK_FOR_WORKERS)
    for index, (app, listener) in enumerate(zip(apps, plan.listeners, strict=True)):
        both = [one for one in (listener, listener.twin) if one is not None]
        start(app, both, options, SocketMover(index, channels))

    async def adopt(index: int, accepted: socket.socket, received: bytes) -> None:
        await servers[1 + index].adopt(accepted, received)

    for event in started:
        await event.wait()
    no_more_connections = take_connections(plan.channels[number][0], adopt)
    loop.add_reader(plan.alive, stop.set)  # it ends with the parent process
    ready()
    stopping = loop.create_task(stop.wait())
    await asyncio.wait([stopping, *runs], return_when=asyncio.FIRST_COMPLETED)
    loop.remove_reader(plan.alive)
    no_more_connections()
    # Those of clients first: what they have forwarded is still answered.
    for server in servers[1:]:
        server.stop()
    await asyncio.wait(runs[1:])
    servers[0].stop()
    await asyncio.gather(*runs)
    own[0].close()


def between(options: Options) -> Options:
    """Return the options of a server for requests of other processes, by the `options` of the servers for clients."""
    return Options(options.max_connections + FROM_WORKERS, options.max_headers * 2, options.read_timeout)


def exit_worker(status: int) -> None:
    """End this process with `status`, without the clean-up that only the parent process must do."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)
