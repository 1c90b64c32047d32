"""Moves connections from one process to another: sends the socket's descriptor over a unix socket (SCM_RIGHTS)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from swapmock.mock_server.core.placement import Peer

#: The most received bytes that are moved with a connection; with more bytes the request is forwarded instead.
MOST_RECEIVED = 1 << 16

#: The most bytes of moving connections that may wait for a worker.
WAITING = 1 << 20

#: The most connections that are accepted in one turn of the event loop.
AT_ONCE = 32


def make_channel() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel that keeps messages apart: connections are sent through the second end and
    received at the first."""
    taking, giving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in (taking, giving):
        end.setblocking(False)
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WAITING)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WAITING)
    return taking, giving


class SocketMover:
    """Gives connections of the listener with this number (below 256) to the processes at the other ends of `channels`, which
    are told apart by the addresses where they take requests."""

    def __init__(self, listener: int, channels: Mapping[str, socket.socket]) -> None:
        self._listener = bytes([listener])
        self._channels = channels

    def move(self, peer: Peer, descriptor: int, received: bytes) -> bool:
        """Give a connection away with the bytes that were received on it. False if it cannot be done now."""
        channel = self._channels.get(peer.address)
        if channel is None or len(received) > MOST_RECEIVED:
            return False
        try:
            socket.send_fds(channel, [self._listener + received], [descriptor])
        except OSError:  # many connections wait for the other process, or it has ended
            return False
        return True


#: A function that takes over a connection of a listener, with the bytes that were received on it.
Adopt = Callable[[int, socket.socket, bytes], Awaitable[None]]


def take_connections(channel: socket.socket, adopt: Adopt) -> Callable[[], None]:
    """Let `adopt` take over every connection that comes through `channel`. Return a function that ends this. Both
    must be called on the event loop."""
    loop, running = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def take(message: bytes, descriptor: int) -> None:
        accepted = socket.socket(fileno=descriptor)
        accepted.setblocking(False)
        try:
            await adopt(message[0], accepted, message[1:])
        except OSError:  # the client has disconnected meanwhile
            accepted.close()

    def ready() -> None:
        for _ in range(AT_ONCE):
            try:
                message, descriptors, _, _ = socket.recv_fds(channel, MOST_RECEIVED + 1, 1)
            except OSError:  # nothing is left
                return
            if message and descriptors:
                task = loop.create_task(take(message, descriptors[0]))
                running.add(task)
                task.add_done_callback(running.discard)

    def end() -> None:
        loop.remove_reader(channel)

    loop.add_reader(channel, ready)
    return end
