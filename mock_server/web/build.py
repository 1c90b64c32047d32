"""Builds an emulator from its settings and ports."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapmock.contracts import Contract, Registration, add_folder, folder, installed, load
from swapmock.contracts.requirements import findings, handler_findings
from swapmock.mock_server import admin
from swapmock.mock_server.adapters import jsonquery, jsontext
from swapmock.mock_server.adapters.blobs import FolderBlobs, LastingBlobs, MemoryBlobs
from swapmock.mock_server.adapters.clock import RealTimeLoop, SystemTime, pause, ticks
from swapmock.mock_server.adapters.meter import Meter
from swapmock.mock_server.adapters.transport import Guard, Transport, check_allowed
from swapmock.mock_server.admin import snapshots
from swapmock.mock_server.admin.snapshots import Saved, SavedClock
from swapmock.mock_server.core.clock import ClockMode, SandboxClock
from swapmock.mock_server.core.credits import from_credits
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.core.ports import Blobs, Box, RealTime, Store, StoreError
from swapmock.mock_server.core.provider import Provider
from swapmock.mock_server.core.sandbox import Credential, ParallelPosts, Sandbox
from swapmock.mock_server.engine.dispatcher import CallbackDispatcher
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.engine.sandboxes import DEFAULT_SANDBOX, UnknownVariant, choose_variants, open_account
from swapmock.mock_server.providers import crun, imgopen
from swapmock.mock_server.settings import SettingError, Settings, is_private
from swapmock.mock_server.stores.box import Held
from swapmock.mock_server.stores.memory import MemoryStore
from swapmock.mock_server.stores.sharded import ShardedStore
from swapmock.mock_server.web.asgi import AppParts, AsgiApp
from swapmock.mock_server.web.cors import Cors
from swapmock.mock_server.web.forwarded import TrustedProxies
from swapmock.mock_server.web.inspector import Inspector
from swapmock.mock_server.web.mounting import MountedApi
from swapmock.mock_server.web.pipeline import Pipeline
from swapmock.mock_server.web.request_filter import RequestFilter, policy_from
from swapmock.mock_server.web.standing import Standing, standing_credentials

if TYPE_CHECKING:
    from flask import Flask

    from swapmock.mock_server.stores.logged_store import Options

log = logging.getLogger("swapmock")

#: Returns an unpredictable text of 64 characters.
draw_key_seed = partial(secrets.token_hex, 32)

#: The providers of this package: name -> the function that makes the provider from the contract of this name.
PROVIDERS: Mapping[str, Callable[[Contract], Provider]] = {"crun": crun.provider, "imgopen": imgopen.provider}


class ProviderError(SettingError):
    """Providers lack something that general code needs. `findings` has one line for each missing thing; the text has
    all of them."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(["the emulator cannot start with these providers:", *findings]))
        self.findings = tuple(findings)


def registrations(more: Mapping[str, Registration] | None = None) -> dict[str, Registration]:
    """Return every provider by name: those of this package, those of installed packages, and `more`. Raises an error
    for a name that occurs twice."""
    found = {name: Registration(folder(name), make) for name, make in PROVIDERS.items()}
    try:
        others = installed()
    except (ImportError, TypeError) as error:
        raise ProviderError([str(error)]) from error
    for name, registration in {**others, **(more or {})}.items():
        if name in PROVIDERS or not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "admin":
            raise ProviderError([f"{name}: is not a free name in lower case"])
        add_folder(name, registration.folder)
        found[name] = registration
    return found


def make_providers(registered: Mapping[str, Registration]) -> tuple[dict[str, Contract], dict[str, Provider]]:
    """Return the contracts and the providers of `registered`. Raises ProviderError with everything that any of them
    lacks."""
    contracts: dict[str, Contract] = {}
    providers: dict[str, Provider] = {}
    found: list[str] = []
    for name, registration in registered.items():
        try:
            contract = load(name)
            lines = list(findings(contract))
            provider = None if lines else registration.make(contract)
            lines += [] if provider is None else provider_findings(contract, provider)
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
            found.append(f"{name}: {type(error).__name__}: {error}")
            continue
        found += [f"{name}: {line}" for line in lines]
        if provider is not None:
            contracts[name], providers[name] = contract, provider
    found += _overlaps(contracts)
    if found:
        raise ProviderError(found)
    return contracts, providers


def provider_findings(contract: Contract, provider: Provider) -> list[str]:
    """Return what `provider` lacks for its `contract`: the right name, handlers for the operations, the body of
    callbacks."""
    found = list(handler_findings(contract, provider.handlers))
    if provider.name != contract.name:
        found.append(f"the provider calls itself {provider.name!r}; it is registered as {contract.name!r}")
    if provider.callback_body is None and any(o.spec.get("callbacks") for o in contract.operations.values()):
        found.append("no callback_body: the function that writes what a callback holds")
    form = contract.behaviour.credential_form
    if provider.sign_callback is not None and (form is None or form.secret is None):
        found.append("credential_form: no `secret`: sign_callback needs one")
    return found


