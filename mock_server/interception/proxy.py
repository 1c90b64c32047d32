"""An HTTP proxy that answers for the vendors' host names, and refuses or tunnels all others.

It accepts `CONNECT` (HTTPS), absolute URLs (plain HTTP, and HTTPS from clients that do not use `CONNECT`), and
connections that were redirected to it without a proxy protocol. Requests of a vendor's client are passed to the
emulator unchanged. Answers of the emulator are returned byte for byte, so that faults on the connection reach the
client as well."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from weakref import WeakSet

import h11

from swapmock.mock_server.interception.hosts import bare_host, is_loopback_name, port_of

CHUNK = 1 << 16

#: The longest head of a request, in bytes.
HEAD_LIMIT = 1 << 18

#: The timeout in seconds for connecting to another server.
CONNECT_SECONDS = 10.0

#: The number of event loop turns in which an aborted connection is closed.
TURNS = 3

#: Headers that concern one hop only (RFC 9110 7.6.1).
HOP_HEADERS = (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization")

#: What to do with hosts of other servers.
Others = Literal["refuse", "tunnel"]


@dataclass(frozen=True)
class Upstream:
    """Where requests to a vendor are sent. `tls` is set if the emulator uses HTTPS; `extra` are additional header
    lines."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    extra: tuple[tuple[bytes, bytes], ...] = ()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to the emulator."""
        async with asyncio.timeout(CONNECT_SECONDS):
            name = self.server_name if self.tls is not None else None
            return await asyncio.open_connection(self.host, self.port, ssl=self.tls, server_hostname=name)


@dataclass(frozen=True)
class VendorRequest:
    """A request that the proxy passed to the emulator."""

    method: str
    host: str
    target: str


