"""The live server: uvicorn in this process, on our own socket, in the main thread or in another one.

State, pipeline and server share one process and one event loop, so that a test can start a server and answers
need no other thread. bench/README.md explains the choice of uvicorn, and the cost of other servers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import resource
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from uvicorn import Config, Server

from swapmock.mock_server.adapters.clock import RealTimeLoop, wall
from swapmock.mock_server.settings import SettingError, Settings, flag
from swapmock.mock_server.web.asgi import AsgiApp
from swapmock.mock_server.web.protocol_check import Bounds, Connection, Unread, check_protocol
from swapmock.mock_server.web.running_time import TICK, RunningTime

BACKLOG = 1024

#: How many times a port is searched that is free in both address families.
PAIR_ATTEMPTS = 10

#: The number of file descriptors that connections may not use.
SPARE_DESCRIPTORS = 128

#: The seconds after which a stopping server aborts running requests, and the seconds after that until it closes all
#: connections.
PATIENCE, GRACE = 0.5, 0.3


@dataclass(frozen=True)
class Options:
    """The limits of a server.

    A client may take `read_timeout` seconds to send a request, to send the next one, or to read an answer.
    `max_headers` and `max_unread_bytes` are in bytes; the second is for all clients together. `tls` is a
    certificate chain and its key. `scheme` is the scheme of the links in answers, if a proxy in front of the
    server terminates TLS."""

    max_connections: int = 10_000
    max_headers: int = 65_536
    read_timeout: float = 30.0
    max_unread_bytes: int = 1 << 30
    tls: tuple[Path, Path] | None = None
    scheme: str = ""


def options_from(settings: Settings) -> Options:
    """Return the options in `settings`. Raises SettingError if the certificate or its key cannot be used."""
    tls = None
    if settings.tls_cert is not None and settings.tls_key is not None:
        tls = (settings.tls_cert, settings.tls_key)
        _check_tls(*tls)
    return Options(
        settings.max_connections, settings.max_headers, settings.read_timeout, settings.max_unread_bytes, tls
    )


def _check_tls(certificate: Path, key: Path) -> None:
    """Check both files: the standard library would ask for a password, and its errors name no file."""
    for name, path in (("tls_cert", certificate), ("tls_key", key)):
        if not path.is_file():
            raise SettingError(f"{flag(name)}: there is no file {path}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        raise SettingError(f"--tls-cert, --tls-key: {certificate} and {key} do not serve: {error}") from None


class HttpServer(Server):
    """uvicorn with our own limits and without signal handlers. `is_ready` is called once it serves. `connect` makes
    the object that handles a connection: the class Connection, or a subclass. `tick` is the interval in seconds
    at which it checks for slow clients."""

    def __init__(
        self,
        asgi_app: AsgiApp,
        options: Options,
        is_ready: Callable[[], None],
        connect: Callable[..., Connection] = Connection,
        tick: float = TICK,
    ) -> None:
        self._connect = connect
        self._tick = tick
        unread = Unread(options.max_unread_bytes)
        self._bounds = Bounds(
            asgi_app, _affordable(options.max_connections), options.max_headers, unread, options.scheme
        )
        self._time = RunningTime()
        self._note_lag = asgi_app.note_lag
        self._read_timeout = options.read_timeout
        self._is_ready = is_ready
        self._is_stopped = asyncio.Event()
        self.servers: list[asyncio.Server] = []
        certificate, key = options.tls or (None, None)
        super().__init__(
            Config(
                asgi_app,
                http=self._connection,  # type: ignore[arg-type]  # uvicorn only calls it; a class could not have the bounds
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="critical",  # mistakes of clients are not logged
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                ssl_certfile=certificate,
                ssl_keyfile=key,
            )
        )

    def _connection(self, **uvicorns: Any) -> Connection:
        return self._connect(self._bounds, **uvicorns)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # narrower than a generator
        """Do nothing: the caller handles signals."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Do the same as uvicorn's method for open sockets, with our own limit for TLS handshakes; uvicorn's default
        is a minute."""
        loop, config = asyncio.get_running_loop(), self.config

        def connect() -> Connection:
            return self._connection(config=config, server_state=self.server_state, app_state={})

        handshake_timeout = None if config.ssl is None else self._read_timeout
        for listening in sockets or ():
            server = await loop.create_server(
                connect, sock=listening, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=handshake_timeout
            )
            self.servers.append(server)
        self.started = True
        loop.call_soon(self._is_ready)

    async def adopt(self, accepted: socket.socket, received: bytes) -> None:
        """Go on with a connection of another process that had `received` these bytes on it. `connect` must accept
        them."""

        def connect() -> Connection:
            uvicorns: dict[str, Any] = {"config": self.config, "server_state": self.server_state, "app_state": {}}
            return self._connection(**uvicorns, received=received)

        await asyncio.get_running_loop().connect_accepted_socket(connect, accepted)

    def stop(self) -> None:
        """Stop serving. Must be called on the event loop."""
        self.should_exit = True
        self._is_stopped.set()

    async def main_loop(self) -> None:
        """Do the same as uvicorn's method, but end at once: test suites start and stop a server for every test."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._tick):
                    await self._is_stopped.wait()

    async def on_tick(self, counter: int) -> bool:
        """Check for slow clients, and update the Date header. Called at every tick."""
        self._note_lag(self._time.tick(asyncio.get_running_loop().time()))
        self._bounds.now = now = self._time.now
        for connection in tuple(self._connections):
            connection.overdue(now - self._read_timeout)
        should_exit = await super().on_tick(counter)
        if (
            counter % 10 == 0
        ):  # uvicorn has updated the date from the clock of the process, which a test may have frozen
            date = formatdate(wall(), usegmt=True).encode()
            headers = self.server_state.default_headers
            self.server_state.default_headers = [(name, date if name == b"date" else value) for name, value in headers]
        self._bounds.default_headers = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
        return should_exit

    @property
    def _connections(self) -> set[Any]:
        return self.server_state.connections

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, answer complete requests, and do not wait for incomplete ones. uvicorn's own
        method would take at least a tenth of a second."""
        self._bounds.is_stopping = True
        self._bounds.asgi_app.begin_shutdown()
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in tuple(self._connections):
            connection.shutdown()
        if not await self._all_gone(PATIENCE):
            self._bounds.asgi_app.abort_pending()
            if not await self._all_gone(GRACE):
                for connection in tuple(self._connections):
                    connection.transport.abort()
                await self._all_gone(GRACE)
        self._bounds.asgi_app.close()

    async def _all_gone(self, patience: float) -> bool:
        """Return whether all connections end within `patience` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._connections or self.server_state.tasks:
                    await asyncio.sleep(TICK / 20)
                return True
        return False