def _overlaps(contracts: Mapping[str, Contract]) -> list[str]:
    """Return a line for each pair of providers of which one would get the other's requests."""
    prefixes = {name: f"{contract.behaviour.prefix}/" for name, contract in contracts.items()}
    return [
        f"{other}: prefix {prefixes[other][:-1]} is below that of {name}, {prefixes[name][:-1]}"
        for name in prefixes
        for other in prefixes
        if name != other and prefixes[other].startswith(prefixes[name])
    ]


@dataclass(frozen=True)
class System:
    """A whole emulator that does not listen yet."""

    settings: Settings
    engine: Engine
    pipeline: Pipeline
    admin_pipeline: Pipeline
    """The same as `pipeline`, unless the admin API has its own port."""
    standing: tuple[Standing, ...] = ()
    """The standing credentials, for the banner."""

    @cached_property
    def app(self) -> Flask:
        """The Flask application; this imports Flask."""
        from swapmock.mock_server.web.app import create_app

        return create_app(self.pipeline, pause)

    def note_lag(self, seconds: float) -> None:
        """Count by how many seconds the event loop of the server was late; log it if it is more than `max_lag`."""
        self.engine.meter.lagged(seconds)
        if seconds > self.settings.max_lag:
            log.warning(
                "the event loop stood still for %.3f s: a long piece of work, or a pause of the process", seconds
            )

    @property
    def asgi_app(self) -> AsgiApp:
        """Return an ASGI application for one live server."""
        return self._asgi_app(self.pipeline, lambda: self.app, self.note_lag)

    def _asgi_app(
        self, pipeline: Pipeline, make_flask: Callable[[], Any], note_lag: Callable[[float], None]
    ) -> AsgiApp:
        parts = AppParts(pipeline, make_flask, self.settings.max_bodies_bytes, note_lag)
        if not self.is_shared:
            return AsgiApp(*parts)
        from swapmock.mock_server.stores.redis import RedisStore
        from swapmock.mock_server.web.shared import SharedApp

        store = self.engine.store
        assert isinstance(store, RedisStore)
        app = SharedApp(parts, store)
        if pipeline is not self.admin_pipeline:
            app.controls = self.admin_asgi_app  # type: ignore[assignment]  # of the same kind, for the store is the same
        if isinstance(pipeline.pages, Inspector):
            pipeline.pages.others = app
        return app

    @property
    def is_shared(self) -> bool:
        """Whether other processes may hold sandboxes of the same store."""
        return self.settings.store.partition(":")[0] in ("redis", "rediss", "unix")

    def advertise(self, url: str) -> None:
        """Tell the processes that share the store the address for forwarded requests: the one in the settings, or
        else the `url` on which this process listens."""
        if self.is_shared:
            from swapmock.mock_server.stores.redis import RedisStore

            assert isinstance(self.engine.store, RedisStore)
            reachable = re.sub(r"//(0\.0\.0\.0|\[::\]):", f"//{socket.gethostname()}:", url)
            self.engine.store.advertise((self.settings.advertise or reachable).rstrip("/"))

    @property
    def admin_asgi_app(self) -> AsgiApp:
        """Return an ASGI application for the server of an admin API that has its own port."""
        from swapmock.mock_server.web.app import create_app

        make_flask = partial(create_app, self.admin_pipeline, pause)
        return self._asgi_app(self.admin_pipeline, make_flask, lambda _: None)


