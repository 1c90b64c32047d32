"""The server that a client calls in a case. It forwards everything to the emulator, records both sides with their
times, and changes answers in ways that the emulator cannot: gateway error pages, changed values, faults of the
media host."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any, Protocol
from urllib.parse import urlsplit

from swapmock.client_checks.behaviour.gateway_effects import EFFECTS, Answer, GatewayFault
from swapmock.client_checks.behaviour.model import Exchange, Meaning, Role
from swapmock.client_checks.behaviour.providers import Provider, parsed, provider_of
from swapmock.client_checks.clock import Clock

#: The header by which the gateway's exchanges are recognised in the emulator's journal.
MARK = "x-conform-exchange"
#: The most bytes of a body that are kept, and the most exchanges of a case.
KEPT, MOST = 65_536, 5_000
#: The timeout for the emulator's answers, in real seconds.
UPSTREAM_TIMEOUT = 60.0
#: The bytes in place of an answer that is not HTTP. They have no line end.
GARBAGE = bytes(range(128, 256)) * 2
#: How long a connection whose client is being killed is kept open, in real seconds: the client must not see its end.
UNTIL_KILLED = 2.0


class Watcher(Protocol):
    """Is notified of requests while they are being handled: moves the clock, and kills the client."""

    def received(self, role: Role, number: int) -> None:
        """Called when request `number` has arrived."""

    def passed_on(self, role: Role, number: int) -> bool:
        """Called when the request was sent to the emulator; return whether its answer may go to the client."""

    def answered(self, role: Role, meaning: Meaning) -> None:
        """Called when the answer was sent to the client."""


class Gateway:
    """The gateway, used as `with Gateway(base_url, ...) as gateway: gateway.url`.

    `rate` is the speed of the case's clock. `vary` changes details of answers that the contract leaves open. `delayed`
    are the roles whose answers the emulator delays on purpose: their times are not measured. `fetches_ahead` says
    whether results are fetched before the client asks for them; it is off if the media host is to fail."""

    def __init__(
        self,
        upstream: str,
        clock: Clock,
        *,
        rate: float = 1.0,
        faults: Sequence[GatewayFault] = (),
        watcher: Watcher | None = None,
        vary: Callable[[Answer, Role], None] | None = None,
        tls: ssl.SSLContext | None = None,
        media: dict[str, Answer] | None = None,
        delayed: Collection[Role] = (),
        fetches_ahead: bool = True,
    ) -> None:
        self.upstream = urlsplit(upstream)
        self.clock, self.rate, self.started = clock, rate, clock.now()
        self.faults, self.watcher, self.vary = list(faults), watcher, vary
        self.media = {} if media is None else media
        self.delayed, self.fetches_ahead = frozenset(delayed), fetches_ahead
        self.run = 1
        self.exchanges: list[Exchange] = []
        self._waiting: dict[int, Exchange] = {}
        self.unanswered: dict[int, str] = {}
        self.undelayed: list[float] = []
        self.connections = 0
        self._numbers = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            self._server.tls = tls
        self._scheme = "https" if tls is not None else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """The base URL for the client."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Gateway:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def now(self) -> float:
        """Return the seconds of the case's clock since its start."""
        return (self.clock.now() - self.started) * self.rate

    def number_of_requests(self) -> int:
        """The number of requests so far."""
        return self.connections

    def number(self) -> int:
        """Return the number of the next request, from 1."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def keep(self, exchange: Exchange) -> None:
        """Record an exchange that is complete."""
        with self._lock:
            self._waiting.pop(exchange.number, None)
            if len(self.exchanges) < MOST:
                self.exchanges.append(exchange)

    def begin(self, exchange: Exchange) -> None:
        """Record a request that is not answered yet."""
        with self._lock:
            if len(self._waiting) < MOST:
                self._waiting[exchange.number] = exchange

    def seen(self) -> list[Exchange]:
        """Return every exchange so far, in order. Those without an answer count as lost."""
        with self._lock:
            waiting = [replace(one, answered=max(one.at, self.now())) for one in self._waiting.values()]
            return sorted([*self.exchanges, *waiting], key=lambda one: one.number)

    def match_faults(self, role: Role, meaning: Meaning | None) -> list[GatewayFault]:
        """Return the fault that applies to this request, or none: the first that fits, so that two faults on one kind
        of request come one after the other. Faults on a meaning apply once `meaning` is known, the others before."""
        with self._lock:
            fitting = (
                one
                for one in self.faults
                if one.role is role and (one.meaning is meaning if meaning is not None else one.meaning is None)
            )
            return list(islice((one for one in fitting if one.takes_turn()), 1))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        try:
            secured = self.tls.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError):
            return
        with secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: a client may disconnect during an answer."""


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.gateway = gateway
    return Handler


