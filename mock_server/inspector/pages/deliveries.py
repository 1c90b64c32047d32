"""Deliveries: each callback with its attempts over time, and the bytes in both directions."""

from __future__ import annotations

from itertools import islice
from typing import Any

from flask import Flask, Response, request

from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.delivery import KEPT_ANSWER, Delivery, DeliveryState
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.inspector import reading, timeline, words
from swapmock.mock_server.inspector.site import Site, gettext, number


def register(app: Flask, site: Site) -> None:
    """Add the pages."""

    @app.get("/__admin/sandboxes/<sandbox>/deliveries")
    def deliveries(sandbox: str) -> Response:
        box = site.box(sandbox)
        return site.page("deliveries.html", panel="deliveries", sandbox=sandbox, watch=[sandbox], **_list(site, box))

    @app.get("/__admin/sandboxes/<sandbox>/deliveries/<name>")
    def delivery(sandbox: str, name: str) -> Response:
        values = delivery_values(site, site.box(sandbox), name)
        return site.page("delivery.html", panel="deliveries", sandbox=sandbox, watch=[sandbox], **values)


def _list(site: Site, box: Box) -> dict[str, Any]:
    reading.catch_up(box, site.engine)
    with box:
        found = box.deliveries()
    state, task = request.args.get("status", ""), request.args.get("task", "").strip()
    wanted = [one for one in reversed(found) if (not state or one.state == state) and (not task or one.task == task)]
    skip, mask = number("skip", 0, reading.MOST_SKIPPED, 0), site.mask(box)
    page = list(islice(wanted, skip, skip + reading.PAGE))
    return {
        "rows": [reading.delivery_item(one, mask, gettext) for one in page],
        "total": len(wanted),
        "skip": skip,
        "step": reading.PAGE,
        "has_more": skip + reading.PAGE < len(wanted),
        "state": state,
        "task_filter": task,
        "states": [str(one) for one in DeliveryState],
    }


def delivery_values(site: Site, box: Box, name: str) -> dict[str, Any]:
    """Return the template values for the page of the delivery `name` in the open sandbox `box`."""
    engine, mask = site.engine, site.mask(box)
    reading.catch_up(box, engine)
    with box:
        found, now = box.delivery(name), engine.now(box)
    if found is None:
        raise not_found("delivery", name)
    begin = min([found.created_at, *(one.due for one in found.attempts)])
    end = max([found.created_at, *(one.sent for one in found.attempts), found.next_due or 0.0])
    axis = timeline.Axis(begin, max(end, begin + 0.001) + max(end - begin, 0.001) * 0.05)
    attempts = [
        {
            "number": one.attempt,
            "x": axis.x(one.sent),
            "due": one.due,
            "sent": one.sent,
            "latency": one.latency,
            "status": one.status,
            "failure": mask.text(one.failure),
            "tone": "bad" if one.failure else "good",
            "answer": reading.pretty(one.answer, engine, mask),
            "is_cut": len(one.answer) == KEPT_ANSWER,
            "request": reading.raw_message(one.request_head, found.payload(one.attempt), mask),
            "came": reading.raw_message(one.answer_head, one.answer, mask),
            "next_due": one.next_due,
        }
        for one in found.attempts
    ]
    return {
        "item": reading.delivery_item(found, mask, gettext),
        "attempts": attempts,
        "axis": axis,
        "now": now,
        "next_x": None if found.next_due is None else axis.x(found.next_due),
        "request": "" if any(one.request_head for one in found.attempts) else raw_callback(site, found, mask),
        "kept": KEPT_ANSWER,
        "body": reading.pretty(found.body, engine, mask),
        "waits": found.waits,
        "meaning": gettext(words.DELIVERY_WORDS[found.state][1]),
        "callback_fault": found.callback_fault,
        "cause": found.cause,
    }


def raw_callback(site: Site, delivery: Delivery, mask: Any) -> str:
    """Return the request that an attempt of `delivery` will send. An attempt that was made has the real one. `mask` hides secrets."""
    rules = site.engine.contracts[delivery.provider].behaviour.callbacks
    method, headers = ("POST", {}) if rules is None else (rules.method, dict(rules.headers))
    pairs = [("Host", delivery.host), *headers.items(), ("Content-Length", str(len(delivery.body)))]
    target = "/" + delivery.url.partition("://")[2].partition("/")[2]
    return reading.raw_request(method, target, pairs, delivery.body, mask)
