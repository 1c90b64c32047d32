"""The host names in `servers` of the vendors' contracts."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from swapmock.contracts import load

#: Names and addresses of this machine. Requests to them never use a proxy.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def vendor_hosts(providers: Iterable[str]) -> tuple[str, ...]:
    """Return the host names of `providers`, each once, in the order of the contracts."""
    urls = (server["url"] for name in providers for server in load(name).document.get("servers", ()))
    hosts = (urlsplit(url).hostname for url in urls)
    return tuple(dict.fromkeys(host for host in hosts if host is not None and host not in LOOPBACK))


def bare_host(authority: str) -> str:
    """Return the host of `host:port`, `[v6]:port` or a name alone, in lower case and without a final dot."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def port_of(authority: str, default: int) -> int:
    """Return the port of `host:port`, or `default` if there is none. Raises ValueError if it is not a port."""
    port = urlsplit(f"//{authority}").port
    return default if port is None else port


def is_loopback_name(host: str) -> bool:
    """Return whether `host` is one of this machine's loopback names or addresses."""
    return host in LOOPBACK or host.endswith(".localhost") or host.startswith("127.")
