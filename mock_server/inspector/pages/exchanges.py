"""Exchanges: a live list with filters in the URL, and a page for each that shows everything that decided its answer."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from swapmock.mock_server.admin import explanations
from swapmock.mock_server.admin.records import readable
from swapmock.mock_server.admin.why import KINDS
from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.call import Call
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.inspector import reading, schemas, sequence, words
from swapmock.mock_server.inspector.site import Site, gettext, number, own_url, vendor_url


def register(app: Flask, site: Site) -> None:
    """Add the pages."""

    @app.get("/__admin/sandboxes/<sandbox>/requests")
    def exchanges(sandbox: str) -> Response:
        box = site.box(sandbox)
        return site.page("exchanges.html", panel="exchanges", sandbox=sandbox, watch=[sandbox], **_list(site, box))

    @app.get("/__admin/sandboxes/<sandbox>/requests/<name>")
    def exchange(sandbox: str, name: str) -> Response:
        values = exchange_values(site, site.box(sandbox), name)
        return site.page("exchange.html", panel="exchanges", sandbox=sandbox, watch=[], **values)

    @app.get("/__admin/sandboxes/<sandbox>/why")
    def why_list(sandbox: str) -> ResponseReturnValue:
        return redirect(url_for("exchanges", sandbox=sandbox), 302)

    @app.get("/__admin/sandboxes/<sandbox>/why/<path:name>")
    def why(sandbox: str, name: str) -> ResponseReturnValue:
        """The page of the request, task or delivery that `why` would explain."""
        kind, slash, rest = name.partition("/")
        name = rest if slash and kind in KINDS else name
        box = site.box(sandbox)
        with box:
            is_task, is_delivery = box.task(name) is not None, box.delivery(name) is not None
        if is_delivery:
            return redirect(url_for("delivery", sandbox=sandbox, name=name), 302)
        return redirect(url_for("task" if is_task else "exchange", sandbox=sandbox, name=name), 302)


def _list(site: Site, box: Box) -> dict[str, Any]:
    held, mask, engine = reading.journal(box, site.engine), site.mask(box), site.engine
    filters = {name: value for name in reading.FILTERS if (value := request.args.get(name, "").strip())}
    before = number("before", 0, 10**12, 0) or None
    result, text = request.args.get("result", ""), request.args.get("text", "").strip()
    found, has_more = reading.exchanges(held, filters, before, result, text)
    with box:
        counts = box.counts()
    return {
        "rows": [reading.exchange_item(count, one, engine, mask, gettext) for count, one in found],
        "has_more": has_more,
        "last": found[-1][0] if found else None,
        "before": before,
        "filters": {name: filters.get(name, "") for name in reading.FILTERS},
        "result": result,
        "text": text,
        "dropped": held.dropped,
        "total": counts["exchanges"],
        "providers": list(engine.contracts),
        "operations": sorted({one for contract in engine.contracts.values() for one in contract.operations}),
        "is_filtered": bool(filters or result or text),
    }


def why_of(site: Site, box: Box, name: str) -> dict[str, Any]:
    """Return the answer of the operation `explain` for `name`. Raises Problem `not_found`."""
    call = Call("explain", {"id": name}, None, b"", {}, box, 0.0, {}, vendor_url(), "", "admin", own_url=own_url())
    explain = site.engine_handlers["explain"]
    return dict(explain(call, site.engine).data)


def exchange_values(site: Site, box: Box, name: str) -> dict[str, Any]:
    """Return the template values for the page of the exchange `name` in the sandbox `box`."""
    held, mask, engine = reading.journal(box, site.engine), site.mask(box), site.engine
    found = held.exchange(name)
    if found is None:
        raise not_found("request (the journal may have dropped it)", name)
    count, one = found
    why = why_of(site, box, name)
    contract = engine.contracts[one.provider]
    operation = contract.operations.get(one.operation)
    return {
        "item": reading.exchange_item(count, one, engine, mask, gettext),
        "why": why,
        "violations": _violations(one, operation, site, mask),
        "drift": mask.value([breach._asdict() for breach in one.drift]),
        "evidence": None if operation is None else dict(operation.evidence),
        "summary": "" if operation is None else str(operation.spec.get("summary", "")),
        "operation_path": "" if operation is None else f"{operation.method} {operation.path}",
        "request_headers": mask.headers(one.headers),
        "request_body": reading.pretty(one.body, engine, mask),
        "answer_headers": mask.headers(one.answer_headers),
        "answer_body": reading.pretty(one.answer, engine, mask),
        "steps": sequence.steps(why["chain"]),
        "delay": one.delay,
        "previous": _neighbour(held, count, -1),
        "next": _neighbour(held, count, 1),
        "is_preflight": one.operation == "preflight",
    }


def _violations(one: Exchange, operation: Any, site: Site, mask: Any) -> list[dict[str, Any]]:
    """Return each violation of the request with its sentence and the description in the schema."""
    if operation is None or not one.violations:
        return []
    body = readable(one.body, site.engine)
    contract = site.engine.contracts[one.provider]
    told = explanations.violations(one, contract, site.engine)
    return [
        {
            "text": mask.text(words.violation_text(row, gettext)),
            "place": f"{row['in']}{mask.text(row['pointer'])}",
            "rule": row["rule"],
            "got": mask.value(row.get("got")),
            "schema": schemas.words_at(operation, body, breach.place),
        }
        for row, breach in zip(told, one.violations, strict=True)
    ]


def _neighbour(held: reading.Held, count: int, step: int) -> str | None:
    """Return the id of the next older or newer exchange; None if there is none."""
    index = count - held.dropped - 1 + step
    while 0 <= index < len(held.records):
        record = held.records[index]
        if isinstance(record, Exchange):
            return record.id
        index += step
    return None
