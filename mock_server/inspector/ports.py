"""What the inspector gets from its server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: Keys of a page's WSGI environment: the base URL of the vendors' APIs for this client, and that of the admin API.
VENDOR_URL, OWN_URL = "swapmock.vendor_url", "swapmock.own_url"


class HttpRequest(NamedTuple):
    """A request to the emulator itself: `path` is decoded, `query` is not; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str


class HttpAnswer(NamedTuple):
    """The answer to a HttpRequest. `status` is 0 if a fault cut the connection."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Told(NamedTuple):
    """The answer of an operation of the admin API: the HTTP status and the JSON value."""

    status: int
    document: Any

    @property
    def is_refusal(self) -> bool:
        """Whether the operation refused the call."""
        return self.status >= 400

    @property
    def detail(self) -> str:
        """Why the operation refused the call, as text."""
        return str(self.document.get("detail", self.document)) if isinstance(self.document, Mapping) else ""


@dataclass(frozen=True)
class Ports:
    """Functions of the server for the pages.

    `ask` sends a request to the admin API, `send` one to a vendor's API, both without a network. `token` is the
    token of the admin API ("" for none), `secret` an unpredictable text. `media(sandbox, task, which, request)`
    answers with a file: `which` is the number of a result of the task, or the URL of one of its sources.
    `elsewhere(sandboxes)` returns the figures of those that other processes hold, by their ids. `ticks` is a time
    in seconds, `cpu` the seconds that this thread has computed."""

    engine: Engine
    ask: Callable[[HttpRequest], HttpAnswer]
    send: Callable[[HttpRequest], HttpAnswer]
    token: str
    secret: str
    media: Callable[[str, str, int | str, HttpRequest], HttpAnswer | None]
    ticks: Callable[[], float]
    cpu: Callable[[], float]
    elsewhere: Callable[[Sequence[str]], Mapping[str, Any]]

    def admin(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None, *, base_url: str = ""
    ) -> Told:
        """Call the operation of the admin API at `path` (below `/__admin`) with `method`, a JSON `body` and the
        parameters `query`. `base_url` is the one that the client used."""
        headers = {} if body is None else {"content-type": "application/json"}
        raw = b"" if body is None else json.dumps(body).encode()
        answer = self.ask(HttpRequest(method, f"/__admin{path}", urlencode(query or {}), headers, raw, base_url))
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = answer.body.decode("utf-8", "replace")
        return Told(answer.status, document)
