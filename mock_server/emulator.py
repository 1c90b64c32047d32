"""The two doors to an emulator: one started in this process, one that runs elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlencode

from swapmock.mock_server.control import AdminError, Control
from swapmock.mock_server.settings import Settings, with_token
from swapmock.mock_server.web.build import System, build
from swapmock.mock_server.web.messages import Request
from swapmock.mock_server.web.server import LiveServer, options_from


class Emulator(Control):
    """An emulator in this process, live on a free port of loopback.

    >>> with Emulator() as emu, emu.sandbox(clock="frozen") as sandbox:
    ...     sandbox.balance()
    1000.0

    `settings` are those of `swapmock serve` (`swapmock.mock_server.settings.Settings`); `port` is 0 unless given. Its admin verbs
    do not travel over HTTP, but through the same pipeline; over HTTP they are at `admin_url`, which demands `token`
    unless `host` is loopback. Raises SettingError for a setting that does not exist or
    has no such value, OSError for a port that is taken.
    """

    def __init__(self, **settings: Any) -> None:
        self.system: System = build(with_token(Settings(**{"port": 0, **settings})))
        self._server: LiveServer | None = None
        self._admin_server: LiveServer | None = None

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError("the emulator is not running: use `with Emulator() as emu`, or start()")
        return self._server.url

    @property
    def admin_url(self) -> str:
        """Base URL of the admin API: the same, unless that has a port of its own."""
        return self.url if self._admin_server is None else self._admin_server.url

    @property
    def token(self) -> str:
        """What the admin API demands over HTTP; "" for nothing."""
        return self.system.settings.admin_token

    def start(self) -> Self:
        settings = self.system.settings
        options = options_from(settings)
        if settings.admin_port is not None:
            self._admin_server = LiveServer(
                self.system.admin_asgi_app, settings.host, settings.admin_port, options=options
            )
            self._admin_server.start()
        try:
            self._server = LiveServer(
                self.system.asgi_app, settings.host, settings.port, uds=settings.uds, options=options
            )
        except OSError:
            self.stop()
            raise
        self._server.start()
        if self._admin_server is not None:
            self.system.admin_pipeline.vendor_url = settings.public_url or self._server.url
        self.system.engine.dispatcher.start(self.system.engine)
        return self

    def stop(self) -> None:
        if self._server is not None:
            self.system.engine.dispatcher.stop()
            self._server.stop()
        if self._admin_server is not None:
            self._admin_server.stop()
        self._server = self._admin_server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ask(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        pipeline = self.system.admin_pipeline
        headers = {"content-type": "application/json"} if body is not None else {}
        if self.system.settings.admin_token:
            headers["authorization"] = f"Bearer {self.system.settings.admin_token}"
        request = Request(
            method=method,
            path="/__admin" + unquote(path),
            query=urlencode(_texts(params)),
            headers=headers,
            body=_json(body),
            base_url=self.admin_url,
        )
        target = pipeline.match(method, request.path)
        if target is None:
            raise AdminError(404, {"detail": f"no operation of the admin API at {method} {request.path}"})
        answer = pipeline.answer(target, request)
        return _read(answer.status, dict(answer.headers).get("content-type", ""), answer.body)


class RemoteEmulator(Control):
    """An emulator that runs elsewhere (`swapmock serve`, a container), by its base URL.

    `token` is the admin API's, where it demands one; `admin_url` where that has a port of its own; `timeout` in
    seconds, on top of what a `wait` asks for.

    >>> with Emulator() as emu, RemoteEmulator(emu.url) as remote:
    ...     remote.default.balance()
    1000.0

    Raises AdminError for refusals, requests.RequestException for a network
    that fails.
    """

    def __init__(self, url: str, token: str = "", admin_url: str = "", timeout: float = 30.0) -> None:
        import requests

        self._url = url.rstrip("/")
        self._admin_url = (admin_url or url).rstrip("/")
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False
        if token:
            self._session.headers["authorization"] = f"Bearer {token}"

    @property
    def url(self) -> str:
        return self._url

    def ask(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        wait = float(body.get("timeout", 0.0)) if isinstance(body, Mapping) else 0.0
        answer = self._session.request(
            method,
            f"{self._admin_url}/__admin{path}",
            params=_texts(params),
            data=_json(body),
            headers={"content-type": "application/json"} if body is not None else {},
            timeout=self._timeout + wait,
            allow_redirects=False,
        )
        return _read(answer.status_code, answer.headers.get("content-type", ""), answer.content)

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _texts(params: Mapping[str, Any] | None) -> dict[str, str]:
    """Query parameters as they are written; None leaves one out."""
    given = {name: value for name, value in (params or {}).items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def _json(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


def _read(status: int, kind: str, body: bytes) -> Any:
    if "json" not in kind:
        if status >= 400:
            raise AdminError(status, {"detail": body.decode("utf-8", "replace")[:500]})
        return body.decode("utf-8", "replace")
    document = json.loads(body)
    if status >= 400:
        raise AdminError(status, document)
    return document
