"""A receiver of callbacks for tests, on pytest-httpserver."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


@dataclass(frozen=True)
class Callback:
    """One received callback. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as parsed JSON. Raises ValueError if it is not JSON."""
        return json.loads(self.body)


class Inbox:
    """The receiver, used as `with Inbox() as inbox: inbox.url`. Every callback is answered with `answer`, which a
    test may replace.

    `answer` is the JSON value of an HTTP 200, or a function that takes a Callback and returns (HTTP status, JSON
    value)."""

    def __init__(self) -> None:
        self._server = HTTPServer(host="127.0.0.1", port=0)
        self._arrived = threading.Condition()
        self.received: list[Callback] = []
        self.answer: Any | Callable[[Callback], tuple[int, Any]] = {"code": "200"}

    @property
    def url(self) -> str:
        """The callback URL to give to the vendor."""
        return f"http://127.0.0.1:{self._server.port}/callback"

    @property
    def port(self) -> int:
        """The port of the receiver."""
        return int(self._server.port)

    def __enter__(self) -> Self:
        self._server.expect_request(re.compile(".*")).respond_with_handler(self._take)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.clear()
        self._server.stop()

    def wait(self, count: int = 1, timeout: float = 10.0) -> list[Callback]:
        """Wait until `count` callbacks have come. Raises AssertionError after `timeout` real seconds."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.received) >= count, timeout):
                raise AssertionError(f"{len(self.received)} of {count} callbacks came within {timeout:g} s")
            return list(self.received)

    def _take(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        got = Callback(
            request.method, request.path, request.query_string.decode("latin-1"), headers, request.get_data()
        )
        status, value = self.answer(got) if callable(self.answer) else (200, self.answer)
        with self._arrived:
            self.received.append(got)
            self._arrived.notify_all()
        return Response(json.dumps(value), status, content_type="application/json")
