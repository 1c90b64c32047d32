"""One worker process of a memory store: it has a part of the sandboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from swapmock.mock_server.adapters.clock import pause
from swapmock.mock_server.core.placement import Peer
from swapmock.mock_server.engine.sandboxes import DEFAULT_SANDBOX
from swapmock.mock_server.stores.sharded import Change, Directory, ShardedStore
from swapmock.mock_server.web.asgi import AppParts
from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.pipeline import Pipeline
from swapmock.mock_server.web.server import Options, bind_unix
from swapmock.mock_server.workers.app import WorkerApp
from swapmock.mock_server.workers.placement import ShardPlacement
from swapmock.mock_server.workers.serving import Plan, between, running_loop, serve


def run_worker(number: int, system: System, plan: Plan, options: Options, ready: Callable[[], None]) -> None:
    """Run the worker `number` until SIGTERM, or until the parent process ends. `ready` is called once it serves.

    `system` is the emulator, `plan` is what all workers share, `options` are the limits of the servers."""
    store = system.engine.store
    assert isinstance(store, ShardedStore)
    peers = [Peer(f"worker {other}", address) for other, address in enumerate(plan.addresses)]
    store.divide(Directory(number, peers), plan.claims, DEFAULT_SANDBOX)
    placement = ShardPlacement(store, plan.secret)
    with running_loop(system) as (runner, stop):
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
    apps = [_app(system.pipeline, lambda: system.app, system, placement, store)]
    if len(plan.listeners) > 1:
        apps.append(_app(system.admin_pipeline, _admin_flask(system), system, placement, store))

    def announce(change: Change) -> None:
        """Tell the others of a change soon, from whichever thread it is made."""
        apps[-1].announce(change)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(apps[-1].flush_soon)

    store.announce = announce
    own = bind_unix(Path(plan.addresses[number].removeprefix("unix:")))
    await serve(number, system, plan, options, apps, (own, between(options)), ready, stop)


def _app(
    pipeline: Pipeline,
    make_flask: Callable[[], Any],
    system: System,
    placement: ShardPlacement,
    store: ShardedStore,
) -> WorkerApp:
    parts = AppParts(pipeline, make_flask, system.settings.max_bodies_bytes, system.note_lag)
    return WorkerApp(parts, placement, store)


def _admin_flask(system: System) -> Callable[[], Any]:
    def make() -> Any:
        from swapmock.mock_server.web.app import create_app

        return create_app(system.admin_pipeline, pause)

    return make