def build(
    settings: Settings | None = None,
    time: RealTime | None = None,
    on_drift: Any = None,
    draw_key_seed: Callable[[], str] = draw_key_seed,
    *,
    providers: Mapping[str, Registration] | None = None,
) -> System:
    """Return an emulator for `settings`, on the clock `time` (by default the machine's).

    `providers` are added to those of this package and of installed packages. `on_drift(exchange)` is called for
    every answer that breaks the contract; by default it is logged. `draw_key_seed()` returns an unpredictable
    text from which keys are made. Raises SettingError for a variant that does not exist, and ProviderError for
    providers that lack something."""
    settings = settings or Settings()
    contracts, made = make_providers(registrations(providers))
    meter = Meter()

    def note_held(sandbox: str, seconds: float) -> None:
        meter.held(seconds)
        if seconds > settings.max_lag:
            log.warning("sandbox %s was held open for %.3f s; requests to it waited", sandbox, seconds)

    time = time or SystemTime()
    store, blobs = _make_store(settings, contracts, time, Held(ticks, note_held))
    admin_contract = load("admin")

    def report(exchange: Exchange) -> None:
        meter.drifted(exchange.provider, exchange.operation)
        (on_drift or log_drift)(exchange)

    engine = Engine(
        store,
        time,
        blobs,
        jsontext,
        jsonquery,
        contracts,
        admin_contract,
        settings.public_url.rstrip("/"),
        settings.seed,
        providers=made,
        dispatcher=CallbackDispatcher(_transport(settings), new_event_loop=RealTimeLoop),
        prices=_prices(contracts, settings.prices),
        meter=meter,
        max_tasks=settings.max_tasks,
        max_tasks_bytes=settings.max_tasks_bytes,
        max_files=settings.max_files,
        max_files_bytes=settings.max_files_bytes,
        max_media_side=settings.max_media_side,
        max_media_seconds=settings.max_media_seconds,
        max_sandboxes=settings.max_sandboxes,
        draw_key_seed=draw_key_seed,
        secrets=frozenset({settings.admin_token} - {""}),
        on_drift=report,
    )
    apis = [
        MountedApi(
            contract,
            made[name],
            engine,
            max_body=settings.max_body,
            max_upload=settings.max_upload,
            max_media_body=settings.max_media_body,
        )
        for name, contract in contracts.items()
    ]
    standing = standing_credentials(contracts, settings, engine.draw_key_seed)
    _make_standing_sandboxes(engine, settings, standing)
    engine.store.when_emptied(partial(_make_standing_sandboxes, engine, settings, standing))
    standing = tuple(_as_stored(engine, row) for row in standing)
    control = MountedApi(admin_contract, admin.provider(settings.admin_token), engine, is_admin=True)
    vendor_urls = frozenset(server["url"] for contract in contracts.values() for server in contract.document["servers"])
    policy, cors = policy_from(settings, vendor_urls), Cors.from_settings(settings)
    proxies = TrustedProxies(settings.trusted_proxies)

    def pipeline_of(mounted: Sequence[MountedApi]) -> Pipeline:
        more: Any = {"request_filter": RequestFilter(policy), "cors": cors, "proxies": proxies}
        return Pipeline(engine, mounted, DEFAULT_SANDBOX, report, **more)

    vendors = pipeline_of([*apis, control] if settings.admin_port is None else apis)
    controls = vendors if settings.admin_port is None else pipeline_of([control])
    controls.pages = Inspector(controls, vendors, settings.admin_token)
    return System(settings, engine, vendors, controls, standing)


def snapshot_writer() -> Callable[[Box, Mapping[str, bytes]], str]:
    """Return a function that writes the snapshot document of a box outside an emulator, with its uploaded files."""
    engine = build().engine

    def write(box: Box, files: Mapping[str, bytes]) -> str:
        clock = SavedClock(box.clock.mode, box.clock.rate, engine.now(box))
        return snapshots.to_document(Saved(box.sandbox, clock, box.state(), files), engine).text.decode()

    return write


def _make_store(
    settings: Settings, contracts: Mapping[str, Contract], time: RealTime, watch: Held
) -> tuple[Store, Blobs]:
    """Return the store of the settings, and the store of uploaded files. Raises SettingError for a store that cannot
    be used."""
    folder = settings.data_dir
    kind = settings.store.partition(":")[0]
    if kind == "memory":
        journal = (settings.journal_size, settings.max_journal_bytes)
        memory = MemoryStore(*journal, watch) if settings.workers == 1 else ShardedStore(*journal, watch, ticks=ticks)
        return memory, MemoryBlobs() if folder is None else FolderBlobs(folder / "uploads")
    from swapmock.mock_server.stores.logged_store import Options

    polls = {(name, row.id) for name, contract in contracts.items() for row in contract.operations.values() if row.poll}
    complete = partial(_with_all_variants, contracts=contracts)
    options = Options(time.now, settings.journal_size, settings.max_journal_bytes, watch, frozenset(polls), complete)
    files = None if folder is None else LastingBlobs(folder / "uploads")
    try:
        return _sqlite(settings, options, files) if kind == "sqlite" else _redis(settings, options, files)
    except StoreError as error:
        raise SettingError(f"--store: {error}") from None


def _sqlite(settings: Settings, options: Options, files: Blobs | None) -> tuple[Store, Blobs]:
    from swapmock.mock_server.stores.sqlite import SqliteStore

    place = Path(settings.store.partition(":")[2])
    store = SqliteStore(place, options, syncs=settings.durability == "power")
    return store, files or store.blobs


def _redis(settings: Settings, options: Options, files: Blobs | None) -> tuple[Store, Blobs]:
    try:
        from swapmock.mock_server.stores.redis import Identity, RedisStore
        from swapmock.mock_server.stores.redis_blobs import RedisBlobs
    except ImportError:
        raise SettingError("--store: Redis needs the extra `redis`: pip install 'swapmock[redis]'") from None
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(8)}"
    store = RedisStore(settings.store, options, Identity(name, settings.advertise), draw_key_seed, ticks)
    return store, RedisBlobs(store.server, files)


