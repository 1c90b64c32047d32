"""A client's connection, found among this process's own descriptors, so that an answer can be lost on the wire.

WSGI hands out no socket, only the two addresses. Each pair of them is one connection, and the descriptors of a process
are few enough to look through. (The live server knows its connections: `web/protocol.py`.)
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from typing import Any

#: Every system with descriptors lists a process's own here; on Linux it leads to /proc/self/fd.
DESCRIPTORS = "/dev/fd"

_LINGER_NOT = struct.pack("ii", 1, 0)


def reset(client: str, server: str = "") -> bool:
    """Tear the connection from `client` ("127.0.0.1:50000") down with a TCP RST; False if there is none.

    `server` is its address at our side, where known. Whoever owns the descriptor keeps one that is open, and finds
    its peer gone at the next read or write.
    """
    found = _find(client, server)
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.suppress(OSError):  # its owner may close it at any moment
        if found is not None:
            with socket.socket(fileno=os.dup(found)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            os.dup2(ours.fileno(), found, inheritable=False)
            return True
    return False


def hang_up(client: str, server: str = "") -> bool:
    """Close the connection from `client` with a plain FIN and not another byte; False if there is none."""
    found = _find(client, server)
    with contextlib.suppress(OSError):
        if found is not None:
            with socket.socket(fileno=os.dup(found)) as connection:
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
    return False  # it listens, or its peer has gone


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket | None]:
    """The socket behind a descriptor that is another's to close; None if that one has closed it since it was listed."""
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
    """An internet address as servers spell it: "127.0.0.1:80", "[::1]:80"; None for any other kind."""
    if not isinstance(address, tuple):
        return None
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
