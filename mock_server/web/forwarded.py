"""The base URL by which a client reached a reverse proxy in front of the server, from the headers that the proxy
adds.

Only the headers of proxies named in the setting `trusted_proxies` count: otherwise any client could change the
links in answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from swapmock.mock_server.web.messages import HOST, Request

#: The path prefix that a proxy may remove.
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")

PORTS = {"http": "80", "https": "443"}


class TrustedProxies:
    """The reverse proxies that are believed. `entries` are addresses, networks, and `unix` for any client on a unix
    socket."""

    def __init__(self, entries: Sequence[str] = ()) -> None:
        self._unix = "unix" in entries
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(entry) for entry in entries if entry != "unix"]

    def trusts(self, peer: str | None) -> bool:
        """Return whether `peer` is believed: the address of the other end of a connection; None or "" for a unix
        socket."""
        if not peer:
            return self._unix
        if not self._networks:
            return False
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def forwarded_base_url(request: Request) -> str:
    """Return the base URL of the proxy by the request's headers; the request's own base URL if they say nothing
    valid."""
    headers = request.headers
    given = tuple(headers.get(name, "") for name in ("forwarded", *_X_FORWARDED))
    return _base_url(request.base_url, *given) if any(given) else request.base_url


_X_FORWARDED = ("x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix")


@lru_cache(256)
def _base_url(own: str, forwarded: str, proto: str, host: str, port: str, prefix: str) -> str:
    own_scheme, _, own_host = own.partition("://")
    standard = _read_forwarded(forwarded)
    scheme = standard.get("proto") or _last(proto).lower()
    if scheme not in PORTS:
        scheme = own_scheme
    named = standard.get("host") or _last(host)
    if not HOST.fullmatch(named):
        named = own_host
    port = _last(port)
    if port.isascii() and port.isdecimal() and 0 < int(port) < 65_536:
        named = re.sub(r":\d+\Z", "", named)
        named = named if port == PORTS[scheme] else f"{named}:{port}"
    path = _last(prefix).rstrip("/")
    return f"{scheme}://{named}" + (path if PREFIX.fullmatch(path) else "")


def _last(values: str) -> str:
    """Return the value of the nearest proxy: each proxy appends its own."""
    return values.rpartition(",")[2].strip()


def _read_forwarded(header: str) -> Mapping[str, str]:
    """Return the parameters of the last element of `Forwarded` (RFC 7239)."""
    pairs = (pair.partition("=") for pair in _last(header).split(";"))
    found = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    return {**found, "proto": found.get("proto", "").lower()}
