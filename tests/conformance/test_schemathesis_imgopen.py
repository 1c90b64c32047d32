"""Schemathesis over the whole Img Open surface: refusals on HTTP 200, its usual way, and with statuses of their own."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import settings

from swapmock.contracts import load
from tests.conformance.over_wsgi import FIXED, credentials, schema_over

HEADERS = credentials("imgopen")

always_200 = schema_over("imgopen", "always200")
few = schema_over("imgopen", "always200", with_edges=False)
#: Each tool the other way round: at once what usually comes later, later what usually comes at once.
other_way_round = schema_over(
    "imgopen",
    "code",
    with_edges=False,
    detection_mode="async",
    fusion_mode="sync",
    remarked_mode="sync",
    flux_mode="async",
    unknown_task="null",
)


@few.parametrize()
@settings(FIXED, max_examples=4)
def test_each_operation_with_few_examples(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


@pytest.mark.long
@always_200.parametrize()
@FIXED
def test_each_operation(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


@pytest.mark.long
@other_way_round.parametrize()
@settings(FIXED, max_examples=8)
def test_each_operation_the_other_way_round_and_refusals_with_statuses(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


@pytest.mark.parametrize("schema", [always_200, other_way_round])
def test_every_operation_is_generated(schema: Any) -> None:
    completed = [result.ok().definition.raw["operationId"] for result in schema.get_all_operations()]
    assert sorted(completed) == sorted(load("imgopen").operations)


def test_every_operation_is_a_test_of_its_own(request: pytest.FixtureRequest) -> None:
    """Those who spread tests over processes know them by their ids."""
    ids = [item.nodeid for item in request.session.items]
    assert len(ids) == len(set(ids))
