"""An HTTP client for an emulator's own addresses. Proxies and the test doubles of a user's test process do not
affect it.

It uses urllib3. Libraries that replace `requests` in a test (`responses`, requests-mock) do not reach it, and
urllib3 reads no proxy variables."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class Reply(NamedTuple):
    """An answer: HTTP status, headers by name in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnreachableError(Exception):
    """No complete answer came. `kind` says how the call failed: "connect timeout", "read timeout", "certificate" or
    "connection"."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, **more: Any) -> None:
        super().__init__("localhost", **more)
        self._path = path

    def _new_conn(self) -> Any:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
        try:
            connection.connect(self._path)
        except OSError as error:
            connection.close()
            raise urllib3.exceptions.NewConnectionError(self, f"{self._path}: {error.strerror or error}") from error
        return connection


class _UnixPool(HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", maxsize=16)
        self._path = path

    def _new_conn(self) -> Any:
        return _UnixConnection(self._path, timeout=self.timeout.connect_timeout)


class HttpClient:
    """Calls below `base_url`, which is an http or https URL, or `unix:/path` for a unix socket.

    `verify` is True for the machine's certificate authorities, False for no check, or a file of certificates in
    PEM. It may be used by several threads."""

    def __init__(self, base_url: str, verify: bool | str | Path = True) -> None:
        self._verify = verify
        self._pool: Any
        if base_url.startswith("unix:"):
            self._prefix, self._pool = "", _UnixPool(base_url.removeprefix("unix:"))
        else:
            tls: dict[str, Any] = {"cert_reqs": "CERT_NONE" if verify is False else "CERT_REQUIRED"}
            if not isinstance(verify, bool):
                tls["ca_certs"] = str(verify)
            self._prefix, self._pool = base_url, urllib3.PoolManager(maxsize=16, **tls)

    def call(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Reply:
        """Send one request and return its answer; redirects are not followed. `path` is relative to the base URL,
        `timeout` is in seconds. Raises UnreachableError."""
        try:
            with self._warnings():
                answer = self._pool.request(
                    method, self._prefix + path, headers=dict(headers), body=body,
                    timeout=urllib3.Timeout(timeout), retries=False, redirect=False,
                )  # fmt: skip
        except urllib3.exceptions.ConnectTimeoutError as error:
            raise UnreachableError("connect timeout", str(error)) from error
        except urllib3.exceptions.ReadTimeoutError as error:
            raise UnreachableError("read timeout", str(error)) from error
        except urllib3.exceptions.SSLError as error:
            raise UnreachableError("certificate", str(error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError("connection", str(error)) from error
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.data)

    @contextmanager
    def _warnings(self) -> Iterator[None]:
        """Suppress urllib3's warning about an unverified certificate, if none is to be verified."""
        if self._verify is not False:
            yield
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            yield

    def close(self) -> None:
        """Close the open connections."""
        close = self._pool.clear if isinstance(self._pool, urllib3.PoolManager) else self._pool.close
        close()
