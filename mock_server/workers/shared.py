"""Runs one worker process of an emulator with a shared store. The worker is a process of the store like any other,
and has its own address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

from swapmock.mock_server.adapters.clock import pause
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.settings import SettingError, Settings
from swapmock.mock_server.stores.redis import Identity, RedisStore
from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.server import Listener, Options, bind, url_of
from swapmock.mock_server.web.shared import SharedApp
from swapmock.mock_server.workers.serving import Plan, between, running_loop, serve

#: Seconds between two attempts of a replacement worker to reach the store.
RETRY_SECONDS = 0.5


def addresses(settings: Settings) -> list[tuple[Listener, str]]:
    """Return for each worker a socket for requests of other processes, and its URL: a free port of loopback, or the
    ports after that of the setting `advertise`. Raises SettingError if a port cannot be used."""
    if not settings.advertise:
        listeners = [bind("127.0.0.1", 0) for _ in range(settings.workers)]
        return [(listener, url_of(listener)) for listener in listeners]
    url = urlsplit(settings.advertise)
    first = (url.port or (443 if url.scheme == "https" else 80)) + 1
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else url.hostname
    found = []
    for port in range(first, first + settings.workers):
        try:
            listener = bind(settings.host, port)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingError(
                f"--advertise: with --workers, worker N takes requests at port {first - 1} + N; "
                f"cannot listen on {settings.host}:{port}: {reason}"
            ) from None
        found.append((listener, f"{url.scheme}://{host}:{port}"))
    return found


def run_shared_worker(
    number: int,
    system: System,
    plan: Plan,
    options: Options,
    identity: Identity,
    predecessor: Identity | None,
    ready: Callable[[], None],
) -> None:
    """Run the worker `number` until SIGTERM, or until the parent process ends. `ready` is called once it serves.

    `identity` is this process in the store. `predecessor` is the worker that it replaces, which has ended: its
    sandboxes can be taken at once. `system`, `plan` and `options` are as for `run_worker`."""
    store = system.engine.store
    assert isinstance(store, RedisStore)
    while True:
        try:
            store.reopen_as(identity)
            break
        except StoreError as error:
            if predecessor is None or not error.is_away:
                raise
            pause(RETRY_SECONDS)
    with closing(store):
        if predecessor is not None:
            store.note_end(predecessor)
        with running_loop(system) as (runner, stop):
            runner.run(_serve(number, system, plan, options, ready, stop))


async def _serve(
    number: int, system: System, plan: Plan, options: Options, ready: Callable[[], None], stop: asyncio.Event
) -> None:
    apps = [system.asgi_app, system.admin_asgi_app][: len(plan.listeners)]
    shared: Sequence[SharedApp] = [app for app in apps if isinstance(app, SharedApp)]
    # Other machines connect with TLS if the advertised address has this scheme.
    own_options = between(options)
    if system.settings.advertise.startswith("https:"):
        own_options = replace(own_options, tls=options.tls)
    own = (plan.own_listeners[number], own_options)
    await serve(number, system, plan, options, shared, own, ready, stop)
