"""Schemathesis over the whole crun surface, by its contract: documented examples, edge cases, valid and invalid data.

The envelope's rule, that a refusal may ride on HTTP 200, is told to Schemathesis as an HTTP status by a layer between
it and the emulator; what only the domain can refuse, and how wrong methods are refused, is data of the profile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis.core.failures import FailureGroup

from tests.conformance.over_wsgi import FIXED, credentials, schema_over

HEADERS = credentials("crun")

by_code = schema_over("crun", "code")
few = schema_over("crun", "code", with_edges=False)
always_200 = schema_over("crun", "always200", with_edges=False).include(
    operation_id=["create_task", "get_task_info", "get_upload_url"]
)


@few.parametrize()
@settings(FIXED, max_examples=6)
def test_each_operation_with_few_examples(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


@pytest.mark.long
@by_code.parametrize()
@FIXED
def test_each_operation(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


@always_200.parametrize()
@FIXED
def test_refusals_on_http_200(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


def test_links_from_operation_to_operation() -> None:
    """Detection leads to its result, CreateTask to TaskInfo, the catalogue to a model, along the contract's links."""
    machine = by_code.as_state_machine()
    reached: set[str] = set()

    class InterleavedFlows(machine):  # type: ignore[misc, valid-type]  # the class is made at run time
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"headers": HEADERS}

        def after_call(self, response: schemathesis.Response, case: schemathesis.Case) -> None:
            if response.status_code == 200:
                reached.add(case.operation.label.rsplit("/", 1)[-1])

    InterleavedFlows.run(settings=settings(FIXED, max_examples=15, stateful_step_count=6))
    assert {"detect-face-result", "TaskInfo"} <= reached


def test_it_can_fail() -> None:
    """An answer outside the contract, and valid data refused, are failures."""

    def broken(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"code": 422, "message": "no"}' if "balance" in environ["PATH_INFO"] else b'{"code": 200}']

    schema = schema_over("crun", "code", broken)
    for path, title in (
        ("account/balance", "Schema-valid request rejected"),
        ("job/Models", "Response violates schema"),
    ):
        operation = schema[f"/api/v1/client/{path}"]["GET"]
        found: list[str] = []

        @settings(FIXED, max_examples=1)
        @given(case=operation.as_strategy())
        def once(case: schemathesis.Case) -> None:
            with pytest.raises(FailureGroup) as caught:
                case.call_and_validate()
            found.extend(failure.title for failure in caught.value.exceptions)  # noqa: B023 - called at once

        once()
        assert title in found
