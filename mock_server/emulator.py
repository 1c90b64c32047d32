"""The two ways to use an emulator: start one in this process, or use one that runs elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from urllib.parse import unquote, urlencode

from swapmock.contracts import Registration
from swapmock.mock_server.adapters.http_client import HttpClient, UnreachableError
from swapmock.mock_server.control import AdminError, Control
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.settings import SettingError, Settings, with_token
from swapmock.mock_server.web.build import System, build
from swapmock.mock_server.web.host_process import check_process, explain_blocked_socket
from swapmock.mock_server.web.messages import Request
from swapmock.mock_server.web.server import LiveServer, options_from

Options = ParamSpec("Options")
Made = TypeVar("Made")


def typed_as(source: Callable[Options, object]) -> Callable[[Callable[..., Made]], Callable[Options, Made]]:  # noqa: ARG001 - a type checker reads its parameters
    """For a type checker, the decorated function takes the arguments of `source`. At run time nothing changes."""

    def unchanged(function: Callable[..., Made]) -> Callable[Options, Made]:
        return function

    return unchanged


def _method_typed_as(
    source: Callable[Options, object],  # noqa: ARG001 - a type checker reads its parameters
) -> Callable[[Callable[..., None]], Callable[Concatenate[Emulator, Options], None]]:
    """The same for the constructor of Emulator."""

    def unchanged(method: Callable[..., None]) -> Callable[Concatenate[Emulator, Options], None]:
        return method

    return unchanged


class Emulator(Control):
    """An emulator in this process, live on a free port of loopback.

    >>> with Emulator() as emu, emu.sandbox(clock="frozen") as sandbox:
    ...     sandbox.balance()
    1000.0

    The options are the settings of `swapmock serve` (`swapmock.Settings`), but `port` is 0 unless given. Its admin verbs
    do not travel over HTTP, but through the same pipeline. Over HTTP they are at `admin_url`, which demands `token`
    unless `host` is loopback. In a child process that was forked while the emulator ran, the verbs go over HTTP to the
    emulator of the parent. Raises SettingError for an option that does not exist or has no such value, OSError for a
    port that is taken, RuntimeError in a process where it cannot run (gevent or eventlet has replaced the threads).
    """

    @_method_typed_as(Settings)
    def __init__(self, **options: Any) -> None:
        self._check_process()
        providers = options.pop("providers", None)  # the providers of `with_providers`
        settings = with_token(Settings.of(**{"port": 0, **options}))
        if settings.workers > 1:
            raise SettingError(
                f"workers: an emulator of this kind is in one process; start `swapmock serve --workers {settings.workers}` "
                "and use RemoteEmulator(url)"
            )
        self.system: System = build(settings, providers=providers)
        self._server: LiveServer | None = None
        self._admin_server: LiveServer | None = None
        self._pid = os.getpid()
        self._parent: RemoteEmulator | None = None

    @classmethod
    def with_providers(cls, providers: Mapping[str, Registration], **options: Any) -> Self:
        """Return an emulator with additional `providers`, by name (docs/add-a-provider.md). `options` are those of
        `Emulator`. Raises ProviderError, a SettingError, with everything that a provider lacks."""
        return cls(**{**options, "providers": providers})

    def _check_process(self) -> None:
        check_process()

    @property
    def url(self) -> str:
        """The base URL of the vendors' APIs."""
        if self._server is None:
            raise RuntimeError("the emulator is not running: use `with Emulator() as emu`, or start()")
        check_process()  # if threads have been replaced since the start, calls would hang
        return self._server.url

    @property
    def admin_url(self) -> str:
        """The base URL of the admin API: the same as `url`, unless the admin API has its own port."""
        return self.url if self._admin_server is None else self._admin_server.url

    @property
    def token(self) -> str:
        """The token of the admin API over HTTP; "" if none is needed."""
        return self.system.settings.admin_token

    def start(self) -> Self:
        """Listen, and send callbacks, until `stop` is called."""
        self._check_process()
        self._pid = os.getpid()
        try:
            self.system.engine.store.reopen()
        except StoreError as error:
            raise SettingError(f"--store: {error}") from None
        try:
            with explain_blocked_socket():
                self._listen()
        except BaseException:
            self.stop()
            raise
        self.system.engine.dispatcher.start(self.system.engine)
        return self

    def _listen(self) -> None:
        settings = self.system.settings
        options = options_from(settings)
        if settings.admin_port is not None:
            self._admin_server = LiveServer(
                self.system.admin_asgi_app, settings.host, settings.admin_port, options=options
            )
            self._admin_server.start()
        server = LiveServer(self.system.asgi_app, settings.host, settings.port, uds=settings.uds, options=options)
        server.start()
        self._server = server
        self.system.advertise(server.url)
        if self._admin_server is not None:
            self.system.admin_pipeline.vendor_url = settings.public_url or server.url
            self.system.pipeline.admin_url = self._admin_server.url

    def stop(self) -> None:
        """Stop listening. In a forked child process this does nothing: the parent's emulator continues."""
        if self._is_copy:
            if self._parent is not None:
                self._parent.close()
            return
        if self._parent is not None:
            self._parent.close()
            self._parent = None
        if self._server is not None:
            self.system.engine.dispatcher.stop()
            self._server.stop()
        if self._admin_server is not None:
            self._admin_server.stop()
        self._server = self._admin_server = None
        self.system.engine.store.close()

    @property
    def _is_copy(self) -> bool:
        """Whether this process was forked from the one in which the emulator runs."""
        return self._server is not None and self._pid != os.getpid()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ask(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """Call the admin API; see `Control.ask`."""
        if self._is_copy or (self.system.is_shared and self._server is not None):
            # The threads of the emulator and its state are in the parent process, or other processes hold sandboxes.
            if self._parent is None:
                self._parent = RemoteEmulator(self.url, self.token, self.admin_url, verify=False)
            return self._parent.ask(method, path, body, params)
        if self._server is not None:
            check_process()
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

    `url` is http, https or `unix:/path`. `token` is the token of the admin API, if it demands one. `admin_url` is the URL
    of the admin API, if it has its own port. `timeout` is in seconds; the seconds of a `wait` are added to it. `verify` is
    False for a certificate that nobody has signed, or a file with trusted certificates in PEM. The environment variables
    for proxies are ignored, and so are libraries that replace the functions of `requests` in a test.

    >>> with Emulator() as emu, RemoteEmulator(emu.url) as remote:
    ...     remote.default.balance()
    1000.0

    The methods raise AdminError if the admin API refuses a call, and requests.RequestException if the network fails.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        admin_url: str = "",
        timeout: float = 30.0,
        *,
        verify: bool | str | Path = True,
    ) -> None:
        self._url = url.rstrip("/")
        self._client = HttpClient((admin_url or url).rstrip("/"), verify)
        self._timeout = timeout
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    @property
    def url(self) -> str:
        """The base URL of the vendors' APIs."""
        return self._url

    def ask(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """Call the admin API; see `Control.ask`."""
        wait = float(body.get("timeout", 0.0)) if isinstance(body, Mapping) else 0.0
        query = urlencode(_texts(params))
        headers = self._headers if body is None else {**self._headers, "content-type": "application/json"}
        try:
            answer = self._client.call(
                method,
                f"/__admin{path}" + (f"?{query}" if query else ""),
                headers,
                None if body is None else _json(body),
                self._timeout + wait,
            )
        except UnreachableError as error:
            raise _as_requests(error) from error
        return _read(answer.status, answer.headers.get("content-type", ""), answer.body)

    def close(self) -> None:
        """Close the open connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _as_requests(error: UnreachableError) -> Exception:
    """Return the exception of `requests` for a failed call, because callers already catch those."""
    import requests

    kinds: dict[str, type[requests.RequestException]] = {
        "connect timeout": requests.ConnectTimeout,
        "read timeout": requests.ReadTimeout,
        "certificate": requests.exceptions.SSLError,
    }
    return kinds.get(error.kind, requests.ConnectionError)(str(error))


def _texts(params: Mapping[str, Any] | None) -> dict[str, str]:
    """Return query parameters as text; None leaves one out."""
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
