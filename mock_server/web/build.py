"""Puts an emulator together from settings and ports."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contracts import Contract, load
from mock_server.adapters import jsontext, paths
from mock_server.adapters.blobs import FolderBlobs, MemoryBlobs
from mock_server.adapters.clock import SystemTime, pause
from mock_server.core.clock import ClockMode, SandboxClock
from mock_server.core.credits import from_credits
from mock_server.core.journal import Exchange
from mock_server.core.ledger import Entry, Move
from mock_server.core.ports import RealTime
from mock_server.core.sandbox import Credential, Sandbox
from mock_server.engine import Engine
from mock_server.providers import crun
from mock_server.settings import SettingError, Settings
from mock_server.stores.memory import MemoryStore
from mock_server.web.doors import RsgiDoor
from mock_server.web.pipeline import Pipeline, Surface

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger("swapmock")

PROVIDERS = {"crun": crun.provider}
DEFAULT_SANDBOX = "default"


@dataclass(frozen=True)
class System:
    """A whole emulator, not yet listening."""

    settings: Settings
    engine: Engine
    pipeline: Pipeline

    @cached_property
    def app(self) -> Flask:
        """The Flask application; imports Flask."""
        from mock_server.web.app import create_app

        return create_app(self.pipeline, pause)

    @property
    def door(self) -> RsgiDoor:
        """A door for one live server."""
        return RsgiDoor(self.pipeline, lambda: self.app, self.settings.read_timeout)


def build(settings: Settings | None = None, time: RealTime | None = None, on_drift: Any = None) -> System:
    """An emulator by `settings`, on `time` (the machine's unless given).

    `on_drift(exchange)` is told of answers that break the contract; unless given they are logged. Raises
    SettingError for a variant that does not exist.
    """
    settings = settings or Settings()
    contracts = {name: load(name) for name in PROVIDERS}
    store = MemoryStore(settings.journal_size)
    blobs = MemoryBlobs() if settings.data_dir is None else FolderBlobs(settings.data_dir / "uploads")
    engine = Engine(
        store, time or SystemTime(), blobs, jsontext, paths, contracts, settings.public_url.rstrip("/"), settings.seed
    )
    surfaces = [Surface(contract, PROVIDERS[name](contract), engine) for name, contract in contracts.items()]
    _stand_up(engine, settings)
    return System(settings, engine, Pipeline(engine, surfaces, DEFAULT_SANDBOX, on_drift or log_drift))


def log_drift(exchange: Exchange) -> None:
    for violation in exchange.drift:
        log.error("drift: %s answered %s against its contract: %s", exchange.operation, exchange.status, violation)


def _stand_up(engine: Engine, settings: Settings) -> None:
    """The standing sandboxes: those that the contracts' `credentials` name."""
    chosen = choose_variants(engine.contracts, settings.variants)
    real = engine.time.now()
    mode = ClockMode.REAL if settings.speed == 1.0 else ClockMode.SCALED
    standing: dict[str, list[Credential]] = {}
    for name, contract in engine.contracts.items():
        for row in contract.behaviour.credentials.values():
            credential = Credential(name, row["key"], row.get("secret", ""), row.get("disabled", False))
            standing.setdefault(row["sandbox"], []).append(credential)
    for index, (sandbox_id, credentials) in enumerate(standing.items()):
        sandbox = Sandbox(
            id=sandbox_id,
            seed=settings.seed + index,
            credentials=tuple(credentials),
            variants=chosen,
            grant=from_credits(settings.balance),
            created_at=real,
        )
        open_account(engine, sandbox, SandboxClock.make(mode, real, settings.speed))


def open_account(engine: Engine, sandbox: Sandbox, clock: SandboxClock) -> None:
    """Add a sandbox and grant it its credits."""
    engine.store.add(sandbox, clock)
    with engine.store.open(sandbox.id) as box:
        if sandbox.grant:
            box.post(Entry(engine.now(box), Move.GRANT, sandbox.grant))


def choose_variants(contracts: Any, wanted: Any) -> dict[str, Any]:
    """Every provider's choices, `wanted` over the defaults; SettingError names what does not exist."""
    unknown = sorted(wanted.keys() - contracts.keys())
    if unknown:
        raise SettingError(f"--variants: no provider named {unknown[0]!r}; known: {', '.join(sorted(contracts))}")
    try:
        return {name: contract.behaviour.choose(wanted.get(name, {})) for name, contract in contracts.items()}
    except ValueError as error:
        raise SettingError(f"--variants: {error}") from None


__all__ = ["DEFAULT_SANDBOX", "Contract", "System", "build", "choose_variants", "open_account"]
