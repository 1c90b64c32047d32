"""The Flask application of the inspector."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from flask import Flask, Response, g, make_response, redirect, request, url_for
from jinja2 import StrictUndefined
from werkzeug.exceptions import Forbidden, HTTPException

from swapmock import __version__
from swapmock.mock_server.admin import wire
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.timetext import format_timestamp
from swapmock.mock_server.inspector import site as sites
from swapmock.mock_server.inspector import words
from swapmock.mock_server.inspector.access import FIELD, HEADER, LOGIN_SECONDS
from swapmock.mock_server.inspector.languages import LANGUAGES, best_language
from swapmock.mock_server.inspector.live import Live
from swapmock.mock_server.inspector.pages import (
    copying,
    deliveries,
    exchanges,
    inbox,
    media,
    now,
    steering,
    tasks,
    try_it,
    verdicts,
)
from swapmock.mock_server.inspector.ports import Ports
from swapmock.mock_server.inspector.reading import clock_text
from swapmock.mock_server.inspector.site import (
    Said,
    Site,
    cookie_path,
    gettext,
    ngettext,
    own_url,
    set_cookie,
    vendor_url,
)

log = logging.getLogger("swapmock")

#: The cookie with the chosen language, and how long it is valid, in seconds.
LANGUAGE, LANGUAGE_SECONDS = "swapmock_language", 365 * 86400

#: The prefix of the paths that only the inspector has.
OWN = "/__admin/ui/"

#: Endpoints that need no login: the login page, and the files that it needs.
OPEN = frozenset({"static", "log_in"})

#: How long the changing part of a page is reused for other pages that request the same part, in seconds.
SHARED_SECONDS = 0.25


def create_inspector(ports: Ports, live: Live) -> Flask:
    """Return the application. `live` tells open pages what has changed."""
    app = Flask("swapmock.mock_server.inspector", static_url_path="/__admin/ui/static")
    app.url_map.strict_slashes = True
    app.jinja_env.autoescape = True
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    site = Site(ports, live)
    app.jinja_env.filters |= {
        "clock": clock_text,
        "moment": format_timestamp,
        "ticked": sites.ticked,
        "localized": sites.localized,
    }
    app.jinja_env.globals |= {"version": __version__, "signs": words.SIGNS, "languages": LANGUAGES}
    app.context_processor(page_context)
    _protect(app, site)
    _log_in(app, site)
    _share(app, site)
    for pages in (now, tasks, exchanges, deliveries, media, try_it, inbox, verdicts, copying, steering):
        pages.register(app, site)
    return app


def page_context() -> dict[str, Any]:
    """Return the names that all templates have."""
    request_values = {name: g.get(name, default) for name, default in (("form_value", ""), ("may_log_out", False))}
    return {**sites.context(), **request_values, "language": g.language}


def _protect(app: Flask, site: Site) -> None:
    """Language, login and forged forms before each page; safety headers and errors after it."""

    @app.before_request
    def prepare() -> Response | None:
        chosen = request.args.get("lang") or request.cookies.get(LANGUAGE, "")
        g.language = chosen if chosen in LANGUAGES else best_language(request.headers.get("Accept-Language", ""))
        cookie = request.cookies.get(site.cookie, "")
        is_known = not site.access.needs_login or site.access.accepts_header(request.headers.get("Authorization", ""))
        g.may_log_out = site.access.needs_login and site.access.is_login(cookie, site.engine.time.now())
        is_known = is_known or g.may_log_out
        if not is_known and request.endpoint not in OPEN:
            return site.page("login.html", status=401, wrong=False, back=request.full_path)
        g.form_value = site.access.form_value(cookie)
        if request.method == "GET" and not request.path.startswith(OWN):
            g.versions = site.versions(str((request.view_args or {}).get("sandbox", "")))
        if request.method == "POST" and request.endpoint != "log_in":
            shown = request.form.get(FIELD) or request.headers.get(HEADER, "")
            if not site.access.accepts_form(shown, cookie):
                raise Forbidden(gettext("This page is of an earlier start of the emulator. Load it again, and repeat."))
        return None

    @app.after_request
    def finish(answer: Response) -> Response:
        if request.args.get("lang") in LANGUAGES:
            set_cookie(answer, LANGUAGE, request.args["lang"], LANGUAGE_SECONDS)
        answer.headers.setdefault("Content-Security-Policy", content_policy(own_url(), vendor_url()))
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["X-Frame-Options"] = "DENY"
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        answer.headers.pop("Access-Control-Allow-Origin", None)  # files have it where they are public
        if request.endpoint != "static":
            answer.headers["Cache-Control"] = "no-store"
            answer.headers["Vary"] = "Accept, Accept-Language, Cookie"
        return answer

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        code = error.code or 500
        if code < 400:
            return make_response(error.get_response())
        return site.page("error.html", status=code, title=error.name, detail=error.description or "")

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        log.error("the page %s failed", request.path, exc_info=error)
        detail = gettext("This is a bug in swapmock. The log of the server says more.")
        return site.page("error.html", status=500, title="Internal Server Error", detail=detail)

    @app.errorhandler(Problem)
    def explain(problem: Problem) -> Response:
        answer = wire.render_problem(problem, {})
        return site.page("error.html", status=answer.status, title=answer.body["title"], detail=answer.body["detail"])


def content_policy(own: str, vendors: str) -> str:
    """Return the Content-Security-Policy: it allows only our own files, and pictures and videos of the vendors'
    APIs, which may have another port."""
    media = "'self'" if own == vendors or not vendors.isascii() else f"'self' {'/'.join(vendors.split('/')[:3])}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; "
        f"img-src {media}; media-src {media}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _log_in(app: Flask, site: Site) -> None:
    @app.post("/__admin/ui/login")
    def log_in() -> Response:
        """Exchange the token for a cookie."""
        if not site.access.accepts_token(request.form.get("token", "").strip()):
            return site.page("login.html", status=401, wrong=True, back=request.form.get("back", ""))
        answer = sites.back_with(Said("good", gettext("You are logged in.")))
        cookie = site.access.login(secrets.token_hex(16), site.engine.time.now())
        set_cookie(answer, site.cookie, cookie, LOGIN_SECONDS)
        return answer

    @app.post("/__admin/ui/logout")
    def log_out() -> Response:
        answer = make_response(redirect(url_for("home"), 303))
        answer.delete_cookie(site.cookie, path=cookie_path())
        return answer

    @app.get("/__admin/ui/events")
    def events() -> Response:
        """The beginning of the events. A server that can goes on from there."""
        first = site.live.watch(request.args.getlist("sandbox")).first()
        return Response(first, content_type="text/event-stream; charset=utf-8")


def _share(app: Flask, site: Site) -> None:
    """Count what live pages compute. Pages that ask for the same part at the same time get one answer."""
    kept: dict[Any, tuple[float, bytes]] = {}

    def key() -> tuple[str, ...] | None:
        is_part = request.method == "GET" and request.headers.get("HX-Target") == "live"
        return (request.full_path, g.language, g.form_value, own_url(), vendor_url()) if is_part else None

    @app.before_request
    def begin() -> Response | None:
        g.part, g.began = key(), site.ports.cpu()
        at, text = kept.get(g.part, (0.0, b"")) if g.part else (0.0, b"")
        return Response(text) if text and site.ports.ticks() - at < SHARED_SECONDS else None

    @app.after_request
    def end(answer: Response) -> Response:
        if g.get("part") and answer.status_code == 200:
            site.live.budget.spend(site.ports.cpu() - g.began)
            if len(kept) > 64:
                kept.clear()
            kept[g.part] = site.ports.ticks(), answer.get_data()
        return answer
