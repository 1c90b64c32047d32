"""Sends callbacks over real sockets: one short connection for each, to an address that was checked first.

A name is looked up once for each attempt, and the connection uses the same address that passed the check: if the
name service changes its answer in between (DNS rebinding), this has no effect. Redirects are not followed, and
proxies of the environment are not used."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from swapmock import __version__
from swapmock.mock_server.adapters.loop_timeout import running_timeout
from swapmock.mock_server.core.delivery import SendResult
from swapmock.mock_server.core.numerals import read_count

#: The most bytes that are read of a receiver's answer: of its head, and of its body.
HEAD_LIMIT = 1 << 16
BODY_LIMIT = 1 << 16

Address = IPv4Address | IPv6Address


class Blocked(Exception):
    """The receiver may not be called. The text says why, and what would allow it."""


class BadAnswer(Exception):
    """The answer is not HTTP/1.1."""


class Route(NamedTuple):
    """Where a URL leads. `name` is the host name, `host` the value of the header `Host`, `target` the path and query
    as given, `credentials` the user name and password in the URL in the form of Basic authentication (RFC 7617),
    "" without them."""

    secure: bool
    name: str
    port: int
    host: str
    target: str
    credentials: str = ""


def read_url(url: str) -> Route:
    """Return the route of a URL. Raises Blocked if it is not an http or https URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
        name = (parts.hostname or "").rstrip(".")
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except ValueError:
        raise Blocked("its URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not name:
        raise Blocked("only http and https URLs are called")
    secure = parts.scheme == "https"
    shown = f"[{name}]" if ":" in name else name
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Route(
        secure,
        name,
        (443 if secure else 80) if port is None else port,
        shown if port is None else f"{shown}:{port}",
        quote(target, safe="%/:?#[]@!$&'()*+,;=~"),
        _credentials(parts),
    )


def _credentials(parts: SplitResult) -> str:
    if parts.username is None and parts.password is None:
        return ""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return b64encode(pair.encode("utf-8", "surrogatepass")).decode("ascii")


#: `(name, port)` -> the addresses of the name; raises OSError if it has none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def look_up(name: str, port: int) -> Sequence[str]:
    """Return the addresses of the system's resolver.

    The resolver may be slow, so it runs in a separate thread that is never joined: the event loop's own threads
    would prevent the process from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def tell(found: Sequence[str] | OSError) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: Sequence[str] | OSError
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            found = OSError(str(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: no one needs the result
            loop.call_soon_threadsafe(tell, found)

    Thread(target=ask, name="swapmock-look-up", daemon=True).start()
    return await answer


@dataclass(frozen=True)
class Guard:
    """Decides which receivers may be called: those on loopback, and those in `allow` (a host name or `*.` and a
    domain, with or without a port, an address, a network such as 10.0.0.0/8). A name that is neither listed nor
    localhost is not looked up.

    `is_public` is for an emulator that other machines can reach: in place of loopback, a task may call only the
    address of the client that submitted it. Otherwise a client could call servers on the emulator's own machine."""

    allow: tuple[str, ...] = ()
    resolve: Resolve = look_up
    is_public: bool = False

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(_ascii_name(entry.lower().rstrip(".")) for entry in self.allow)

    @cached_property
    def _networks(self) -> tuple[object, ...]:
        return tuple(network for entry in self.allow if (network := _network(entry)) is not None)

    async def addresses(self, route: Route, asker: str = "") -> Sequence[Address]:
        """Return the addresses to connect to, in order of preference. Raises Blocked if that is not allowed, and
        OSError if the name is unknown.

        `asker` is the address of the client that submitted the task, "" for a client on this machine."""
        literal = _address(route.name)
        if literal is not None:
            if not (self._is_own(literal, asker) or self._lists(literal) or self._lists_name(route)):
                raise self._blocked(route.name, route.name)
            return (literal,)
        listed = self._lists_name(route)
        if not listed and not _is_local_name(route.name):
            raise self._blocked(route.name, route.name)
        try:
            found = await self.resolve(route.name, route.port)
        except OSError:
            if not listed and self._is_own(
                LOOPBACK[0], asker
            ):  # RFC 6761 6.3: names below localhost are loopback, whatever the resolver says
                return LOOPBACK
            raise OSError(f"the name {route.name} cannot be resolved") from None
        addresses = tuple(address for text in found if (address := _address(text)) is not None)
        strays = [] if listed else [a for a in addresses if not (self._is_own(a, asker) or self._lists(a))]
        if strays:
            raise self._blocked(f"{route.name} has the address {strays[0]}, which", route.name)
        return addresses

    def _is_own(self, address: Address, asker: str) -> bool:
        """Return whether `address` belongs to the client that submitted the task; for a client on this machine,
        every loopback address does."""
        return str(address) == asker if self.is_public and asker else address.is_loopback

    def _blocked(self, subject: str, name: str) -> Blocked:
        wanted = "the address that submitted the task" if self.is_public else "loopback"
        return Blocked(f"{subject} is not {wanted}; --callback-allow {name} would allow it")

    def _lists_name(self, route: Route) -> bool:
        labels = route.name.split(".")
        domains = ("*." + ".".join(labels[start:]) for start in range(1, len(labels)))
        return any(not self._names.isdisjoint((name, f"{name}:{route.port}")) for name in (route.name, *domains))

    def _lists(self, address: Address) -> bool:
        return any(address in network for network in self._networks)  # type: ignore[operator]  # networks of both kinds


#: The addresses of localhost.
LOOPBACK: tuple[Address, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


def check_allowed(entry: str) -> None:
    """Raise ValueError if an entry of `allow` can never match."""
    name, colon, port = entry.removeprefix("*.").partition(":")
    if _network(entry) is None and (not name or set(name) & set("/@* ") or (colon and not port.isdecimal())):
        raise ValueError(f"{entry!r} is no host name, address or network (a name goes without a scheme)")


def _ascii_name(name: str) -> str:
    """Return a host name in the form that requests use; a text that cannot be a host name is returned unchanged."""
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _is_local_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _address(text: str) -> Address | None:
    """Return an address. An IPv4 address in IPv6 form counts as the IPv4 address. A zone (RFC 6874) stays with its
    address."""
    try:
        address = ip_address(text.replace("%25", "%", 1))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _network(entry: str) -> object | None:
    try:
        return ip_network(entry.strip().strip("[]"), strict=False)
    except ValueError:
        return None


@dataclass(slots=True)
class _Heads:
    """The heads of the request and of the answer, as far as they went over the connection."""

    request: bytes = b""
    answer: bytes = b""


@dataclass(frozen=True)
class Transport:
    """Sends requests. `timeout` limits a whole attempt, in seconds during which this process runs, however slow the
    receiver is.

    Certificates of receivers are verified with the system's authorities and those in the file `ca`. Without
    `verify_loopback`, receivers on loopback need no valid certificate."""

    guard: Guard
    timeout: float = 10.0
    ca: Path | None = None
    verify_loopback: bool = True

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, asker: str = "") -> SendResult:
        """Send one request with `method`, `url`, `headers` and `body`, and return the result. What a receiver does
        never raises.

        `asker` is the address of the client that submitted the task, "" for a client on this machine."""
        heads = _Heads()
        result = await self._result(heads, method, url, headers, body, asker)
        return result._replace(request_head=heads.request, answer_head=heads.answer)

    async def _result(
        self, heads: _Heads, method: str, url: str, headers: Mapping[str, str], body: bytes, asker: str
    ) -> SendResult:
        try:
            route = read_url(url)
            async with running_timeout(self.timeout):
                return await self._exchange(route, _request_head(route, method, headers, body), body, heads, asker)
        except Blocked as reason:
            return SendResult(None, error=str(reason), blocked=True)
        except TimeoutError:
            return SendResult(None, error=f"no answer within {self.timeout:g} s", timed_out=True)
        except asyncio.IncompleteReadError:
            return SendResult(None, error="the connection was closed before the answer was whole")
        except asyncio.LimitOverrunError:
            return SendResult(None, error=f"the head of the answer is longer than {HEAD_LIMIT} bytes")
        except BadAnswer as error:
            return SendResult(None, error=f"not an HTTP answer: {error}")
        except ssl.SSLError as error:
            return SendResult(None, error=f"TLS failed: {error.reason or error}")
        except OSError as error:
            return SendResult(None, error=_sentence(error))

    async def _exchange(self, route: Route, head: bytes, body: bytes, heads: _Heads, asker: str) -> SendResult:
        reader, writer = await self._connect(route, asker)
        try:
            writer.write(head + body)
            heads.request = head
            return await _answer(reader, heads)
        finally:
            writer.transport.abort()

    async def _connect(self, route: Route, asker: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        problem: OSError = OSError(f"the name {route.name} has no address")
        for address in await self.guard.addresses(route, asker):
            try:
                return await asyncio.open_connection(
                    str(address),
                    route.port,
                    limit=HEAD_LIMIT,
                    ssl=self._tls_for(address) if route.secure else None,
                    server_hostname=route.name if route.secure else None,
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                problem = error
        raise problem

    def _tls_for(self, address: Address) -> ssl.SSLContext:
        return self.tls if self.verify_loopback or not address.is_loopback else self._unverified

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The context that verifies certificates. Raises OSError (or ssl.SSLError) if `ca` cannot be read."""
        context = ssl.create_default_context()
        if self.ca is not None:
            context.load_verify_locations(self.ca)
        return context

    @cached_property
    def _unverified(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


def _request_head(route: Route, method: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {route.target} HTTP/1.1", f"Host: {route.host}", f"User-Agent: swapmock/{__version__}"]
    if route.credentials:
        lines.append(f"Authorization: Basic {route.credentials}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "Accept: */*", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _sentence(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the connection was reset"
    return str(error.strerror or error)


async def _answer(reader: asyncio.StreamReader, heads: _Heads) -> SendResult:
    """Return the final answer (answers of class 1xx come before it) and the beginning of its body."""
    while True:
        status, headers = await _head(reader, heads)
        if status >= 200:
            body = await _body(reader, status, headers)
            is_whole = len(body) < BODY_LIMIT
            return SendResult(status, body, "" if is_whole else f"only its first {BODY_LIMIT} bytes are read")


async def _head(reader: asyncio.StreamReader, heads: _Heads) -> tuple[int, Mapping[str, str]]:
    try:
        raw = heads.answer = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as cut:
        heads.answer = cut.partial
        if not cut.partial:
            raise OSError("the connection was closed without an answer") from None
        if not cut.partial.startswith(b"HTTP/"[: len(cut.partial)]):
            raise BadAnswer(repr(cut.partial[:40])) from None
        raise
    first, *lines = raw.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not (len(words[1]) == 3 and words[1].isdecimal()):
        raise BadAnswer(repr(first[:40]))
    pairs = (line.partition(":") for line in lines if line)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]) -> bytes:
    if status in (204, 304):
        return b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    length = read_count(headers.get("content-length", ""), BODY_LIMIT)
    if length is not None:
        return await reader.readexactly(length)
    return await _until_closed(reader)


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < BODY_LIMIT and (piece := await reader.read(BODY_LIMIT - len(body))):
        body += piece
    return body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < BODY_LIMIT:
        line = await reader.readuntil(b"\r\n")
        try:
            size = int(line.split(b";", 1)[0], 16)
        except ValueError:
            raise BadAnswer(f"chunk size {line[:20]!r}") from None
        if size <= 0:
            break
        body += await reader.readexactly(min(size, BODY_LIMIT - len(body)))
        if len(body) < BODY_LIMIT:
            await reader.readexactly(2)
    return body
