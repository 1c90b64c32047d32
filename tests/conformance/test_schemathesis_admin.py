"""Schemathesis over the whole admin API, by its contract: no server error, and no answer outside the contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup

from swapmock.contracts import load
from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from tests.conftest import START

CONTRACT = load("admin")
FIXED = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
HELD = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


class WithContract:
    """WSGI layer that serves the contract at /contract.json, and everything else as it is."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/contract.json":
            return self._app(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(CONTRACT.document).encode()]


def schema() -> Any:
    system = build(Settings(), ManualTime(START))
    config = SchemathesisConfig.from_dict({"seed": 1, "generation": {"deterministic": True}})
    return schemathesis.openapi.from_wsgi("/contract.json", WithContract(system.app), config=config)


SCHEMA = schema()
CHOSEN: Any = [CHECKS.get_one(name) for name in HELD]


@pytest.mark.parametrize("examples", [5, pytest.param(25, marks=pytest.mark.long)])
@pytest.mark.parametrize("operation", sorted(CONTRACT.operations))
def test_by_the_contract(operation: str, examples: int) -> None:
    where = CONTRACT.operations[operation]
    case = SCHEMA[where.path][where.method]

    @settings(FIXED, max_examples=examples)
    @given(case=case.as_strategy())
    def ask(case: Any) -> None:
        if "sandbox" in (case.path_parameters or {}):
            case.path_parameters["sandbox"] = "default"
        case.call_and_validate(checks=CHOSEN)

    ask()


def test_it_can_fail() -> None:
    """An answer that breaks the contract is found."""
    document = json.loads(json.dumps(CONTRACT.document))
    document["components"]["schemas"]["SandboxList"]["required"] = ["boxes"]
    config = SchemathesisConfig.from_dict({"seed": 1})
    app = build(Settings(), ManualTime(START)).app

    def lying(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/contract.json":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(document).encode()]
        return app(environ, start_response)

    other = schemathesis.openapi.from_wsgi("/contract.json", lying, config=config)["/__admin/sandboxes"]["GET"]
    with pytest.raises(FailureGroup, match="boxes"):
        other.Case().call_and_validate(checks=CHOSEN)
