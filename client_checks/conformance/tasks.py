"""How a poll names its task."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from swapmock.client_checks.conformance.envelope import parsed
from swapmock.client_checks.conformance.profile import Kind


def asked_id(context: Any, kind: Kind) -> str | None:
    """The id that a poll asked for; None if it named none."""
    exchange = context.exchange
    name = kind.ask["name"]
    if kind.ask["in"] == "query":
        return next(iter(parse_qs(urlsplit(exchange.url).query).get(name, ())), None)
    body = parsed(exchange.body)
    value = body.get(name) if isinstance(body, dict) else None
    return None if value is None else str(value)
