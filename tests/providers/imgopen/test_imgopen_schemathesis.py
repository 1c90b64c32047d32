"""Schemathesis over the whole Img Open surface, by its contract: documented examples, edge cases, valid and invalid data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from client_checks.conformance.envelope import Envelope
from contracts import load
from mock_server.adapters.clock import ManualTime
from mock_server.settings import Settings
from mock_server.web.build import build
from tests.conftest import START, ImgOpenClient

CONTRACT = load("imgopen")
HEADERS = ImgOpenClient("", ManualTime(START)).credentials
FIXED = settings(
    max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


class Judged:
    """WSGI layer that answers with the HTTP status that the envelope amounts to, and serves the contract."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._envelope = Envelope(CONTRACT)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/contract.json":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(CONTRACT.document).encode()]
        seen: list[Any] = []
        content = b"".join(self._app(environ, lambda status, headers, *_: seen.extend((status, headers))))
        status = self._envelope.judged(int(seen[0].split(" ", 1)[0]), content)
        start_response(f"{status} Judged", seen[1])
        return [content]


#: What no schema can say: a faceIdx beyond the target's faces, and an id that training has seen.
DOMAIN_REFUSALS = {"face_fusion": "faceIdx", "submit_training": "used already"}


def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Keep a failure, unless the provider's own rules explain it."""
    name = type(failure).__name__
    if name == "RejectedPositiveData":
        operation = case.operation.definition.raw["operationId"]
        return DOMAIN_REFUSALS.get(operation, "\n") not in response.content.decode()
    # Undeclared methods are answered as not found, in the envelope.
    return not (name == "UnsupportedMethodResponse" and response.status_code == 404)


def schema_over(**variants: str) -> Any:
    """The contract's schema, bound to a fresh emulator under these variants."""
    system = build(Settings(balance=1e9, variants={"imgopen": variants}), ManualTime(START))
    config = SchemathesisConfig.from_dict({"seed": 1, "headers": HEADERS, "generation": {"deterministic": True}})
    schema = schemathesis.openapi.from_wsgi("/contract.json", Judged(system.app), config=config)
    schema.hook(filter_failure)
    return schema


always_200 = schema_over()
OTHER = {
    "http_status": "code",
    "detection_mode": "async",
    "fusion_mode": "sync",
    "remarked_mode": "sync",
    "flux_mode": "async",
    "unknown_task": "null",
}
by_code = schema_over(**OTHER)


@always_200.parametrize()
@FIXED
def test_each_operation(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


@by_code.parametrize()
@settings(FIXED, max_examples=10)
def test_each_operation_under_other_variants(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


@pytest.mark.parametrize("choices", [{}, OTHER])
def test_every_operation_is_walked(choices: dict[str, str]) -> None:
    walked = [result.ok().definition.raw["operationId"] for result in schema_over(**choices).get_all_operations()]
    assert sorted(walked) == sorted(CONTRACT.operations)
