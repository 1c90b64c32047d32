"""Where the server can be found: `localhost` in both address families."""

from __future__ import annotations

import errno
import socket

import pytest
import requests

from swapmock import Emulator
from swapmock.mock_server.web import server


def can_bind_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not can_bind_ipv6(), reason="this machine has no IPv6 loopback")


@needs_ipv6
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost."])
def test_localhost_is_both_families(host):
    with Emulator(host=host) as emulator:
        port = emulator.url.rpartition(":")[2]
        for address in ("127.0.0.1", "[::1]", "localhost"):
            assert requests.get(f"http://{address}:{port}/health", timeout=10).ok, address
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as client, pytest.raises(ConnectionRefusedError):
            client.connect((address, int(port)))


@needs_ipv6
def test_a_port_that_one_family_has_taken_is_taken():
    with server.bind("::1", 0) as taken, pytest.raises(OSError, match="in use"):
        server.bind("localhost", taken.getsockname()[1])


@needs_ipv6
def test_a_free_port_is_free_in_both(monkeypatch):
    """The first free port of IPv4 is taken in IPv6: another one is looked for."""
    bound = server._bound
    refused: list[int] = []

    def busy_once(family: int, address: tuple[str, int]) -> server.Listener:
        if family == socket.AF_INET6 and not refused:
            refused.append(address[1])
            raise OSError(errno.EADDRINUSE, "in use")
        return bound(family, address)

    monkeypatch.setattr(server, "_bound", busy_once)
    with server.bind("localhost", 0) as listener:
        assert listener.twin is not None
        assert listener.twin.getsockname()[1] == listener.getsockname()[1]
    assert len(refused) == 1


def test_without_ipv6_localhost_is_ipv4(monkeypatch):
    bound = server._bound

    def only_ipv4(family: int, address: tuple[str, int]) -> server.Listener:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "no such address")
        return bound(family, address)

    monkeypatch.setattr(server, "_bound", only_ipv4)
    with server.bind("localhost", 0) as listener:
        assert listener.twin is None
        assert listener.getsockname()[0] == "127.0.0.1"
