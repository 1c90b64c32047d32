"""Exports: curl commands, tests, and one self-contained HTML file of a task, an exchange, a delivery or a run."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template, request
from markupsafe import Markup

from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.inspector import media, reading
from swapmock.mock_server.inspector.pages.deliveries import delivery_values
from swapmock.mock_server.inspector.pages.exchanges import exchange_values
from swapmock.mock_server.inspector.pages.tasks import task_values
from swapmock.mock_server.inspector.pages.verdicts import verdict_values
from swapmock.mock_server.inspector.ports import HttpRequest
from swapmock.mock_server.inspector.site import Site, gettext, localized, own_url
from swapmock.mock_server.inspector.snippets.curl import curl_text
from swapmock.mock_server.inspector.snippets.plan import (
    Plan,
    Unrepeatable,
    plan_delivery,
    plan_exchange,
    plan_task,
)
from swapmock.mock_server.inspector.snippets.python import pytest_text
from swapmock.mock_server.inspector.snippets.vitest import vitest_text

#: The form of a test -> the function that writes it.
FORMS: Mapping[str, Callable[[Plan], str]] = {"pytest": pytest_text, "vitest": vitest_text}

#: The most bytes of pictures and videos in one exported file.
MOST_MEDIA = 4 << 20

STYLE = Path(__file__).parents[1] / "static" / "inspector.css"


def register(app: Flask, site: Site) -> None:
    """Add the pages and files."""

    @app.get("/__admin/ui/sandboxes/<sandbox>/<kind>/<name>/copy")
    def copies(sandbox: str, kind: str, name: str) -> Response:
        """Everything to copy, on one page."""
        box = site.box(sandbox)
        texts = {} if kind != "requests" else {"curl": _curl(site, box, name)}
        texts |= {form: _test(site, box, kind, name, form) for form in FORMS}
        values: dict[str, Any] = {"kind": kind, "name": name, "texts": texts}
        return site.page("copy.html", panel=PANELS[kind], sandbox=sandbox, watch=[], **values)

    @app.get("/__admin/ui/sandboxes/<sandbox>/<kind>/<name>/copy/<form>")
    def copy(sandbox: str, kind: str, name: str, form: str) -> Response:
        """One of them as plain text."""
        box = site.box(sandbox)
        if form == "curl" and kind == "requests":
            text = _curl(site, box, name)
        elif form in FORMS and kind in PANELS:
            text = _test(site, box, kind, name, form)
        else:
            raise not_found("form", form)
        return Response(text, content_type="text/plain; charset=utf-8")

    @app.get("/__admin/ui/sandboxes/<sandbox>/<kind>/<name>/export")
    def export(sandbox: str, kind: str, name: str) -> Response:
        if kind not in EXPORTS:
            raise not_found("kind of export", kind)
        template, values_of = EXPORTS[kind]
        box = site.box(sandbox)
        values = values_of(site, box, name)
        shown: dict[str, Any] = {"sandbox": sandbox, "facts": values.get("why"), "files": []}
        if kind == "tasks":
            shown["files"] = _files(site, box, name)
        return _exported(template, f"swapmock-{kind}-{name}", {**values, **shown})

    @app.get("/__admin/ui/runs/<run>/export")
    def export_run(run: str) -> Response:
        values = {**verdict_values(site, run), "sandbox": "", "facts": None, "files": []}
        return _exported("verdict_body.html", f"swapmock-run-{run}", values)


#: Kind of record in a path -> the panel that it belongs to.
PANELS = {"requests": "exchanges", "tasks": "now", "deliveries": "deliveries"}

#: Kind of record in a path -> its template, and the function that returns the template's values.
EXPORTS: Mapping[str, tuple[str, Callable[[Site, Box, str], dict[str, Any]]]] = {
    "requests": ("exchange_body.html", exchange_values),
    "tasks": ("task_body.html", task_values),
    "deliveries": ("delivery_body.html", delivery_values),
}


def _exchange(site: Site, box: Box, name: str) -> Exchange:
    found = reading.journal(box, site.engine).exchange(name)
    if found is None:
        raise not_found("request (the journal may have dropped it)", name)
    return found[1]


def _curl(site: Site, box: Box, name: str) -> str:
    return curl_text(_exchange(site, box, name), site.engine, site.mask(box), own_url(), box.sandbox.id)


def _test(site: Site, box: Box, kind: str, name: str, form: str) -> str:
    """Return the test as text; a comment with the reason if there can be none."""
    try:
        return FORMS[form](_plan(site, box, kind, name))
    except Unrepeatable as why:
        mark = "#" if form == "pytest" else "//"
        text = gettext("This cannot be repeated:")
        return f"{mark} {text} {localized(why)}\n"


def _plan(site: Site, box: Box, kind: str, name: str) -> Plan:
    if kind == "requests":
        return plan_exchange(box, site.engine, _exchange(site, box, name))
    reading.catch_up(box, site.engine)
    with box:
        task, delivery = box.task(name), box.delivery(name)
    if kind == "tasks" and task is not None:
        return plan_task(box, site.engine, task)
    if kind == "deliveries" and delivery is not None:
        return plan_delivery(box, site.engine, delivery)
    raise not_found(kind, name)


def _files(site: Site, box: Box, name: str) -> list[tuple[str, str, str]]:
    """Return kind, name and data URI of the results of a task, if they are small enough."""
    with box:
        task, now = box.task(name), site.engine.now(box)
    if task is None:
        return []
    found, left = [], MOST_MEDIA
    for one in media.results(task, site.engine, now):
        asked = HttpRequest("GET", "", "", {}, b"", own_url())
        answer = site.ports.media(box.sandbox.id, task.id, one.number, asked)
        if answer is None or len(answer.body) > left:
            continue
        left -= len(answer.body)
        kind = next((value for header, value in answer.headers if header.lower() == "content-type"), "image/jpeg")
        found.append((one.kind, f"{one.number + 1}", f"data:{kind};base64,{b64encode(answer.body).decode()}"))
    return found


def _exported(template: str, name: str, values: Mapping[str, Any]) -> Response:
    """Return one self-contained HTML file without links, scripts and buttons."""
    style = Markup(STYLE.read_text("utf-8"))
    shown = {"panel": "", "watch": [], **values, "exporting": True, "body": template, "style": style}
    text = render_template("export.html", name=name, query=request.args, **shown)
    text = re.sub(r"<button\b.*?</button>", "", text, flags=re.DOTALL)
    text = re.sub(r"<a\b[^>]*>", "<span>", text).replace("</a>", "</span>")
    answer = Response(text, content_type="text/html; charset=utf-8")
    plain = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII)[:120]
    answer.headers["Content-Disposition"] = f'attachment; filename="{plain}.html"'
    return answer
