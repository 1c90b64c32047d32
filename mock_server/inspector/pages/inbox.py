"""The callback inbox of a sandbox: its address, the received requests, and the answers."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Flask, Response, request

from swapmock.mock_server.admin.inbox import address
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.inspector import reading
from swapmock.mock_server.inspector.site import Said, Site, back_with, gettext, number, told, vendor_url

#: The number of requests on a page.
PAGE = 20


def register(app: Flask, site: Site) -> None:
    """Add the page and the targets of its forms."""

    @app.get("/__admin/sandboxes/<sandbox>/inbox")
    def inbox(sandbox: str) -> Response:
        values = _values(site, site.box(sandbox))
        return site.page("inbox.html", panel="inbox", sandbox=sandbox, watch=[sandbox], **values)

    @app.post("/__admin/ui/sandboxes/<sandbox>/inbox/answers")
    def set_answers(sandbox: str) -> Response:
        """The statuses of the next answers, separated by commas; or one answer with a body."""
        statuses = re.findall(r"\d+", request.form.get("statuses", ""))[:100]
        body = request.form.get("body", "")
        answers: list[Any] = [{"status": int(one), "body": body} if body else int(one) for one in statuses]
        answer = site.call("PUT", f"/sandboxes/{sandbox}/inbox", {"answers": answers})
        return back_with(told(answer, gettext("The answers are set.")))

    @app.post("/__admin/ui/sandboxes/<sandbox>/inbox/clear")
    def clear_inbox(sandbox: str) -> Response:
        answer = site.call("DELETE", f"/sandboxes/{sandbox}/inbox")
        return back_with(Said("good", gettext("The inbox is empty.")) if not answer.is_refusal else told(answer, ""))


def _values(site: Site, box: Box) -> dict[str, Any]:
    mask, engine = site.mask(box), site.engine
    before = number("before", 0, 10**9, 0) or None
    reading.catch_up(box, engine)
    with box:
        found, answers, counted = box.inbox.newest(PAGE + 1, before), box.inbox.answers, box.inbox.counted
    return {
        "url": address(vendor_url(), box.sandbox.id),
        "answers": [(one.status, one.body) for one in answers],
        "statuses": ", ".join(str(one.status) for one in answers),
        "counted": counted,
        "rows": [
            {
                "number": one.number,
                "at": one.at,
                "method": one.method,
                "target": mask.text(one.target),
                "answered": one.answered,
                "tone": "good" if one.answered < 300 else "bad",
                "body": reading.pretty(one.body, engine, mask),
                "raw": reading.raw_request(one.method, one.target, one.headers.items(), one.body, mask),
                "size": one.size,
                "headline": mask.text(_headline(one.body)),
            }
            for one in found[:PAGE]
        ],
        "older": found[PAGE - 1].number if len(found) > PAGE else None,
        "before": before,
    }


def _headline(body: bytes) -> str:
    """Return the beginning of a body, on one line."""
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body[:500].decode("utf-8", "replace")
    text = " ".join(text.split())
    return text if len(text) <= 120 else text[:119] + "…"
