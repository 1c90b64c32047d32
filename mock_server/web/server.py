"""The live server: Granian inside this process, on a socket of ours, in a thread or in the main one.

Granian's embedded server is used because it keeps state, pipeline and server in one process, can be started from a
test, and answers on the event loop. It is labelled experimental; `tests/web/test_server.py` holds what we rely on.

A server of our own on httptools and asyncio cost a third of it for each request, and was put away again: speaking HTTP
is not what swapmock exists for, and a kept library meets more clients than we ever shall.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import resource
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder  # no public way to hand over a bound socket; checked by a test
from granian.constants import HTTPModes, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from mock_server.adapters.clock import pause
from mock_server.settings import SettingError, Settings, flag
from mock_server.web import connection

BACKLOG = 1024

#: Descriptors that are kept from connections, for everything else.
SPARE_DESCRIPTORS = 128

#: Seconds after which a stopping server lets go of those who are connected: when nothing is being answered any more,
#: and in any case.
QUIET, PATIENCE = 0.2, 0.6


@dataclass(frozen=True)
class Options:
    """What a server bears. `read_timeout` (seconds) is how long a client may take for the head of a request, and how
    long it may stay connected without one; `max_headers` (bytes) is kept to within a factor of two; `tls` is a
    certificate chain and its key."""

    max_connections: int = 10_000
    max_headers: int = 65_536
    read_timeout: float = 30.0
    tls: tuple[Path, Path] | None = None


def options_from(settings: Settings) -> Options:
    """SettingError where certificate and key are not what they should be."""
    tls = None
    if settings.tls_cert is not None and settings.tls_key is not None:
        tls = (settings.tls_cert, settings.tls_key)
        _check_tls(*tls)
    return Options(settings.max_connections, settings.max_headers, settings.read_timeout, tls)


def _check_tls(certificate: Path, key: Path) -> None:
    """Granian would ask for a password on the terminal, and name no file."""
    for name, path in (("tls_cert", certificate), ("tls_key", key)):
        if not path.is_file():
            raise SettingError(f"{flag(name)}: there is no file {path}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        raise SettingError(f"--tls-cert, --tls-key: {certificate} and {key} do not serve: {error}") from None


class _Granian(Server):
    """Granian on a socket that is already bound, so that port 0 and a taken port are ours to handle.

    It speaks HTTP/1.1 only: its detection of HTTP/2 waits without end for a first byte.
    """

    def __init__(self, door: Any, listener: socket.socket, options: Options) -> None:
        certificate, key = options.tls or (None, None)
        self._listener = listener
        super().__init__(
            door,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
            backlog=BACKLOG,
            backpressure=_affordable(options.max_connections),
            http1_settings=HTTP1Settings(
                header_read_timeout=round(options.read_timeout * 1000), max_buffer_size=options.max_headers
            ),
            ssl_cert=certificate,
            ssl_key=key,
            ssl_protocol_min=SSLProtocols.tls12,
        )

    def _init_shared_socket(self) -> None:
        is_unix = self._listener.family == socket.AF_UNIX
        self._ssp: Any = None
        # Granian closes the descriptor that it is given: it gets one of its own.
        self._shd: Any = SocketHolder(os.dup(self._listener.fileno()), is_unix, BACKLOG)  # type: ignore[call-arg]
        self._sfd = self._shd.get_fd()


def _affordable(connections: int) -> int:
    """As many connections as there are descriptors for, once their soft limit is as high as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems name a limit that they do not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(connections, soft - SPARE_DESCRIPTORS))


def listen(settings: Settings) -> socket.socket:
    """The socket that the settings name; OSError if it cannot be had."""
    return bind(settings.host, settings.port) if settings.uds is None else bind_unix(settings.uds)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; OSError if the address is taken or not ours."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _listening(listener, address)


def bind_unix(path: Path) -> socket.socket:
    """A listening socket at `path`, in place of one that nobody listens on; OSError if the path is taken."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(ConnectionRefusedError):
            probe.connect(str(path))
            raise OSError(errno.EADDRINUSE, "someone listens there already")
        path.unlink()
    return _listening(socket.socket(socket.AF_UNIX), str(path))


def _listening(listener: socket.socket, address: Any) -> socket.socket:
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket, *, is_secure: bool = False) -> str:
    """Where clients find it: a base URL, or "unix:/path"."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    scheme = "https" if is_secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def _run(
    door: Any, listener: socket.socket, options: Options, ready: Callable[[Callable[[], None]], None]
) -> None:
    """Serve until the function given to `ready` is called (from any thread)."""
    logging.getLogger("_granian").setLevel(logging.ERROR)
    server = _Granian(door, listener, options)
    loop = asyncio.get_running_loop()
    ending: list[asyncio.Task[None]] = []

    def end() -> None:
        ending.append(loop.create_task(_end(server, door, listener)))

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: it has stopped already
            loop.call_soon_threadsafe(end)

    loop.call_soon(ready, stop)
    await server.serve()


async def _end(server: Server, door: Any, listener: socket.socket) -> None:
    """Take no more connections, answer what has been asked, and do not wait for those who are still asking."""
    server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it without a signature
    door.hurry()
    await asyncio.sleep(QUIET)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(door.idle(), PATIENCE - QUIET)
    connection.hang_up_all(listener)


def run(door: Any, listener: socket.socket, options: Options, on_ready: Callable[[], None]) -> None:
    """Serve in this thread until SIGINT or SIGTERM."""

    def ready(stop: Callable[[], None]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop())
        on_ready()

    _spare_the_collector()
    with _runner() as runner:
        runner.run(_run(door, listener, options, ready))
    _forget(listener)
    _outlast_threads()


def _runner() -> asyncio.Runner:
    """On uvloop where it is installed: a request costs less there."""
    try:
        from uvloop import new_event_loop
    except ImportError:  # the extra `fast` is not installed
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=new_event_loop)


def _spare_the_collector() -> None:
    """What is there at the start stays, and what requests leave behind is kept on purpose: look for cycles rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _outlast_threads() -> None:
    """Wait for Granian's own threads, which end a moment after its server and still use the interpreter until then."""
    tasks = Path("/proc/self/task")
    for _ in range(30):
        if not tasks.is_dir() or len(list(tasks.iterdir())) <= threading.active_count():
            return
        pause(0.01)


def _forget(listener: socket.socket) -> None:
    """Close it, and leave no path behind."""
    path = listener.getsockname() if listener.family == socket.AF_UNIX else None
    listener.close()
    if path is not None:
        Path(path).unlink(missing_ok=True)


class LiveServer:
    """The same server in a thread: `with LiveServer(door) as server: server.url`."""

    def __init__(
        self,
        door: Any,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        uds: Path | None = None,
        options: Options | None = None,
    ) -> None:
        self._listener = bind(host, port) if uds is None else bind_unix(uds)
        self._door = door
        self._options = options or Options()
        #: As a client's socket connects to it.
        self.address: Any = self._listener.getsockname()[:2] if uds is None else self._listener.getsockname()
        self.url = url_of(self._listener, is_secure=self._options.tls is not None)
        self._started = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._serve, name="swapmock-server", daemon=True)

    def _serve(self) -> None:
        with _runner() as runner:
            runner.run(_run(self._door, self._listener, self._options, self._ready))

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
        _forget(self._listener)

    def __enter__(self) -> LiveServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
