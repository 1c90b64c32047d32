"""The Flask application: everything that the emulator serves, for any WSGI server and for the test client."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from swapmock.mock_server.admin.home import HTML, home_document, home_page, prefers_html
from swapmock.mock_server.core.inbox import START
from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.web.inbox import METHODS, receive
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.pipeline import Pipeline
from swapmock.mock_server.web.request_filter import ADMIN_HEADERS, Zone, refused, shows_token
from swapmock.mock_server.web.wsgi import ELSEWHERE, WsgiMiddleware, plain_request, read_request, respond, wsgi_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from swapmock.contracts import Operation

#: Where the paths of the admin API begin.
ADMIN = "/__admin"

#: The largest request that an inbox accepts, in bytes.
LONGEST_CALLBACK = 1 << 20


def create_app(pipeline: Pipeline, pause: Any, *, with_middleware: bool = True) -> Flask:
    """Return a Flask application for `pipeline`.

    `pause(seconds)` waits before a delayed answer. `with_middleware` answers contract operations before Flask's
    routing, which is faster."""
    app = Flask("swapmock", static_folder=None)
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False

    def vendor(**_: Any) -> Response:
        target = pipeline.match(request.method, request.path)
        if target is None:
            return _problem(404, f"nothing at {request.path}")
        return _Written(pipeline.serve(target, read_request(pipeline, request.environ, target)), pause)

    for api in pipeline.apis:
        for operation in api.contract.operations.values():
            name = f"{api.contract.name}:{operation.id}"
            rule = _rule(operation)
            app.add_url_rule(rule, name, vendor, methods=[operation.method], provide_automatic_options=False)
    app.add_url_rule("/health", "health", _health)
    app.add_url_rule("/ready", "ready", _health)
    for rule in (f"{START}<_sandbox>", f"{START}<_sandbox>/<path:_rest>"):
        app.add_url_rule(
            rule, rule, lambda **_: _inbox(pipeline, pause), methods=METHODS, provide_automatic_options=False
        )

    @app.get("/")
    def index() -> Response:
        try:
            return _index(pipeline, plain_request(request.environ))
        except HeldElsewhere as elsewhere:
            request.environ[ELSEWHERE] = elsewhere
            return Response(status=503)

    @app.before_request
    def check() -> Response | None:
        """Apply the request filter to the paths outside of every contract; the pipeline applies it to the others."""
        path = wsgi_path(request.environ)
        if path.startswith("//"):
            return _problem(404, "a path starts with one slash")  # by default Flask drops the other parts of the path
        if pipeline.match(request.method, request.path) is not None:
            return None
        asked = plain_request(request.environ)
        refusal = pipeline.request_filter.refusal(Zone.ADMIN if path == "/" else Zone.VENDOR, asked)
        if refusal is not None:
            return _Written(refused(refusal), pause)
        return None

    @app.after_request
    def protect(response: Response) -> Response:
        """Add the headers of pages to everything but answers of the pipeline."""
        if not isinstance(response, _Written):
            response.headers.extend(dict(ADMIN_HEADERS))
        return response

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        # A wrong method or an unknown path of a vendor's API gets the vendor's error response.
        if isinstance(error, NotFound | MethodNotAllowed) and pipeline.match(request.method, request.path) is not None:
            return vendor()
        if isinstance(error, NotFound) and request.url_rule is None:
            try:
                answer = pipeline.answer_unmatched(replace(plain_request(request.environ), body=request.get_data()))
            except HeldElsewhere as elsewhere:
                if request.path.startswith(ADMIN):  # the other process may have the admin API here
                    return _problem(404, f"nothing at {request.path}")
                request.environ[ELSEWHERE] = elsewhere  # Flask would make a 500 of it
                return Response(status=503)
            return _Written(answer, pause)
        return _problem(error.code or 500, error.description or "")

    if with_middleware:
        app.wsgi_app = WsgiMiddleware(pipeline, app.wsgi_app, pause)  # type: ignore[method-assign]  # Flask's documented place
    return app


class _Written(Response):
    """An answer of the pipeline, written exactly as `WsgiMiddleware` writes it."""

    def __init__(self, answer: Answer, pause: Callable[[float], None]) -> None:
        super().__init__(answer.body, answer.status, answer.headers)
        self._answer = answer
        self._pause = pause

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return respond(self._answer, environ, start_response, self._pause)


def _rule(operation: Operation) -> str:
    rule = operation.path
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            converter = "path:" if parameter.get("x-spans-slashes") else ""
            rule = rule.replace(f"{{{parameter['name']}}}", f"<{converter}{parameter['name']}>")
    return rule


def _inbox(pipeline: Pipeline, pause: Callable[[float], None]) -> Response:
    if (request.content_length or 0) > LONGEST_CALLBACK:
        return _problem(413, f"an inbox accepts at most {LONGEST_CALLBACK} bytes")
    asked = replace(plain_request(request.environ), body=request.get_data())
    return _Written(receive(pipeline.engine, asked), pause)


def _health() -> Response:
    return Response(b'{"status":"ok"}', content_type="application/json")


def _index(pipeline: Pipeline, asked: Request) -> Response:
    """Return the start page: JSON for a program, a page for a person. Keys are shown to a client that may use the
    admin API."""
    policy = pipeline.request_filter.policy
    has_admin = any(api.is_admin for api in pipeline.apis)
    may_use_admin = has_admin and (not policy.token or shows_token(policy.token, asked.headers))
    base_url = pipeline.engine.public_url or asked.base_url
    document = home_document(pipeline.engine, base_url, asked.base_url if has_admin else None, with_keys=may_use_admin)
    apis = {s.contract.name: f"{len(s.contract.operations)} operations under {s.prefix}" for s in pipeline.apis}
    if prefers_html(asked.headers):
        return Response(home_page(document), content_type=HTML, headers={"Vary": "Accept"})
    document |= {"swapmock": apis, "version": document["swapmock"], "health": "/health"}
    return Response(json.dumps(document), content_type="application/json", headers={"Vary": "Accept"})


def _problem(status: int, detail: str) -> Response:
    """Return problem details (RFC 9457), for paths outside of every vendor's API."""
    document = {
        "type": "about:blank",
        "title": Response(status=status).status.split(" ", 1)[-1],
        "status": status,
        "detail": detail,
    }
    return Response(json.dumps(document), status, content_type="application/problem+json")
