"""Starts emulator, proxy and relay together, and makes the environment of a client that uses them."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from urllib.parse import urlsplit

from swapmock.contracts import load
from swapmock.mock_server.control import Control
from swapmock.mock_server.emulator import Emulator, RemoteEmulator
from swapmock.mock_server.interception.hosts import vendor_hosts
from swapmock.mock_server.interception.proxy import Others, Proxy, ProxyNotes, Upstream, VendorRequest
from swapmock.mock_server.interception.relay import CallbackRelay, RelayedCallback, free_port
from swapmock.mock_server.interception.served import served
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import PROVIDERS
from swapmock.mock_server.web.server import LiveServer, options_from


class MissingExtra(RuntimeError):
    """A package of the extra `run` is not installed. The text says how to install it."""


@dataclass
class Interception:
    """The running parts, and what they have seen.

    `control` is the emulator's admin API, `hosts` are the vendors' host names, `environment` is the environment
    for a client, and `variables` are the variables in it that are set here. A client may listen on
    `callback_port` for callbacks to `callback_url`. `vendor_requests`, `refused` (host names) and `untrusted`
    (why clients ended TLS) grow while it runs."""

    control: Control
    hosts: tuple[str, ...]
    proxy_url: str
    relay: CallbackRelay
    variables: Mapping[str, str]
    environment: Mapping[str, str]
    vendor_requests: list[VendorRequest] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    untrusted: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The base URL of the emulator."""
        return self.control.url

    @property
    def callback_url(self) -> str:
        """The URL that a client gives to a vendor."""
        return self.relay.url

    @property
    def callback_port(self) -> int:
        """The port on which a client may listen for callbacks."""
        return self.relay.port

    def answered(self) -> int:
        """Return how many requests the emulator has answered as a vendor, through the proxy or directly."""
        counts = re.findall(r"^swapmock_requests_total\{.*\} (\S+)$", self.control.metrics(), re.MULTILINE)
        return int(sum(map(float, counts)))

    @property
    def callbacks(self) -> list[RelayedCallback]:
        """Return the callbacks that came to `callback_url`, in order."""
        return self.relay.callbacks


@contextmanager
def intercept(
    emulator: str = "",
    *,
    token: str = "",
    settings: Settings | None = None,
    others: Others = "refuse",
    callback_port: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Interception]:
    """Answer for the vendors' host names while the context is open.

    `emulator` is the base URL of a running emulator and `token` its admin token; without `emulator` one is
    started with `settings`. `others` says whether requests to other hosts are refused or tunnelled. Callbacks are
    forwarded to `callback_port`; 0 selects a free port. `environment` (by default os.environ) is the basis of the
    client's environment. Raises MissingExtra without the extra `run`, ValueError if `emulator` is not a base URL,
    OSError for an emulator that cannot be reached, and AdminError for one that refuses the token."""
    try:
        from swapmock.mock_server.interception.certificates import Authority
        from swapmock.mock_server.interception.environment import ProxyAddress, client_variables
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"intercepting needs the extra `run` ({missing.name} is not installed): pip install 'swapmock[run]'"
        ) from None
    base = dict(os.environ if environment is None else environment)
    hosts = vendor_hosts(PROVIDERS)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="swapmock-run-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        authority = Authority(hosts, folder)
        relay = CallbackRelay(callback_port or free_port()).start()
        stack.callback(relay.stop)
        settings = settings or Settings(port=0)
        if not emulator and settings.workers > 1:
            emulator, token = stack.enter_context(served(settings, folder))
        control, upstreams = _running(stack, emulator, token) if emulator else _started(stack, settings, relay)
        seen: list[VendorRequest] = []
        refused: list[str] = []
        untrusted: list[str] = []
        notes = ProxyNotes(seen.append, refused.append, untrusted.append)
        proxy = Proxy(hosts, authority.server_context(), upstreams, others, notes).start()
        stack.callback(proxy.stop)
        address = ProxyAddress(proxy.port, proxy.tls_port)
        variables = {
            **client_variables(base, hosts, address, authority, folder),
            **_credential_variables(control),
            "SWAPMOCK_URL": control.url,
            "SWAPMOCK_CALLBACK_URL": relay.url,
            "SWAPMOCK_CALLBACK_PORT": str(relay.port),
        }
        environment = {**base, **variables}
        yield Interception(control, hosts, proxy.url, relay, variables, environment, seen, refused, untrusted)


def _started(stack: ExitStack, settings: Settings, relay: CallbackRelay) -> tuple[Control, dict[str, Upstream]]:
    """Start an emulator with a separate server for each scheme, so that its links have the scheme that the client
    used."""
    emulator = Emulator(**{row.name: getattr(settings, row.name) for row in fields(settings)})
    emulator.system.engine.dispatcher.wrap_transport(relay.direct)
    stack.enter_context(emulator)
    options = replace(options_from(settings), tls=None)
    upstreams = {}
    for scheme in ("http", "https"):
        server = stack.enter_context(LiveServer(emulator.system.asgi_app, options=replace(options, scheme=scheme)))
        upstreams[scheme] = Upstream(*server.address)
    return emulator, upstreams


def _running(stack: ExitStack, url: str, token: str) -> tuple[Control, dict[str, Upstream]]:
    """Use a running emulator. X-Forwarded-Proto tells it which scheme the client used; it believes this if it trusts
    the proxy."""
    host, port, is_secure = _address(url)
    tls = ssl.create_default_context() if is_secure else None
    control = stack.enter_context(RemoteEmulator(url, token))
    return control, {
        scheme: Upstream(host, port, tls, host, ((b"X-Forwarded-Proto", scheme.encode()),))
        for scheme in ("http", "https")
    }


def _address(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether it is HTTPS. Raises ValueError unless `url` is a base URL without a path."""
    with suppress(ValueError):
        parts = urlsplit(url)
        is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment)
        if parts.scheme in ("http", "https") and parts.hostname and is_bare:
            is_secure = parts.scheme == "https"
            return parts.hostname, parts.port or (443 if is_secure else 80), is_secure
    raise ValueError(f"{url!r} is not the base URL of an emulator: http or https, a host, and perhaps a port")


def _credential_variables(control: Control) -> dict[str, str]:
    """Return the credentials of the default sandbox, by the names in the contracts."""
    credentials = control.default.document["credentials"]
    return {
        variable: str(credentials[name][part])
        for name in PROVIDERS
        for variable, part in load(name).behaviour.rest["credential_form"].get("environment", {}).items()
        if name in credentials
    }
