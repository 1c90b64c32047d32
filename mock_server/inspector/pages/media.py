"""Media: faces, sources and results side by side, and the uploads with their faults."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.journal import Exchange, File
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.inspector import media, reading
from swapmock.mock_server.inspector.ports import HttpAnswer, HttpRequest
from swapmock.mock_server.inspector.site import Site, gettext, number, own_url

#: The number of tasks on a page, and how many of the newest tasks are searched for them.
TASKS, LOOKED_AT = 12, 500

#: The number of listed uploads, and of listed exchanges of uploads.
UPLOADS = 20


def register(app: Flask, site: Site) -> None:
    """Add the pages."""

    @app.get("/__admin/sandboxes/<sandbox>/media", endpoint="media")
    def gallery(sandbox: str) -> Response:
        values = _gallery(site, site.box(sandbox))
        return site.page("media.html", panel="media", sandbox=sandbox, watch=[sandbox], **values)

    @app.get("/__admin/ui/sandboxes/<sandbox>/tasks/<name>/results/<int:which>")
    def result(sandbox: str, name: str, which: int) -> Response:
        return _file(site.ports.media(sandbox, name, which, _asked()))

    @app.get("/__admin/ui/sandboxes/<sandbox>/tasks/<name>/sources/<int:which>")
    def source(sandbox: str, name: str, which: int) -> Response:
        box = site.box(sandbox)
        with box:
            task = box.task(name)
        if task is None:
            raise not_found("task", name)
        url = next((one.url for one in media.sources(task, site.engine) if one.number == which), None)
        return _file(None if url is None else site.ports.media(sandbox, name, url, _asked()))


def _asked() -> HttpRequest:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return HttpRequest(request.method, request.path, "", headers, b"", own_url())


def _file(answer: HttpAnswer | None) -> Response:
    if answer is None:
        raise NotFound(gettext("There is no such file, or no longer."))
    made = Response(answer.body, answer.status)
    del made.headers["Content-Type"]
    for name, value in answer.headers:
        made.headers[name] = value
    return made


def task_media(task: Task, site: Site, now: float, mask: Any) -> dict[str, Any]:
    """Return the sources and results of a task for a template, at the sandbox time `now`. `mask` hides secrets."""
    end = media.expires_at(task, site.engine)
    found = media.results(task, site.engine, now)
    return {
        "sources": [(one, mask.text(one.url)) for one in media.sources(task, site.engine)],
        "results": found,
        "is_expired": bool(found) and end is not None and now >= end,
        "expires_at": end,
        "are_faces": task.kind in getattr(site.engine.contracts[task.provider].behaviour.files, "faces", ()),
    }


def _gallery(site: Site, box: Box) -> dict[str, Any]:
    engine, mask = site.engine, site.mask(box)
    skip = number("skip", 0, reading.MOST_SKIPPED, 0)
    held = reading.journal(box, engine)
    with box:
        now, tasks, uploads = engine.now(box), box.newest_tasks(LOOKED_AT, skip), box.newest_files(UPLOADS)
    rows, looked = [], 0
    for task in tasks:
        looked += 1
        shown = task_media(task, site, now, mask)
        if shown["results"]:
            rows.append({**reading.task_item(task, now, engine, mask, gettext), **shown})
        if len(rows) == TASKS:
            break
    return {
        "rows": rows,
        "skip": skip,
        "older": skip + looked if looked < len(tasks) or len(tasks) == LOOKED_AT else None,
        "uploads": [_upload(file, now) for file in uploads],
        "sent": _upload_exchanges(held, site, mask),
    }


def _upload(file: File, now: float) -> dict[str, Any]:
    return {
        "name": file.name,
        "content_type": file.content_type,
        "size": file.size,
        "cause": file.cause,
        "expires_at": file.expires_at if file.size is not None else file.link_expires_at,
        "is_expired": now >= (file.expires_at if file.size is not None else file.link_expires_at),
    }


def _upload_exchanges(held: reading.Held, site: Site, mask: Any) -> list[dict[str, Any]]:
    """Return the newest exchanges of files: those of public operations, which belong to no vendor's API."""
    found = []
    for count, record in held.numbered:
        if isinstance(record, Exchange) and record.operation:
            operation = site.engine.contracts[record.provider].operations.get(record.operation)
            if operation is not None and operation.is_public:
                found.append(reading.exchange_item(count, record, site.engine, mask, gettext))
        if len(found) == UPLOADS:
            break
    return found
