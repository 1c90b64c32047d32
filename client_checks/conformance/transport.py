"""Sends one HTTP request to an untrusted server. The answer is limited in time and bytes, and the user's settings do
not apply.

No `.netrc`, no cookies and no redirects are used. Proxy variables apply to other machines, never to loopback."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

#: The timeout in seconds for connecting, and for a silence during an answer.
CONNECT_TIMEOUT, SILENCE_TIMEOUT = 10.0, 30.0
#: The timeout in seconds for a whole answer.
TOTAL_TIMEOUT = 60.0
#: The most bytes of one answer after decompression: of JSON and other text, and of anything else (media).
MAX_TEXT, MAX_MEDIA = 8 << 20, 128 << 20
#: Bytes read at a time.
PIECE = 1 << 16
#: The environment variables that name a file of trusted certificates, in order of precedence.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Unreachable(Exception):
    """No answer came. The text says why, in one line. `is_connected` says whether a connection was open."""

    def __init__(self, why: str, *, is_connected: bool = False) -> None:
        super().__init__(why)
        self.is_connected = is_connected


@dataclass(frozen=True)
class RawAnswer:
    """An HTTP answer. `broken_bound` says which limit it broke, "" if none; `content` then has the bytes up to
    there."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes
    elapsed: float
    broken_bound: str = ""


class _Watch:
    """Shuts the socket of a request down when its total time is over."""

    def __init__(self, seconds: float) -> None:
        self.socket: socket.socket | None = None
        self.is_over = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def _end(self) -> None:
        self.is_over = True
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> _Watch:
        _WATCHES.current = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _WATCHES.current = None
        self._timer.cancel()


_WATCHES = threading.local()


def _note_socket(connection: HTTPConnection) -> None:
    watch = getattr(_WATCHES, "current", None)
    if watch is not None:
        watch.socket = connection.sock


class _WatchedConnection(HTTPConnection):
    def getresponse(self) -> Any:
        _note_socket(self)
        return super().getresponse()


class _WatchedTlsConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        _note_socket(self)
        return super().getresponse()


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


class _Adapter(HTTPAdapter):
    """Makes connections whose socket the watch of a request knows."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTlsPool}

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTlsPool}
        return manager


@dataclass
class Transport:
    """Sends requests. `total` (seconds), `max_text` and `max_media` (bytes) limit an answer."""

    total: float = TOTAL_TIMEOUT
    max_text: int = MAX_TEXT
    max_media: int = MAX_MEDIA
    silence: float = SILENCE_TIMEOUT
    _session: requests.Session = field(default_factory=lambda: plain_session())

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(self, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes) -> RawAnswer:
        """Send one request exactly as given. Raises Unreachable with the reason if no answer comes."""
        try:
            request = requests.Request(method, url, headers=dict(headers), data=body or None)
            prepared = self._session.prepare_request(request)
            # Keep the URL as given: requests would normalise what a test sends on purpose.
            prepared.url = url
        except (requests.RequestException, ValueError) as error:
            raise Unreachable(f"the request cannot be made: {error}") from None
        with _Watch(self.total) as watch:
            try:
                answer = self._session.send(
                    prepared, timeout=(CONNECT_TIMEOUT, self.silence), allow_redirects=False, stream=True,
                    proxies=proxies_for(url), verify=trusted_certificates(),
                )  # fmt: skip
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                if watch.is_over:
                    raise Unreachable(f"no answer within {self.total:g} s", is_connected=True) from None
                raise Unreachable(_why(error, url), is_connected=not _never_connected(error)) from None
            with answer:
                if watch.is_over:
                    raise Unreachable(f"no answer within {self.total:g} s", is_connected=True)
                return self._read(answer, watch)

    def _read(self, answer: requests.Response, watch: _Watch) -> RawAnswer:
        kind = answer.headers.get("Content-Type", "").lower()
        most = (
            self.max_media
            if kind.startswith(("image/", "video/", "audio/", "application/octet-stream"))
            else self.max_text
        )
        pieces: list[bytes] = []
        bound = ""
        try:
            length = 0
            for piece in _decoded(answer, most):
                pieces.append(piece)
                length += len(piece)
                if length > most:
                    bound = f"more than {most} bytes"
                    break
        except (requests.RequestException, HTTPError, OSError, ValueError, zlib.error) as error:
            if watch.is_over:
                bound = f"not complete after {self.total:g} s"
            else:
                raise Unreachable(f"the answer broke off: {_why(error, answer.url)}", is_connected=True) from None
        if bound:
            answer.close()
        elif watch.is_over:
            bound = f"not complete after {self.total:g} s"
        headers = [(name, value) for name, value in answer.raw.headers.items()]
        return RawAnswer(
            answer.status_code, headers, b"".join(pieces)[:most], answer.elapsed.total_seconds(), bound
        )  # fmt: skip


def plain_session() -> requests.Session:
    """Return a session that uses nothing from the user's environment and keeps no cookies."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept-Encoding"] = "gzip, deflate"
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine by a loopback address."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies of the environment for `url`; none for loopback."""
    if is_loopback(url):
        return {}
    return dict(get_environ_proxies(url, no_proxy=None))