def _affordable(connections: int) -> int:
    """Return `connections`, or fewer if there are not enough file descriptors after the soft limit is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems report a limit that they do not allow
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(connections, soft - SPARE_DESCRIPTORS))


def listen(settings: Settings) -> Listener:
    """Return a listening socket for `settings`. Raises OSError if that fails."""
    return bind(settings.host, settings.port) if settings.uds is None else bind_unix(settings.uds)


class Listener(socket.socket):
    """A listening socket. For the host `localhost`, `twin` listens on the same port of the other address family."""

    twin: Listener | None = None

    def close(self) -> None:
        """Close the socket, and the one of the other address family."""
        super().close()
        if self.twin is not None:
            self.twin.close()


def bind(host: str, port: int) -> Listener:
    """Return a listening socket. `localhost` means both 127.0.0.1 and ::1, if the machine has both: clients differ
    in which one they try first, and some try only one. Raises OSError if the address is taken or does not belong
    to this machine."""
    if host.lower().rstrip(".") != "localhost":
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _bound(family, address)
    for attempts_left in reversed(range(PAIR_ATTEMPTS)):
        listener = _bound(socket.AF_INET, ("127.0.0.1", port))
        try:
            listener.twin = _bound(socket.AF_INET6, ("::1", listener.getsockname()[1]))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return listener  # this machine has no IPv6
            listener.close()
            if port or not attempts_left:
                raise
            continue  # the port is free in one family, but not in the other
        return listener
    raise AssertionError("the last attempt returns or raises")


def _bound(family: int, address: Any) -> Listener:
    listener = Listener(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6 and address[0] == "::1":
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return _listening(listener, address)


def bind_unix(path: Path) -> Listener:
    """Return a listening socket at `path`. A socket file without a listener is replaced. Raises OSError if the path
    is in use."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(ConnectionRefusedError):
            probe.connect(str(path))
            raise OSError(errno.EADDRINUSE, "someone listens there already")
        path.unlink()
    return _listening(Listener(socket.AF_UNIX), str(path))


