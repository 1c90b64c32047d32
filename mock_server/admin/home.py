"""The start page: as JSON for a program, as a small page for a person."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from swapmock import __version__
from swapmock.mock_server.engine.sandboxes import DEFAULT_SANDBOX, credential_headers

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

HTML = "text/html; charset=utf-8"


def prefers_html(headers: Mapping[str, str]) -> bool:
    """Whether a client would rather get a page than JSON, by its Accept header (RFC 9110 12.5.1). `*/*` gets JSON."""
    weights = dict(_weighted(part) for part in headers.get("accept", "").split(","))
    wanted = weights.get("text/html", 0.0)
    return wanted > 0.0 and wanted >= weights.get("application/json", 0.0)


def _weighted(part: str) -> tuple[str, float]:
    """Return media type and weight of one part of an Accept header; an invalid part has the weight zero."""
    media_type, *parameters = (text.strip().lower() for text in part.split(";"))
    weight = next((text.removeprefix("q=") for text in parameters if text.startswith("q=")), "1")
    try:
        return media_type, max(0.0, min(1.0, float(weight)))
    except ValueError:
        return media_type, 0.0


def home_document(engine: Engine, base_url: str, admin_url: str | None, *, with_keys: bool) -> dict[str, Any]:
    """Return what runs here. `base_url` is that of the vendors' APIs, `admin_url` that of the admin API (None if
    this client cannot reach it). `with_keys` adds the credentials of the default sandbox."""
    providers = {
        name: {
            "title": contract.document["info"]["title"],
            "stands_for": [server["url"] for server in contract.document["servers"]],
            "base_url": base_url,
            "prefix": contract.behaviour.prefix,
            "operations": len(contract.operations),
            **({} if admin_url is None else {"contract": _contract_links(admin_url, name)}),
        }
        for name, contract in engine.contracts.items()
    }
    document: dict[str, Any] = {"swapmock": __version__, "providers": providers, "health": f"{base_url}/health"}
    if admin_url is not None:
        document["admin"] = {"base_url": f"{admin_url}/__admin", "contract": _contract_links(admin_url, "admin")}
    if with_keys:
        document["keys"] = _keys(engine)
    return document


def _contract_links(admin_url: str, name: str) -> dict[str, str]:
    return {form: f"{admin_url}/__admin/contracts/{name}.{form}" for form in ("json", "yaml")}


def _keys(engine: Engine) -> dict[str, dict[str, str]]:
    """Return the credential headers of the default sandbox, by provider."""
    found: dict[str, dict[str, str]] = {}
    for credential in engine.store.open(DEFAULT_SANDBOX).sandbox.credentials:
        if not credential.disabled:
            contract = engine.contracts[credential.provider]
            found.setdefault(credential.provider, credential_headers(contract, credential))
    return found


def home_page(document: Mapping[str, Any]) -> str:
    """Return the document as an HTML page, which needs no other file and runs no script."""
    rows = "".join(_provider_row(name, row, document) for name, row in document["providers"].items())
    admin = document.get("admin")
    links = [("health", document["health"])]
    if admin is not None:
        base = admin["base_url"]
        links += [("admin API", base), ("its contract", admin["contract"]["json"])]
        links += [
            ("sandboxes", f"{base}/sandboxes"),
            ("requests", f"{base}/requests"),
            ("magic values", f"{base}/magic"),
        ]
    listed = " · ".join(f'<a href="{escape(url)}">{escape(text)}</a>' for text, url in links)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>swapmock</title>'
        '<link rel="icon" href="data:,"><style>body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;'
        "padding:0 1em}td,th{padding:.3em 1em .3em 0;text-align:left;vertical-align:top}code{font-size:.9em}</style>"
        f"</head><body><h1>swapmock {escape(str(document['swapmock']))}</h1>"
        "<p>This server emulates these APIs. Nothing here costs anything, and nothing leaves this machine.</p>"
        f"<table><tr><th>API</th><th>replaces</th><th>base URL here</th><th>key</th><th>contract</th></tr>{rows}</table>"
        f"<p>{listed}</p></body></html>\n"
    )


def _provider_row(name: str, row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    keys = document.get("keys", {}).get(name, {})
    shown = "<br>".join(f"<code>{escape(header)}: {escape(value)}</code>" for header, value in keys.items())
    links = " ".join(f'<a href="{escape(url)}">{form}</a>' for form, url in row.get("contract", {}).items())
    cells = (
        f"{escape(row['title'])} (<code>{escape(name)}</code>)",
        "<br>".join(f"<code>{escape(url)}</code>" for url in row["stands_for"]),
        f"<code>{escape(row['base_url'])}</code><br>paths under <code>{escape(row['prefix'])}</code>",
        shown or "see the start of the server",
        links or "-",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