class _Handler(BaseHTTPRequestHandler):
    gateway: Gateway
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: exchanges are recorded."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        gateway = self.gateway
        if self.path.startswith(
            "/__admin"
        ):  # not the client's request: the proxy for vendor hosts asks for credentials here
            self._send(self._forward(0, self._body(), {name.lower(): value for name, value in self.headers.items()}))
            return
        gateway.connections += 1
        number, at, real = gateway.number(), gateway.now(), gateway.clock.now()
        run = gateway.run
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        provider = provider_of(self.path) or next(iter(_readers()))
        operation, role = provider.find(self.command, self.path)
        if gateway.watcher is not None:
            gateway.watcher.received(role, number)
        gateway.begin(self._unanswered(provider, number, run, at, role, operation, headers, body))
        answer = self._from_cache(role) or self._forward(number, body, headers)
        if gateway.watcher is not None and not gateway.watcher.passed_on(role, number):
            answer.lost, answer.stall = "hang_up", UNTIL_KILLED
        meaning = self._meaning(provider, role, operation, answer)
        if meaning is Meaning.SUCCEEDED and gateway.fetches_ahead:
            self._fetch_ahead(number, provider.links(parsed(answer.body)))
        applied = [*gateway.match_faults(role, None), *gateway.match_faults(role, meaning)]
        for fault in applied:
            EFFECTS[fault.effect](answer, fault.value)
        if applied:
            meaning = self._meaning(provider, role, operation, answer)
        elif not answer.lost and role not in gateway.delayed:
            gateway.undelayed.append(gateway.clock.now() - real)
        if gateway.vary is not None and not answer.lost:
            gateway.vary(answer, role)
        named = provider.task_named(self.command, self.path, parsed(body))
        gateway.keep(
            Exchange(
                number=number,
                run=run,
                at=at,
                answered=gateway.now(),
                role=role,
                operation=operation,
                method=self.command,
                target=self.path,
                headers=headers,
                body=parsed(body) if parsed(body) is not None else (body[:KEPT].decode("utf-8", "replace") or None),
                status=None if answer.lost else answer.status,
                answer_headers={name.lower(): value for name, value in answer.headers},
                answer=parsed(answer.body) if role is not Role.MEDIA else None,
                answer_text=answer.body[:2000].decode("utf-8", "replace") if role is not Role.MEDIA else "",
                meaning=meaning,
                refusal=provider.code(parsed(answer.body))
                if meaning in (Meaning.REFUSED, Meaning.AMBIGUOUS) and role is not Role.MEDIA
                else "",
                business_id=provider.caller_id(parsed(body)),
                asked=named,
                fault=", ".join(fault.effect for fault in applied),
                delivered="lost" if answer.lost else "cut" if answer.cut is not None else "whole",
                size=len(answer.body[: answer.cut]),
                digest=hashlib.sha256(answer.body[: answer.cut]).hexdigest() if answer.body else "",
            )
        )
        if gateway.watcher is not None:
            gateway.watcher.answered(role, meaning)
        self._send(answer)

    def _unanswered(
        self,
        provider: Provider,
        number: int,
        run: int,
        at: float,
        role: Role,
        operation: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Exchange:
        document = parsed(body)
        return Exchange(
            number=number,
            run=run,
            at=at,
            answered=at,
            role=role,
            operation=operation,
            method=self.command,
            target=self.path,
            headers=headers,
            body=document,
            status=None,
            answer_headers={},
            answer=None,
            answer_text="",
            meaning=Meaning.AMBIGUOUS,
            business_id=provider.caller_id(document),
            asked=provider.task_named(self.command, self.path, document),
            delivered="lost",
        )

    def _fetch_ahead(self, number: int, links: Sequence[str]) -> None:
        """Fetch the results before the client does: in scaled time drawing takes long, and this would look like a
        slow vendor."""
        for link in links:
            parts = urlsplit(link)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            if path not in self.gateway.media and parts.netloc == self.headers.get("host", ""):
                answer = self._forward(number, b"", {"host": parts.netloc}, "GET", path)
                if answer.status == 200 and not answer.lost and answer.cut is None:
                    self.gateway.media[path] = answer

    def _from_cache(self, role: Role) -> Answer | None:
        is_kept = role is Role.MEDIA and self.command == "GET" and self.gateway.fetches_ahead
        kept = self.gateway.media.get(self.path) if is_kept else None
        if kept is None or "range" in self.headers or any(name.lower().startswith("if-") for name in self.headers):
            return None
        return replace(kept, headers=list(kept.headers))

    def _meaning(self, provider: Provider, role: Role, operation: str, answer: Answer) -> Meaning:
        status = None if answer.lost else answer.status
        delivered = "cut" if answer.cut is not None else "whole"
        document = parsed(answer.body) if role is not Role.MEDIA else None
        return provider.meaning(role, operation, self.path, status, document, delivered)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(1000).split(b";")[0] or b"0", 16)
        data = self.rfile.read(size)
        self.rfile.readline(1000)
        return data

    def _forward(
        self, number: int, body: bytes, headers: Mapping[str, str], method: str = "", path: str = ""
    ) -> Answer:
        upstream = self.gateway.upstream
        connection = http.client.HTTPConnection(
            upstream.hostname or "127.0.0.1", upstream.port, timeout=UPSTREAM_TIMEOUT
        )
        sent = {
            name: value
            for name, value in headers.items()
            if name not in ("connection", "transfer-encoding", "expect", "keep-alive")
        }
        sent |= {MARK: str(number), "connection": "close"}
        if body or (method or self.command) in ("POST", "PUT", "PATCH"):
            sent["content-length"] = str(len(body))
        try:
            connection.request(method or self.command, path or self.path, body=body or None, headers=sent)
            response = connection.getresponse()
        except ConnectionResetError:
            return Answer(lost="reset")
        except http.client.BadStatusLine:
            connection.close()
            return Answer(lost="garbage")
        except (OSError, http.client.HTTPException):
            connection.close()
            return Answer(lost="hang_up")
        answer = Answer(response.status, _end_to_end(response.getheaders()))
        try:
            answer.body = response.read()
        except http.client.IncompleteRead as broken:
            answer.body, answer.cut = broken.partial, len(broken.partial)
        except OSError:
            answer.lost = "reset"
        connection.close()
        return answer

    def _send(self, answer: Answer) -> None:
        self.close_connection = self.close_connection or bool(answer.lost) or answer.cut is not None
        if answer.lost:
            self._stall(answer.stall)
            self._drop(answer.lost)
            return
        whole = self.command == "HEAD" or answer.status in (204, 304)
        lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if answer.chunked and not whole and answer.cut is None:
            lines.append("transfer-encoding: chunked")
        elif not whole or answer.body:
            lines.append(
                f"content-length: {answer.header('content-length') if self.command == 'HEAD' else len(answer.body)}"
            )
        if self.close_connection:
            lines.append("connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        with contextlib.suppress(OSError):
            if whole:
                self.wfile.write(head)
            elif answer.cut is not None:
                self.wfile.write(head + answer.body[: answer.cut])
                self.wfile.flush()
                self._stall(answer.stall)
            elif answer.chunked:
                self.wfile.write(head)
                for start in range(0, len(answer.body), 37):
                    piece = answer.body[start : start + 37]
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(head + answer.body)

    def _stall(self, seconds: float) -> None:
        """Keep the connection open without sending until the client closes it, for at most `seconds` real seconds."""
        if seconds > 0:
            with contextlib.suppress(OSError):
                self.connection.settimeout(seconds)
                self.connection.recv(1)

    def _drop(self, how: str) -> None:
        with contextlib.suppress(OSError):
            if how == "garbage":
                self.connection.sendall(GARBAGE)
            elif how == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR) if how != "reset" else self.connection.close()


def _end_to_end(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    hops = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")
    return [(name, value) for name, value in headers if name.lower() not in hops or name.lower() == "date"]


def _readers() -> Sequence[Provider]:
    from swapmock.client_checks.behaviour.providers import PROVIDERS

    return list(PROVIDERS.values())
