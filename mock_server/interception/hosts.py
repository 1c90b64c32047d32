"""The host names that the vendors' contracts declare in `servers`."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from swapmock.contracts import load

#: Names and addresses of this machine, which are never sent through a proxy.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def vendor_hosts(providers: Iterable[str]) -> tuple[str, ...]:
    """The host names of `providers`, each once, in the order of the contracts."""
    urls = (server["url"] for name in providers for server in load(name).document.get("servers", ()))
    hosts = (urlsplit(url).hostname for url in urls)
    return tuple(dict.fromkeys(host for host in hosts if host is not None and host not in LOOPBACK))


def bare_host(authority: str) -> str:
    """The host of `host:port`, `[v6]:port` or a name alone, in lower case and without a dot at the end."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def port_of(authority: str, default: int) -> int:
    """The port of `host:port`, or `default` if there is none. Raises ValueError if it is no port."""
    port = urlsplit(f"//{authority}").port
    return default if port is None else port


def is_loopback_name(host: str) -> bool:
    """Whether `host` is one of this machine's loopback names or addresses."""
    return host in LOOPBACK or host.endswith(".localhost") or host.startswith("127.")