def proxy_named(url: str) -> str:
    """Return `HTTPS_PROXY` if this variable sends `url` through a proxy; "" if no proxy is used."""
    if not proxies_for(url):
        return ""
    scheme = urlsplit(url).scheme.lower()
    wanted = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in wanted if os.environ.get(name)), "the system's proxy settings")


def trusted_certificates() -> bool | str:
    """Return the file of trusted certificates that the environment names; True for the default certificates."""
    return next((os.environ[name] for name in CA_VARIABLES if os.environ.get(name)), True)


@contextmanager
def quiet_environment() -> Iterator[None]:
    """While this context is open, a library's calls to our proxy on loopback use no proxy and no `.netrc` of the
    user."""
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    wanted = {"NETRC": os.devnull, "no_proxy": ",".join(filter(None, [excepted, "127.0.0.1"]))}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _decoded(answer: requests.Response, most: int) -> Iterator[bytes]:
    """Yield the decompressed body in pieces; no piece is longer than `most` + 1 bytes."""
    codings = [one.strip().lower() for one in answer.headers.get("Content-Encoding", "").split(",") if one.strip()]
    codings = [one for one in codings if one != "identity"]
    raw = answer.raw.stream(PIECE, decode_content=False)
    if not codings:
        yield from raw
        return
    if codings not in (["gzip"], ["deflate"], ["x-gzip"]):
        raise ValueError(f"Content-Encoding {', '.join(codings)[:60]} was not asked for")
    inflate = zlib.decompressobj(47) if codings != ["deflate"] else None
    for piece in raw:
        if inflate is None:
            # `deflate` is the zlib format, but some servers send the data without its head. Browsers take both.
            has_head = len(piece) > 1 and piece[0] & 15 == 8 and (piece[0] << 8 | piece[1]) % 31 == 0
            inflate = zlib.decompressobj(15 if has_head else -15)
        yield inflate.decompress(piece, most + 1)
        if inflate.unconsumed_tail:
            return
    if inflate is not None:
        yield inflate.flush()


def _never_connected(error: BaseException) -> bool:
    text = repr(error)
    return any(
        word in text for word in ("NewConnectionError", "ConnectTimeout", "NameResolution", "refused", "SSLError")
    )


def _why(error: BaseException, url: str) -> str:
    """Return why a request failed, in one line. A TLS failure is named as such, and a proxy in between is named."""
    text = " ".join(str(error).split())
    proxy = proxy_named(url)
    through = f" (through the proxy of {proxy})" if proxy else ""
    if isinstance(error, requests.exceptions.SSLError) or isinstance(_root(error), ssl.SSLError):
        reason = (
            "the server's certificate is not trusted" if "CERTIFICATE_VERIFY" in text else "the TLS handshake failed"
        )
        hint = (
            f"; {CA_VARIABLES[0]} names a file of further trusted certificates" if "CERTIFICATE_VERIFY" in text else ""
        )
        return f"TLS: {reason}{through}: {_last_words(error)}{hint}"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy of {proxy or 'the environment'} does not answer: {_last_words(error)}"
    return f"{type(error).__name__}{through}: {_last_words(error)}"


def _root(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error


def _last_words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text.rsplit(": ", 1)[-1].rstrip("')\"") or type(error).__name__