def _with_all_variants(sandbox: Sandbox, contracts: Mapping[str, Contract]) -> Sandbox:
    """Return `sandbox`, which an older version may have stored, with the defaults of the variants that were added
    since."""
    stored = sandbox.variants
    complete = {name: {**contract.behaviour.defaults, **stored.get(name, {})} for name, contract in contracts.items()}
    if all(stored.get(name) == choices for name, choices in complete.items()):
        return sandbox
    return replace(sandbox, variants={**stored, **complete})


def _prices(contracts: Mapping[str, Contract], wanted: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Return the prices of the settings, in thousandths of a credit. Raises SettingError for an unknown name or a
    bad amount."""
    found = {}
    for provider, rows in wanted.items():
        if provider not in contracts:
            raise SettingError(f"--prices: no provider named {provider!r}; known: {', '.join(sorted(contracts))}")
        known = contracts[provider].priced
        for name, credits in rows.items():
            if name not in known:
                raise SettingError(f"--prices: {provider} has no price for {name!r}")
            if not re.fullmatch(r"\d{1,9}(\.\d{1,3})?", str(credits)):
                raise SettingError(f"--prices: {provider}.{name}: {credits!r} is no amount of credits")
            found[provider, str(name)] = from_credits(str(credits))
    return found


def _transport(settings: Settings) -> Transport:
    for entry in settings.callback_allow:
        try:
            check_allowed(entry)
        except ValueError as error:
            raise SettingError(f"--callback-allow: {error}") from None
    transport = Transport(
        Guard(tuple(settings.callback_allow), is_public=not is_private(settings)),
        settings.callback_timeout,
        settings.callback_ca,
        settings.callback_verify == "always",
    )
    if settings.callback_ca is not None:
        try:
            transport.tls  # noqa: B018 - reading it loads the file
        except OSError as error:
            raise SettingError(f"--callback-ca: {settings.callback_ca}: {error.strerror or error}") from None
    return transport


def log_drift(exchange: Exchange) -> None:
    """Log an answer that broke the contract."""
    for violation in exchange.drift:
        told = (exchange.operation, exchange.status, violation)
        facts = {"request": exchange.id, "task": exchange.task}
        log.error("drift: %s answered %s against its contract: %s", *told, extra=facts)


def _make_standing_sandboxes(engine: Engine, settings: Settings, rows: Sequence[Standing]) -> None:
    """Make the sandboxes of the standing credentials `rows`."""
    try:
        chosen = choose_variants(engine.contracts, settings.variants)
    except UnknownVariant as error:
        raise SettingError(f"--variants: {error}") from None
    real = engine.time.now()
    mode = ClockMode.REAL if settings.speed == 1.0 else ClockMode.SCALED
    standing: dict[str, list[Credential]] = {}
    for row in rows:
        standing.setdefault(row.sandbox, []).append(row.credential)
    for index, (sandbox_id, credentials) in enumerate(standing.items()):
        if sandbox_id in engine.store.ids():
            continue  # an earlier process has stored the sandbox with its settings
        sandbox = Sandbox(
            id=sandbox_id,
            seed=settings.seed + index,
            credentials=tuple(credentials),
            variants=chosen,
            grant=from_credits(settings.balance),
            created_at=real,
            max_in_flight=settings.max_in_flight,
            parallel_posts=None if settings.parallel_posts is None else ParallelPosts(settings.parallel_posts),
        )
        try:
            open_account(engine, sandbox, SandboxClock.make(mode, real, settings.speed))
        except ValueError as refused_account:
            try:
                engine.store.sandbox_of(sandbox_id)  # another process was quicker; the sandbox may not be in `ids` yet
            except KeyError:
                raise refused_account from None


def _as_stored(engine: Engine, row: Standing) -> Standing:
    """Return `row` with the credential of its stored sandbox, which may be older than this process. A given
    credential replaces the stored one."""
    sandbox = engine.store.sandbox_of(row.sandbox)
    own = row.credential
    alike = [c for c in sandbox.credentials if (c.provider, c.disabled) == (own.provider, own.disabled)]
    if own in alike:
        return row
    if alike and not row.is_given:
        return row._replace(credential=alike[0])
    others = [c for c in sandbox.credentials if c not in alike]
    try:
        engine.store.set_credentials(row.sandbox, [*others, own])
    except ValueError as error:
        raise SettingError(f"--credential: {error}") from None
    except HeldElsewhere:
        raise SettingError(f"--credential: another process holds sandbox {row.sandbox}, with other keys") from None
    return row


__all__ = ["DEFAULT_SANDBOX", "Contract", "System", "build"]
