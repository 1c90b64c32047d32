"""Sends bytes of an open file to a client without copying them through this process (sendfile on Linux and other
systems)."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Protocol

#: After this many bytes, other connections are served first.
TURN = 1 << 22


class Sender(Protocol):
    """A connection on which files are sent. `waits` is the future of a file that is being sent; it is done when the
    connection is lost."""

    transport: Any
    loop: Any
    waits: asyncio.Future[None] | None

    @property
    def is_gone(self) -> bool:
        """Return whether the connection is closed."""

    def note_progress(self) -> None:
        """Note that the client has taken bytes."""


def can_send(sender: Sender) -> bool:
    """Return whether a file can be sent past the transport: not under TLS, and not while other bytes wait to be
    written."""
    transport = sender.transport
    is_plain = transport.get_extra_info("sslcontext") is None and transport.get_extra_info("socket") is not None
    return hasattr(os, "sendfile") and is_plain and not transport.get_write_buffer_size() and not sender.is_gone


async def send_file(sender: Sender, descriptor: int, start: int, stop: int) -> int:
    """Send the bytes from `start` to `stop` of the open file `descriptor`. Return how many the connection took
    before the client disconnected."""
    # The loop already watches the transport's own descriptor, so a duplicate of the socket is watched.
    socket = os.dup(sender.transport.get_extra_info("socket").fileno())
    sending = _Sending(sender, socket, descriptor, start, stop)
    try:
        if not sending.go_on():
            sender.waits = sending.ended = sender.loop.create_future()
            sender.loop.add_writer(socket, sending.take_turn)
            try:
                await sending.ended
            finally:
                sender.loop.remove_writer(socket)
                sender.waits = None
    finally:
        os.close(socket)
    return sending.at - start


class _Sending:
    """A file that is being sent to a client, up to the position `at`."""

    def __init__(self, sender: Sender, socket: int, descriptor: int, start: int, stop: int) -> None:
        self._sender = sender
        self._socket = socket
        self._descriptor = descriptor
        self._stop = stop
        self.at = start
        self.ended: asyncio.Future[None] | None = None

    def take_turn(self) -> None:
        """Called by the loop whenever the client has read enough."""
        if self.ended is not None and not self.ended.done() and self.go_on():
            self.ended.set_result(None)

    def go_on(self) -> bool:
        """Send as much as the connection takes, up to the limit of a turn. Return whether that was everything."""
        until = min(self._stop, self.at + TURN)
        while self.at < until:
            try:
                count = os.sendfile(self._socket, self._descriptor, self.at, until - self.at)
            except BlockingIOError:
                return False
            except OSError:  # the client has gone
                return True
            if not count:
                return True  # the file is shorter than it was
            self.at += count
            self._sender.note_progress()
        return self.at == self._stop
