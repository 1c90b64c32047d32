"""Passes the requests of browsers to the inspector, and gives the inspector access to the emulator."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlsplit

from swapmock.mock_server.adapters.clock import cpu, ticks
from swapmock.mock_server.admin.home import prefers_html
from swapmock.mock_server.inspector.live import EVERYTHING, Live
from swapmock.mock_server.inspector.ports import OWN_URL, VENDOR_URL, HttpAnswer, HttpRequest, Ports
from swapmock.mock_server.web import files
from swapmock.mock_server.web.file_answers import file_answer
from swapmock.mock_server.web.messages import PLAIN, Answer, Request, once_prepared
from swapmock.mock_server.web.wsgi import environ_from

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from swapmock.mock_server.web.pipeline import Pipeline

log = logging.getLogger("swapmock")

#: The prefix of the paths that only the inspector has: files, forms, events.
OWN = "/__admin/ui/"

#: The server-sent events of open pages.
EVENTS = OWN + "events"

#: Paths of the admin API that also have a page. A client that prefers HTML gets the page.
SHARED = re.compile(
    r"/__admin/?|/__admin/sandboxes"
    r"|/__admin/sandboxes/[^/]+(?:/(?:tasks|requests|deliveries|why)(?:/[^/]+)?|/ledger|/inbox)?"
    r"|/__admin/runs(?:/[^/]+)?"
)

#: Paths below a sandbox that have only a page.
ONLY_PAGES = re.compile(r"/__admin/sandboxes/[^/]+/(?:media|try)")


class Others(Protocol):
    """The other processes of an emulator, as the pages use them. The methods may take long."""

    def ask(self, request: Request) -> Answer:
        """Return the answer of the admin API from the process that `request` belongs to."""

    def overviews(self, sandboxes: Sequence[str]) -> Mapping[str, Any]:
        """Return the fields of `reading.Overview` for those of `sandboxes` that other processes hold."""


class Inspector:
    """The inspector of one server. `admin` is the pipeline of the admin API, `vendors` that of the vendors' APIs."""

    def __init__(self, admin: Pipeline, vendors: Pipeline, token: str) -> None:
        self._admin = admin
        self._vendors = vendors
        self._token = token
        #: The other processes; None if there is only one process.
        self.others: Others | None = None

    def prepare(self) -> None:
        """Draw the secret of logins now, before the processes fork, so that each accepts logins of the others."""
        self._ports  # noqa: B018 - reading it makes it

    def takes(self, request: Request) -> bool:
        """Return whether a page answers `request`: it prefers HTML and there is a page, or its path belongs to the
        pages only."""
        path = request.path
        if path.startswith(OWN):
            return True
        if request.method not in ("GET", "HEAD"):
            return False
        if ONLY_PAGES.fullmatch(path):
            return True
        # The script of a page requests the changing part of the page with the Accept header */*.
        is_part = request.headers.get("hx-request") == "true"
        return SHARED.fullmatch(path) is not None and (is_part or prefers_html(request.headers))

    @cached_property
    def _live(self) -> Live:
        return Live(self._admin.engine, ticks)

    @cached_property
    def _application(self) -> WSGIApplication:
        """The Flask application, made for the first page: importing Flask would take most of the start time."""
        from swapmock.mock_server.inspector.application import create_inspector

        return create_inspector(self._ports, self._live)

    @cached_property
    def _ports(self) -> Ports:
        engine = self._admin.engine
        return Ports(
            engine, self._ask, self._send, self._token, engine.draw_key_seed(), self._media, ticks, cpu, self._elsewhere
        )

    def answer(self, request: Request) -> Answer:
        """Return the page, file or stream that `request` asks for."""
        if request.body_error:
            return Answer(413, PLAIN, f"the form is not taken: {request.body_error}\n".encode())
        answer = _through(self._application, request, self._admin.admin_calls.vendor_url_for(request))
        if request.path == EVENTS and answer.status == 200:
            watch = self._live.watch(parse_qs(request.query).get("sandbox", [EVERYTHING]))
            headers = [pair for pair in answer.headers if pair[0] != "content-length"]
            return answer._replace(headers=headers, body=watch.first(), stream=watch)
        return answer

    def _ask(self, asked: HttpRequest) -> HttpAnswer:
        shown = {"authorization": f"Bearer {self._token}"} if self._token else {}
        request = replace(_request(asked), headers={**asked.headers, **shown})
        if self.others is not None:
            answer = self.others.ask(request)
            return HttpAnswer(answer.status, answer.headers, answer.body)
        return _called(self._admin, request)

    def _elsewhere(self, sandboxes: Sequence[str]) -> Mapping[str, Any]:
        return {} if self.others is None else self.others.overviews(sandboxes)

    def _send(self, asked: HttpRequest) -> HttpAnswer:
        return _called(self._vendors, _request(asked))

    def _media(self, sandbox: str, task_id: str, which: int | str, asked: HttpRequest) -> HttpAnswer | None:
        engine = self._admin.engine
        try:
            box = engine.store.open(sandbox)
        except KeyError:
            return None
        with box:
            task = box.task(task_id)
        if isinstance(which, str):
            found = files.source_of(engine, box, which)
        else:
            found = None if task is None else files.result_of(engine, box, task, which)
        if found is None:
            return None
        answer = file_answer(found, engine, asked.method, asked.headers)
        return HttpAnswer(answer.status, answer.headers, answer.body)


def _request(asked: HttpRequest) -> Request:
    return Request(asked.method, asked.path, asked.query, asked.headers, asked.body, asked.base_url, client="127.0.0.1")


def _called(pipeline: Pipeline, request: Request) -> HttpAnswer:
    target = pipeline.match(request.method, request.path)
    answer = pipeline.answer_unmatched(request) if target is None else pipeline.answer(target, request)
    answer = once_prepared(answer)
    if answer.connection_fault in ("reset", "hang_up", "garbage"):
        return HttpAnswer(0, [], b"")
    return HttpAnswer(answer.status, answer.headers, answer.body)


def _through(application: WSGIApplication, request: Request, vendor_url: str) -> Answer:
    own = urlsplit(request.base_url)
    environ: dict[str, Any] = dict(
        environ_from(replace(request, base_url=f"{own.scheme}://{own.netloc}"), request.client)
    )
    environ |= {"SCRIPT_NAME": own.path, VENDOR_URL: vendor_url, OWN_URL: request.base_url}
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
        started[:] = [int(status.split(" ", 1)[0]), headers]
        return lambda _: None

    chunks = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    headers: list[tuple[str, str]] = [(name.lower(), value) for name, value in started[1]]
    return Answer(started[0], headers, body)
