"""Finds a client's connection among the descriptors of this process, for connection faults under WSGI.

WSGI gives no access to the socket, only the two addresses. A pair of addresses identifies one connection, and a
process has few enough descriptors to search them all. (The live server knows its connections: `web/protocol.py`.)"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from typing import Any

from swapmock.mock_server.web.messages import GARBAGE

#: The descriptors of this process; on Linux a link to /proc/self/fd.
DESCRIPTORS = "/dev/fd"

_LINGER_NOT = struct.pack("ii", 1, 0)


def reset(client: str, server: str = "") -> bool:
    """Close the connection from `client` ("127.0.0.1:50000") with a TCP RST; return False if there is none.

    `server` is the address on our side, if known. The owner of the descriptor still has an open one, and notices
    at the next read or write that the peer has gone."""
    found = _find(client, server)
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.suppress(OSError):  # the owner may close it at any time
        if found is not None:
            with socket.socket(fileno=os.dup(found)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            os.dup2(ours.fileno(), found, inheritable=False)
            return True
    return False


def hang_up(client: str, server: str = "") -> bool:
    """Close the connection from `client` with a FIN and nothing else; return False if there is none."""
    return _end_with(b"", client, server)


def send_garbage(client: str, server: str = "") -> bool:
    """Send bytes that are not HTTP and a FIN to `client`; return False if there is no such connection."""
    return _end_with(GARBAGE, client, server)


def _end_with(content: bytes, client: str, server: str) -> bool:
    """Send `content` and a FIN to `client`; return False if there is no such connection."""
    found = _find(client, server)
    with contextlib.suppress(OSError):
        if found is not None:
            with socket.socket(fileno=os.dup(found)) as connection:
                connection.sendall(content)
                connection.shutdown(socket.SHUT_RDWR)
            return True
    return False


def _find(client: str, server: str) -> int | None:
    return next((number for number in _sockets() if _is_between(number, client, server)), None)


def _is_between(descriptor: int, client: str, server: str) -> bool:
    with _borrowed(descriptor) as connection, contextlib.suppress(OSError):
        return (
            connection is not None
            and _spelled(connection.getpeername()) == client
            and server in ("", _spelled(connection.getsockname()))
        )
    return False  # a listening socket, or the peer has gone


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket | None]:
    """Yield the socket of a descriptor that other code owns; None if it was closed since it was listed."""
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        yield None
        return
    try:
        yield connection
    finally:
        connection.detach()


def _sockets() -> Iterator[int]:
    for name in os.listdir(DESCRIPTORS):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield int(name)
        except OSError:
            continue  # closed since it was listed


def _spelled(address: Any) -> str | None:
    """Return an IP address and port as "127.0.0.1:80" or "[::1]:80"; None for another kind of address."""
    if not isinstance(address, tuple):
        return None
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
