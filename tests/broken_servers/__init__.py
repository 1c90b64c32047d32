"""Servers with one defect each: the emulator behind a layer that changes it, startable by hand.

`python -m tests.broken_servers` lists them, `python -m tests.broken_servers NAME` starts one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from threading import Thread
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from swapmock.contracts import load
from swapmock.mock_server.core.delivery import SendResult
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import System, build


@dataclass(frozen=True)
class Ask:
    """A request on its way to the emulator; `operation` is "" for what no contract knows."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    operation: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Reply:
    """An answer on its way back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def with_json(self, document: Any, status: int | None = None) -> Reply:
        return replace(self, body=json.dumps(document).encode(), status=status or self.status)

    def with_data(self, **fields: Any) -> Reply:
        """The same with some fields of `data` changed; those given as None-free `...` are taken away."""
        document = self.json
        data = {**document["data"], **fields}
        return self.with_json({**document, "data": {k: v for k, v in data.items() if v is not ...}})

    @property
    def is_success(self) -> bool:
        document = self.json
        return self.status == 200 and isinstance(document, dict) and document.get("code") in (200, "200")


class HangUp(ConnectionError):
    """Raised by a defect: the connection is closed in place of an answer."""


ChangeReply = Callable[[Ask, Reply, dict[str, Any]], Reply]
Send = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Iterable[tuple[str, str, dict[str, str], bytes]]]


@dataclass(frozen=True)
class Defect:
    """One defect. `finds` is every finding that it brings about, no more and no less.

    `answer(ask, reply, memory)` changes answers, `pass_on(ask)` changes requests before the emulator has them, `send` turns
    one callback into those that are sent. `parts` and `operations` say what of a check it takes to see it.
    `provider` is whose API it is.
    """

    name: str
    about: str
    finds: frozenset[str]
    answer: ChangeReply | None = None
    pass_on: Callable[[Ask], Ask] | None = None
    send: Send | None = None
    parts: tuple[str, ...] = ("flows",)
    operations: tuple[str, ...] = ()
    variants: Mapping[str, Any] = field(default_factory=dict)
    provider: str = "crun"


CATALOGUE: dict[str, Defect] = {}

#: The keys that tasks were made with, in order: a defect may show the last.
KEYS: list[str] = []


def defect(about: str, finds: str, **more: Any) -> Callable[[Any], Any]:
    """Register a function as the defect of its name. `finds` lists ids with spaces between."""

    def register(function: Any) -> Any:
        place = (
            "send"
            if function.__code__.co_argcount == 5
            else "answer"
            if function.__code__.co_argcount == 3
            else "pass_on"
        )
        name = function.__name__
        CATALOGUE[name] = Defect(name, about, frozenset(finds.split()), **{place: function}, **more)
        return function

    return register


def catalogue() -> Mapping[str, Defect]:
    """Every broken server by name."""
    from tests.broken_servers import answers, callbacks, imgopen, media, relations, tasks  # noqa: F401 - importing registers them

    return CATALOGUE


class FaultLayer:
    """WSGI layer over the emulator that brings the defect in. The admin API is left as it is."""

    def __init__(self, app: Any, one: Defect) -> None:
        self._app = app
        self._one = one
        self._memory: dict[str, Any] = {}
        self._contract = load(one.provider)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/__admin"):
            found: Iterable[bytes] = self._app(environ, start_response)
            return found
        ask = self._read(environ)
        if ask.operation == "create_task" and "x-api-key" in ask.headers:
            KEYS.append(ask.headers["x-api-key"])
        if self._one.pass_on is not None:
            ask = self._one.pass_on(ask)
        reply = self._through(environ, ask)
        if self._one.answer is not None:
            reply = self._one.answer(ask, reply, self._memory)
        kept = {name: value for name, value in reply.headers.items() if name.lower() != "content-length"}
        told = next((value for name, value in reply.headers.items() if name.lower() == "content-length"), "0")
        headers = {**kept, "Content-Length": told if ask.method == "HEAD" else str(len(reply.body))}
        start_response(f"{reply.status} Changed", list(headers.items()))
        return [reply.body]

    def _read(self, environ: dict[str, Any]) -> Ask:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
        }
        found = self._contract.find(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        operation = "" if found is None else found[0].id
        return Ask(
            environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), headers, body, operation
        )

    def _through(self, environ: dict[str, Any], ask: Ask) -> Reply:
        passed = {
            **{key: value for key, value in environ.items() if not key.startswith("HTTP_")},
            **{"HTTP_" + name.replace("-", "_").upper(): value for name, value in ask.headers.items()},
            "REQUEST_METHOD": ask.method, "PATH_INFO": ask.path, "QUERY_STRING": ask.query,
            "CONTENT_LENGTH": str(len(ask.body)), "wsgi.input": BytesIO(ask.body),
        }  # fmt: skip
        seen: list[Any] = []
        content = b"".join(self._app(passed, lambda status, headers, *_: seen.extend((status, headers))))
        return Reply(int(seen[0].split(" ", 1)[0]), dict(seen[1]), content)


class FaultyTransport:
    """Between the dispatcher and the real transport."""

    def __init__(self, inner: Any, one: Defect) -> None:
        self._inner = inner
        self._send = one.send
        self._memory: dict[str, Any] = {}

    @property
    def timeout(self) -> float:
        return float(self._inner.timeout)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, asker: str = "") -> SendResult:
        assert self._send is not None  # only such a defect has this transport
        outcome = SendResult(status=200)
        for sent in self._send(method, url, dict(headers), body, self._memory):
            outcome = await self._inner.send(*sent)
        return outcome


class Handler(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Nothing: a test asks for thousands."""

    def send_header(self, keyword: str, value: str) -> None:
        """Werkzeug writes a Date before the application's own: only the last one stays."""
        if keyword.lower() == "date":
            buffer: list[bytes] = getattr(self, "_headers_buffer", [])
            buffer[:] = [line for line in buffer if not line.lower().startswith(b"date:")]
        super().send_header(keyword, value)

    def connection_dropped(self, *_: Any) -> None:
        """Close it: Werkzeug would wait for the next request."""
        self.close_connection = True


@contextmanager
def running(one: Defect, port: int = 0) -> Iterator[str]:
    """The broken server live on loopback; its base URL."""
    system: System = build(Settings(variants={one.provider: one.variants}), on_drift=lambda exchange: None)
    dispatcher: Any = system.engine.dispatcher
    if one.send is not None:
        dispatcher._transport = FaultyTransport(
            dispatcher._transport, one
        )  # callbacks are changed here and nowhere else
    server = make_server("127.0.0.1", port, FaultLayer(system.app, one), threaded=True, request_handler=Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    dispatcher.start(system.engine)
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        dispatcher.stop()
        server.shutdown()
        server.server_close()
        thread.join(5)
