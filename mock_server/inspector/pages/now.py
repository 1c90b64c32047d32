"""The start page with the sandboxes; for one sandbox its clock, balance and tasks on a timeline; and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, Response, redirect, request, url_for

from swapmock.mock_server.admin.clock import clock_row
from swapmock.mock_server.admin.faults import fault_row
from swapmock.mock_server.admin.ledger import balance
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.engine.sandboxes import DEFAULT_SANDBOX
from swapmock.mock_server.inspector import reading, timeline
from swapmock.mock_server.inspector.live import EVERYTHING
from swapmock.mock_server.inspector.site import Site, gettext, number, vendor_url

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

#: The number of tasks on the timeline of a sandbox, and of listed rules and queue entries.
TASKS, LISTED = 30, 20


def register(app: Flask, site: Site) -> None:
    """Add the pages."""

    def home() -> Response:
        rows, total = reading.sandboxes(site.engine, number("from", 0, reading.MOST_SKIPPED, 0), site.ports.elsewhere)
        more: dict[str, Any] = {"rows": rows, "total": total, "first": number("from", 0, reading.MOST_SKIPPED, 0)}
        values = {**sandbox_values(site, site.box(DEFAULT_SANDBOX)), **more, "apis": _apis(site)}
        return site.page("home.html", panel="home", watch=[EVERYTHING, DEFAULT_SANDBOX], **values)

    app.add_url_rule("/__admin", "home", home)
    app.add_url_rule("/__admin/", "home_slash", home)

    @app.get("/__admin/sandboxes")
    def sandboxes() -> ResponseReturnValue:
        return redirect(url_for("home"), 302)

    @app.get("/__admin/sandboxes/<sandbox>")
    def now(sandbox: str) -> Response:
        box = site.box(sandbox)
        return site.page("now.html", panel="now", sandbox=sandbox, watch=[sandbox], **sandbox_values(site, box))

    @app.get("/__admin/sandboxes/<sandbox>/tasks")
    def tasks(sandbox: str) -> ResponseReturnValue:
        return redirect(url_for("now", sandbox=sandbox, _anchor="tasks"), 302)

    @app.get("/__admin/sandboxes/<sandbox>/ledger")
    def ledger(sandbox: str) -> Response:
        skip = number("from", 0, reading.MOST_SKIPPED, 0)
        entries, total, held = reading.ledger_page(site.box(sandbox), site.engine, skip)
        values: dict[str, Any] = {"entries": entries, "total": total, "held": held, "first": skip, "step": reading.PAGE}
        return site.page("ledger.html", panel="now", sandbox=sandbox, watch=[sandbox], **values)


def _apis(site: Site) -> list[dict[str, Any]]:
    """Return the emulated APIs, with the URL of each here and the services that it replaces."""
    return [
        {
            "name": name,
            "title": contract.document["info"]["title"],
            "url": vendor_url() + contract.behaviour.prefix,
            "stands_for": [server["url"] for server in contract.document["servers"]],
            "operations": len(contract.operations),
        }
        for name, contract in site.engine.contracts.items()
    ]


def sandbox_values(site: Site, box: Box) -> dict[str, Any]:
    """Return the template values for the page of a sandbox."""
    engine, skip = site.engine, number("skip", 0, reading.MOST_SKIPPED, 0)
    held, mask = reading.journal(box, engine), site.mask(box)
    with box:
        now = engine.now(box)
        clock, money, counts = clock_row(box.clock, now, box.next_due()), balance(box), dict(box.counts())
        found, options = box.newest_tasks(TASKS + 1, skip), box.sandbox
        faults = [fault_row(rule, box, mask) for rule in box.faults()[:LISTED]]
        queue = box.queue()[:LISTED]
    rows = [reading.task_item(task, now, engine, mask, gettext) for task in found[:TASKS]]
    marks = reading.marks(held, [row["id"] for row in rows])
    axis = timeline.axis_of(rows, marks, now)
    for row in rows:
        row["bar"] = timeline.bar(row, axis, marks[row["id"]], now)
        row["polls"] = sum(kind == "request" for _, kind, _ in marks[row["id"]])
    return {
        "id": options.id,
        "clock": clock,
        "money": money,
        "counts": counts,
        "dropped": held.dropped,
        "labels": mask.value(dict(options.labels)),
        "scenario": options.scenario,
        "tasks": rows,
        "axis": axis,
        "now_x": axis.x(now),
        "skip": skip,
        "has_more": len(found) > TASKS,
        "step": TASKS,
        "faults": mask.value(faults),
        "queue": [encode(item) for item in queue],
        "request_path": request.path,
    }
