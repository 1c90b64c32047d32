"""Parsing of query strings and content types."""

from __future__ import annotations

from urllib.parse import parse_qsl

from swapmock.mock_server.web.messages import Request


def parsed_query(request: Request) -> dict[str, str]:
    """Return the decoded parameters of the query; for a repeated parameter the last value."""
    query = request.query
    if "%" not in query and "+" not in query:  # the usual case, five times faster
        return {name: value for part in query.split("&") if part for name, _, value in [part.partition("=")]}
    return dict(parse_qsl(query, keep_blank_values=True, errors="replace"))


def is_json(content_type: str) -> bool:
    """Return whether a Content-Type means JSON: `application/json`, or `application/` with `+json`."""
    if content_type == "application/json":
        return True
    essence = content_type.split(";", 1)[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))