def _ignore(_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class ProxyNotes:
    """Functions that a proxy calls in its own thread: for each vendor `request`, for each other host that is
    `refused`, and with the reason if a client ended TLS (`untrusted`)."""

    request: Callable[[VendorRequest], None] = _ignore
    refused: Callable[[str], None] = _ignore
    untrusted: Callable[[str], None] = _ignore


class _Refused(Exception):
    """The proxy itself answers with `status` and a text."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Proxy:
    """Listens on free ports of loopback: `port` for proxy clients and plain HTTP, `tls_port` for redirected HTTPS.

    `hosts` are the vendors' names. `upstreams` says where their requests are sent, by the scheme that the client
    used. `others` says what to do with every other host; loopback is always tunnelled. `notes` is called when
    something happens."""

    def __init__(
        self,
        hosts: tuple[str, ...],
        tls: ssl.SSLContext,
        upstreams: dict[str, Upstream],
        others: Others = "refuse",
        notes: ProxyNotes | None = None,
    ) -> None:
        self._hosts = frozenset(hosts)
        self._tls = tls
        self._upstreams = upstreams
        self._others = others
        self._notes = notes or ProxyNotes()
        self._listeners = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(2)]
        self.port, self.tls_port = (int(listener.getsockname()[1]) for listener in self._listeners)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="swapmock-proxy", daemon=True)
        self._stop: Callable[[], object] = lambda: None
        #: Both sides of every connection, so that none is left open at the end.
        self._writers: WeakSet[asyncio.StreamWriter] = WeakSet()

    @property
    def url(self) -> str:
        """The URL of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Serve in a thread until `stop` is called."""
        self._thread.start()
        self._started.wait()
        return self

    def stop(self) -> None:
        """Close every connection."""
        self._stop()
        self._thread.join()

    async def _serve(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        plain, secure = self._listeners
        clients: set[asyncio.Task[None]] = set()

        def on(serve: Callable[[_Client], Coroutine[Any, Any, None]]) -> Any:
            async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                clients.add(task)
                try:
                    await self._guarded(serve, _Client(reader, writer))
                except asyncio.CancelledError:
                    if not stopped.is_set():  # without this, asyncio logs a cancelled handler as an error at the end
                        raise
                finally:
                    clients.discard(task)

            return connected

        servers = [
            await asyncio.start_server(on(self._proxy), sock=plain, limit=HEAD_LIMIT),
            await asyncio.start_server(on(self._redirected), sock=secure, ssl=self._tls, limit=HEAD_LIMIT),
        ]
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        self._started.set()
        await stopped.wait()
        for server in servers:
            server.close()
        for task in tuple(clients):
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        for writer in tuple(self._writers):
            _abort(writer)
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _guarded(self, serve: Callable[[_Client], Coroutine[Any, Any, None]], client: _Client) -> None:
        """Serve one client. An error in it ends only its connection."""
        self._writers.add(client.writer)
        try:
            await serve(client)
        except _Refused as refused:
            await client.refuse(refused)
        except h11.RemoteProtocolError as error:
            await client.refuse(_Refused("400 Bad Request", f"not a valid HTTP/1.1 request: {error}"))
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError):
            client.abort()
        finally:
            client.writer.close()

    async def _redirected(self, client: _Client) -> None:
        """Serve a connection to a vendor that was redirected here."""
        await self._tls_to_emulator(client)

    async def _proxy(self, client: _Client) -> None:
        requests = _Requests(client.reader)
        head = await requests.head()
        if head is None:
            return
        if head.method == b"CONNECT":
            await self._connect(client, head.target.decode("latin-1"))
            return
        try:
            url = urlsplit(head.target.decode("latin-1"))
        except ValueError:
            raise _Refused("400 Bad Request", "the request target is not a URL") from None
        if url.scheme in ("http", "https") and url.netloc:
            await self._absolute(client, requests, head, url.scheme, url.netloc)
        elif bare_host(_host_header(head)) in self._hosts:
            await self._to_emulator(client, "http", requests, head)
        else:
            raise _Refused("400 Bad Request", f"this is the proxy of `swapmock run` for {self._names}, not a server")

    async def _connect(self, client: _Client, authority: str) -> None:
        host, port = bare_host(authority), _port(authority, 443)
        if host not in self._hosts:
            reader, writer = await self._open_other(host, port)
            client.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join(client, _Client(reader, writer), _copy(client.reader, writer))
            return
        client.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await client.writer.drain()
        if port == 80:
            requests = _Requests(client.reader)
            await self._to_emulator(client, "http", requests, await requests.head())
        else:
            try:
                await client.writer.start_tls(self._tls)
            except OSError as error:
                self._notes.untrusted(_reason(error))
                raise
            await self._tls_to_emulator(client)

    async def _tls_to_emulator(self, client: _Client) -> None:
        requests = _Requests(client.reader)
        try:
            head = await requests.head()
        except ssl.SSLError as error:  # with TLS 1.3, a client that does not trust the certificate reports it only now
            self._notes.untrusted(_reason(error))
            raise
        await self._to_emulator(client, "https", requests, head)

    async def _absolute(
        self, client: _Client, requests: _Requests, head: h11.Request, scheme: str, netloc: str
    ) -> None:
        """Serve one request with an absolute URL. The connection ends after its answer, because the next request may
        be for another host."""
        requests.is_last = True
        target = head.target[len(scheme) + 3 + len(netloc) :] or b"/"
        target = target if target.startswith(b"/") else b"/" + target
        host = bare_host(netloc)
        if host in self._hosts:
            await self._to_emulator(client, scheme, requests, _with_target(head, target, netloc))
            return
        if scheme == "https":
            raise _Refused("400 Bad Request", "only vendors' https URLs are taken whole; use CONNECT for others")
        reader, writer = await self._open_other(host, _port(netloc, 80))
        other = _Client(reader, writer)
        await _join(client, other, requests.copy(other, _with_target(head, target, netloc), ()))

    async def _open_other(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._others != "tunnel" and not is_loopback_name(host):
            self._notes.refused(host)
            raise _Refused(
                "403 Forbidden",
                f"swapmock run: {host or 'this host'} is none of the emulated hosts ({self._names}); "
                "--others tunnel lets requests to other hosts through",
            )
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as error:
            raise _Refused("502 Bad Gateway", f"swapmock run: cannot connect to {host}:{port}: {error}") from None
        self._writers.add(writer)
        return reader, writer

    async def _to_emulator(self, client: _Client, scheme: str, requests: _Requests, head: h11.Request | None) -> None:
        if head is None:
            return
        upstream = self._upstreams[scheme]
        try:
            emulator = _Client(*await upstream.connect())
            self._writers.add(emulator.writer)
        except (OSError, TimeoutError) as error:
            raise _Refused("502 Bad Gateway", f"swapmock run: the emulator cannot be reached: {error}") from None
        requests.on_head = self._note
        await _join(client, emulator, requests.copy(emulator, head, upstream.extra))

    def _note(self, head: h11.Request) -> None:
        host = bare_host(_host_header(head))
        self._notes.request(VendorRequest(head.method.decode("latin-1"), host, head.target.decode("latin-1")))

    @property
    def _names(self) -> str:
        return ", ".join(sorted(self._hosts))


@dataclass
class _Client:
    """One side of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def abort(self) -> None:
        """End the connection with a reset, as the other side did."""
        connection = self.writer.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        _abort(self.writer)

    async def refuse(self, refused: _Refused) -> None:
        """Answer as the proxy itself."""
        body = f"{refused}\n".encode("ascii", "backslashreplace")
        head = f"HTTP/1.1 {refused.status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        with contextlib.suppress(OSError):
            self.writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            await self.writer.drain()


class _Requests:
    """The requests of one connection. h11 finds the end of each; only their heads are rewritten."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._http = self._parser(b"")
        #: Whether the connection ends with the first answer.
        self.is_last = False
        self.on_head: Callable[[h11.Request], None] = lambda _: None

    @staticmethod
    def _parser(data: bytes) -> h11.Connection:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        if data:
            http.receive_data(data)
        return http

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(CHUNK))
        return event

    async def head(self) -> h11.Request | None:
        """Return the head of the next request; None if the client sends no more."""
        event = await self._event()
        return event if isinstance(event, h11.Request) else None

    async def copy(self, to: _Client, head: h11.Request | None, extra: tuple[tuple[bytes, bytes], ...]) -> bool:
        """Copy the request that begins with `head` to `to`, with the headers `extra`, and all that follow. Return
        True once the client sends no more."""
        while head is not None:
            self.on_head(head)
            pairs = [*head.headers.raw_items(), *extra]
            if self.is_last:
                pairs = [pair for pair in pairs if pair[0].lower() not in HOP_HEADERS] + [(b"Connection", b"close")]
            lines = b"".join(b"%s: %s\r\n" % pair for pair in pairs)
            to.writer.write(b"%s %s HTTP/%s\r\n%s\r\n" % (head.method, head.target, head.http_version, lines))
            await self._copy_body(to, is_chunked=any(name == b"transfer-encoding" for name, _ in head.headers))
            if self.is_last:
                return False
            self._http = self._parser(self._http.trailing_data[0])
            head = await self.head()
        return True

    async def _copy_body(self, to: _Client, *, is_chunked: bool) -> None:
        while isinstance(event := await self._event(), h11.Data):
            to.writer.write(b"%x\r\n%s\r\n" % (len(event.data), event.data) if is_chunked else bytes(event.data))
            await to.writer.drain()
        if is_chunked and isinstance(event, h11.EndOfMessage):
            to.writer.write(b"0\r\n\r\n")
        await to.writer.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close a connection at once. In Python 3.11.2, the transport of a TLS connection that was lost raises
    AttributeError here."""
    with contextlib.suppress(AttributeError):
        writer.transport.abort()


async def _join(client: _Client, other: _Client, requests: Coroutine[Any, Any, bool]) -> None:
    """Run `requests` (from `client` to `other`) while the answers are copied back, until the answers end."""
    sending = asyncio.ensure_future(_send(requests, other))
    try:
        await _copy(other.reader, client.writer)
    except OSError:
        client.abort()
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        other.writer.close()


async def _send(requests: Coroutine[Any, Any, bool], other: _Client) -> None:
    try:
        is_over = await requests
    except h11.RemoteProtocolError:
        other.abort()
        return
    except OSError:  # the client has disconnected, or the server reads no more
        other.writer.close()
        return
    if is_over and other.writer.can_write_eof():
        with contextlib.suppress(OSError):
            other.writer.write_eof()
    elif is_over:  # TLS has no half-closed connections
        other.writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Copy until `reader` ends, and return True."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    return True


def _host_header(head: h11.Request) -> str:
    return next((value.decode("latin-1") for name, value in head.headers if name == b"host"), "")


def _with_target(head: h11.Request, target: bytes, netloc: str) -> h11.Request:
    """Return `head` for a server: with path and query as its target, and the URL's authority as its host (RFC 9112
    3.2.2)."""
    others = [pair for pair in head.headers.raw_items() if pair[0].lower() != b"host"]
    host = (b"Host", netloc.rpartition("@")[2].encode("latin-1"))
    return h11.Request(method=head.method, target=target, headers=[host, *others], http_version=head.http_version)


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error)


def _port(authority: str, default: int) -> int:
    try:
        return port_of(authority, default)
    except ValueError:
        raise _Refused("400 Bad Request", "the port is not a number") from None