def _listening(listener: Listener, address: Any) -> Listener:
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket, *, is_secure: bool = False) -> str:
    """Return the base URL of `listener`, or "unix:/path"."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    scheme = "https" if is_secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def _run(
    asgi_app: AsgiApp, listener: Listener, options: Options, ready: Callable[[Callable[[], None]], None]
) -> None:
    """Serve until the function that was passed to `ready` is called (from any thread)."""

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the server has already stopped
            loop.call_soon_threadsafe(server.stop)

    loop = asyncio.get_running_loop()
    await check_protocol()
    server = HttpServer(asgi_app, options, lambda: ready(stop), getattr(asgi_app, "connection", Connection))
    # uvicorn closes its socket, so it gets a duplicate.
    await server.serve([one.dup() for one in (listener, listener.twin) if one is not None])


def run(asgi_app: AsgiApp, listener: Listener, options: Options, on_ready: Callable[[], None]) -> None:
    """Serve in this thread until SIGINT or SIGTERM. `on_ready` is called once the server serves."""

    def ready(stop: Callable[[], None]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop())
        on_ready()

    spare_the_collector()
    with new_runner() as runner:
        runner.run(_run(asgi_app, listener, options, ready))
    forget(listener)


def new_runner() -> asyncio.Runner:
    """Return a runner on uvloop if it is installed: requests are faster with it."""
    try:
        from uvloop import new_event_loop
    except ImportError:  # the extra `fast` is not installed
        return asyncio.Runner(loop_factory=RealTimeLoop)
    return asyncio.Runner(loop_factory=new_event_loop)


def spare_the_collector() -> None:
    """Make garbage collections short. Objects from the start stay, and what requests leave is kept on purpose, so
    old objects are collected rarely. Young objects are collected often, while they are few and in the processor's
    caches: a pause takes 1 ms instead of 10."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(500, 10, 1000)


def forget(listener: Listener) -> None:
    """Close `listener`, and remove its path if it has one."""
    path = listener.getsockname() if listener.family == socket.AF_UNIX else None
    listener.close()
    if path is not None:
        Path(path).unlink(missing_ok=True)


class LiveServer:
    """The same server in a thread: `with LiveServer(asgi_app) as server: server.url`."""

    def __init__(
        self,
        asgi_app: AsgiApp,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        uds: Path | None = None,
        options: Options | None = None,
    ) -> None:
        self._listener = bind(host, port) if uds is None else bind_unix(uds)
        self._asgi_app = asgi_app
        self._options = options or Options()
        #: The address to which a client's socket connects.
        self.address: Any = self._listener.getsockname()[:2] if uds is None else self._listener.getsockname()
        self.url = url_of(self._listener, is_secure=self._options.tls is not None)
        self._started = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="swapmock-server", daemon=True)

    def _serve(self) -> None:
        try:
            with new_runner() as runner:
                runner.run(_run(self._asgi_app, self._listener, self._options, self._ready))
        except Exception as failure:
            if self._started.is_set():
                raise
            self._failure = failure  # `start` raises the error in the thread that waits
            self._started.set()

    def _ready(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._started.set()

    def start(self) -> None:
        """Start the thread, and return when the server serves. Raises the error if it cannot start."""
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the server did not start within 10 s")
        if self._failure is not None:
            forget(self._listener)
            raise self._failure

    def stop(self) -> None:
        """Stop the server, and wait for the end of the thread."""
        self._stop()
        self._thread.join(10)
        forget(self._listener)

    def __enter__(self) -> LiveServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
