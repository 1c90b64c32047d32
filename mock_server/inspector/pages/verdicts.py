"""Verdicts: the last runs of `swapmock conform` and `swapmock check` with their evidence."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response

from swapmock.mock_server.admin.runs import run_named, run_row
from swapmock.mock_server.inspector.live import EVERYTHING
from swapmock.mock_server.inspector.site import Site, own_url
from swapmock.mock_server.inspector.verdicts import verdict_of


def register(app: Flask, site: Site) -> None:
    """Add the pages."""

    @app.get("/__admin/runs")
    def verdicts() -> Response:
        rows = [
            {**run_row(run, own_url()), "verdict": (made := verdict_of(run)), "against": _against(made.findings)}
            for run in site.engine.store.runs()
        ]
        return site.page("verdicts.html", panel="verdicts", watch=[EVERYTHING], rows=rows)

    @app.get("/__admin/runs/<run>")
    def verdict(run: str) -> Response:
        return site.page("verdict.html", panel="verdicts", watch=[], **verdict_values(site, run))


def _against(findings: Any) -> int:
    return sum(one.tone in ("bad", "wait") for one in findings)


def verdict_values(site: Site, name: str) -> dict[str, Any]:
    """Everything that the page of a run shows."""
    run = run_named(name, site.engine)
    return {"run": run_row(run, own_url()), "verdict": verdict_of(run)}
