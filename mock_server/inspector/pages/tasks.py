"""One task: everything that happened to it, on one timeline of its sandbox's clock."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response

from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.inspector import reading, sequence, timeline
from swapmock.mock_server.inspector.pages.exchanges import why_of
from swapmock.mock_server.inspector.site import Site, gettext


def register(app: Flask, site: Site) -> None:
    """Add the page."""

    @app.get("/__admin/sandboxes/<sandbox>/tasks/<name>")
    def task(sandbox: str, name: str) -> Response:
        values = task_values(site, site.box(sandbox), name)
        return site.page("task.html", panel="now", sandbox=sandbox, watch=[sandbox], **values)


def task_values(site: Site, box: Box, name: str) -> dict[str, Any]:
    """Return the template values for the page of the task `name` in the sandbox `box`."""
    engine, mask = site.engine, site.mask(box)
    held = reading.journal(box, engine)
    with box:
        found, now = box.task(name), engine.now(box)
    if found is None:
        raise not_found("task", name)
    item = reading.task_item(found, now, engine, mask, gettext)
    marks = reading.marks(held, [found.id])
    axis = timeline.axis_of([item], marks, now)
    why = why_of(site, box, found.id)
    return {
        "item": item,
        "row": why["task"],
        "why": why,
        "request_body": reading.pretty(found.request, engine, mask),
        "axis": axis,
        "bar": timeline.bar(item, axis, marks[found.id], now),
        "now_x": axis.x(now),
        "steps": sequence.steps(why["chain"]),
        "polls": sum(kind == "request" for _, kind, _ in marks[found.id]),
        "deliveries": [
            reading.delivery_item(one, mask, gettext)
            for row in why["deliveries"][: reading.PAGE]
            if (one := box.delivery(row["id"])) is not None
        ],
        "entries": why["ledger"],
        "cause_is_kept": held.exchange(found.cause) is not None,
    }
