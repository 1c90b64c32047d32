"""Puts Schemathesis over a provider's surface: a WSGI layer tells it what answers amount to, and its hooks the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.hooks import install_hooks
from swapmock.client_checks.conformance.profile import profile
from swapmock.contracts import Contract, load
from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from tests.conftest import START

FIXED = settings(
    max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


class Judged:
    """WSGI layer that answers with the status an answer amounts to, and serves the contract at /contract.json."""

    def __init__(self, app: Any, contract: Contract) -> None:
        self._app = app
        self._contract = contract
        self._envelope = Envelope(contract)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/contract.json":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._contract.document).encode()]
        seen: list[Any] = []
        content = b"".join(self._app(environ, lambda status, headers, *_: seen.extend((status, headers))))
        status = self._envelope.judged(int(seen[0].split(" ", 1)[0]), content)
        start_response(f"{status} Judged", seen[1])
        return [content]


def schema_over(provider: str, http_status: str, app: Any = None, *, with_edges: bool = True, **choices: str) -> Any:
    """The contract's schema, bound to a fresh emulator with this reading of the HTTP status and these other variants, or
    to `app`. Edge cases take most of the time: once for an operation will do."""
    contract, facts = load(provider), profile(provider)
    variants = {provider: {"http_status": http_status, **choices}}
    if app is None:
        app = build(Settings(balance=1e9, variants=variants), ManualTime(START)).app
    config = SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "headers": credentials(provider),
            "generation": {"deterministic": True},
            "phases": {"coverage": {"enabled": with_edges}},
        }
    )
    schema = schemathesis.openapi.from_wsgi("/contract.json", Judged(app, contract), config=config)
    install_hooks(schema, contract, facts, contract.behaviour.choose(variants[provider]))
    return schema


def credentials(provider: str) -> dict[str, str]:
    row = load(provider).behaviour.credentials["default"]
    return {one.header: str(row[one.field]) for one in profile(provider).credentials}
