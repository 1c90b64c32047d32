"""The live server: Granian inside this process, on a socket of ours, in a thread or in the main one.

Granian's embedded server is used because it keeps state, pipeline and server in one process, can be started from a
test, and answers on the event loop. It is labelled experimental; `tests/web/test_server.py` holds what we rely on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from granian._granian import SocketHolder  # no public way to hand over a bound socket; checked by a test
from granian.http import HTTP1Settings
from granian.server.embed import Server

BACKLOG = 1024


class _Granian(Server):
    """Granian on a socket that is already bound, so that port 0 and a taken port are ours to handle."""

    def __init__(self, door: Any, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self._listener = listener
        super().__init__(
            door,
            address=host,
            port=port,
            websockets=False,
            log_enabled=False,
            backlog=BACKLOG,
            backpressure=BACKLOG,
            http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=8192 + 4096 * 100),
        )

    def _init_shared_socket(self) -> None:
        self._ssp: Any = None
        # Granian closes the descriptor that it is given: it gets one of its own.
        self._shd: Any = SocketHolder(os.dup(self._listener.fileno()), False, BACKLOG)  # type: ignore[call-arg]
        self._sfd = self._shd.get_fd()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; OSError if the address is taken or not ours."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _run(door: Any, listener: socket.socket, ready: Callable[[Callable[[], None]], None]) -> None:
    """Serve until the function given to `ready` is called (from any thread)."""
    logging.getLogger("_granian").setLevel(logging.ERROR)
    server = _Granian(door, listener)
    loop = asyncio.get_running_loop()

    def end() -> None:
        getattr(door, "hurry", lambda: None)()
        server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it without a signature

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: it has stopped already
            loop.call_soon_threadsafe(end)

    loop.call_soon(ready, stop)
    await server.serve()


def run(door: Any, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve in this thread until SIGINT or SIGTERM."""

    def ready(stop: Callable[[], None]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop())
        on_ready()

    asyncio.run(_run(door, listener, ready))


class LiveServer:
    """The same server in a thread: `with LiveServer(door) as server: server.url`."""

    def __init__(self, door: Any, host: str = "127.0.0.1", port: int = 0) -> None:
        self._listener = bind(host, port)
        self._door = door
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.url = url_of(self._listener)
        self._started = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._serve, name="swapmock-server", daemon=True)

    def _serve(self) -> None:
        asyncio.run(_run(self._door, self._listener, self._ready))

    def _ready(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._started.set()

    def start(self) -> None:
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the server did not start within 10 s")

    def stop(self) -> None:
        self._stop()
        self._thread.join(10)
        self._listener.close()

    def __enter__(self) -> LiveServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
