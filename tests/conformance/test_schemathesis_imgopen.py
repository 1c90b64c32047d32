"""Schemathesis over the whole Img Open surface: refusals on HTTP 200, its usual way, and with statuses of their own."""

from __future__ import annotations

import schemathesis
from hypothesis import settings

from tests.conformance.over_wsgi import FIXED, credentials, schema_over

HEADERS = credentials("imgopen")
FEWER = settings(FIXED, max_examples=8)

always_200 = schema_over("imgopen", "always200")
by_code = schema_over("imgopen", "code").include(operation_id=["face_detection", "face_fusion", "query_task_info_v2"])


@always_200.parametrize()
@FEWER
def test_each_operation(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)


@by_code.parametrize()
@FEWER
def test_refusals_with_statuses(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=HEADERS)
