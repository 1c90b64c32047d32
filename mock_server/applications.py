"""The emulator as a WSGI or ASGI application, for any server and for in-process transports (public: swapmock.wsgi, .asgi)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from swapmock.mock_server.emulator import Emulator, typed_as
from swapmock.mock_server.settings import SettingError, Settings
from swapmock.mock_server.web.asgi import AsgiApp, Client

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class HostedEmulator(Emulator):
    """An emulator without its own server: an application answers its requests.

    `url` is the setting `public_url`, or `http://localhost`. The thread that sends callbacks starts with the
    first request of a process, so a server may fork before that. Each process has its own sandboxes: run one
    worker process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.system.is_shared:
            self.system.engine.store.close()
            raise SettingError(
                "store: a shared store needs `swapmock serve`, whose processes forward requests to each other"
            )
        self._lock = threading.Lock()
        self._sender_pid = 0

    def _check_process(self) -> None:
        """Do nothing: replaced threads do no harm here, because no thread waits for requests to its own server."""

    @property
    def url(self) -> str:
        """The base URL of links in answers."""
        return self.system.settings.public_url or "http://localhost"

    def start(self) -> Self:
        """Start the thread that sends callbacks, once in this process."""
        if self._sender_pid != os.getpid():
            with self._lock:
                if self._sender_pid != os.getpid():
                    self.system.engine.dispatcher.start(self.system.engine)
                    self._sender_pid = os.getpid()
        return self

    def stop(self) -> None:
        """End the thread that sends callbacks. Requests are answered as before; the next one starts it again."""
        if self._sender_pid == os.getpid():
            self._sender_pid = 0
            self.system.engine.dispatcher.stop()


class WsgiApp:
    """A WSGI application. `emulator` controls its answers."""

    def __init__(self, emulator: HostedEmulator) -> None:
        self.emulator = emulator

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.emulator.start()
        return self.emulator.system.app.wsgi_app(environ, start_response)


class AsgiApplication:
    """An ASGI 3 application. `emulator` controls its answers. It may be used on several event loops."""

    def __init__(self, emulator: HostedEmulator) -> None:
        self.emulator = emulator
        #: The waiting objects of each event loop.
        self._apps: WeakKeyDictionary[asyncio.AbstractEventLoop, AsgiApp] = WeakKeyDictionary()

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(receive, send)
        elif kind == "http":
            self.emulator.start()
            loop = asyncio.get_running_loop()
            app = self._apps.get(loop)
            if app is None:
                app = self._apps[loop] = self.emulator.system.asgi_app
            peer = (scope.get("client") or ("",))[0]
            client: Client = _AnyClient(scope.get("server"), peer, app.proxies.trusts(peer))
            await app(_completed(scope, client), receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.emulator.stop()
        app = self._apps.pop(asyncio.get_running_loop(), None)
        if app is not None:
            app.begin_shutdown()
            app.close()
        with suppress(OSError):
            await send({"type": "lifespan.shutdown.complete"})


class _AnyClient:
    """The connection of another server, to which ASGI gives no access. A fault that should cut the connection raises
    ConnectionResetError or ConnectionAbortedError instead, which a server handles like any failure."""

    is_gone = False
    has_left = False
    takes_views = False

    def __init__(self, server: tuple[str, int | None] | None, peer: str, is_trusted_proxy: bool) -> None:
        host, port = server or ("localhost", None)
        host = f"[{host}]" if ":" in host else host
        self.own = host if port is None else f"{host}:{port}"
        self.peer = peer
        self.is_trusted_proxy = is_trusted_proxy

    async def drained(self) -> None:
        """Do nothing: the server handles this."""

    def holds(self, size: int) -> None:
        """Do nothing: the server handles this."""

    async def send_file(self, _descriptor: int, _start: int, _stop: int) -> int | None:
        """Return None: the server sends only bytes."""
        return None

    def leave_out_date(self) -> None:
        """Do nothing: the server adds its own Date."""

    def reset(self) -> None:
        """Raise ConnectionResetError."""
        raise ConnectionResetError("a fault of the emulator")

    def hang_up(self) -> None:
        """Raise ConnectionAbortedError."""
        raise ConnectionAbortedError("a fault of the emulator")

    def send_garbage(self) -> None:
        raise ConnectionAbortedError("a fault of the emulator")


def _completed(scope: Any, client: Client) -> Any:
    """Return the scope in the form of our application: with all keys, and with a path that is relative to the mount
    point."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :] or "/"
    return {
        "scheme": "http",
        "client": None,
        **scope,
        "path": path,
        "root_path": root,
        "headers": [(name.lower(), value) for name, value in scope["headers"]],
        "extensions": {"swapmock.client": client, "swapmock.answer": None},
    }


@typed_as(Settings)
def make_wsgi_app(**options: Any) -> WsgiApp:
    """Return a WSGI application with its own emulator. `options` are the settings of `swapmock serve`; host, port,
    TLS and the limits of connections belong to the server. Raises SettingError for an option that does not exist
    or has a wrong value."""
    return WsgiApp(HostedEmulator(**options))


@typed_as(Settings)
def make_asgi_app(**options: Any) -> AsgiApplication:
    """Return an ASGI 3 application with its own emulator. `options` are those of `make_wsgi_app`."""
    return AsgiApplication(HostedEmulator(**options))
