"""The Common Test Report Format (https://ctrf.io), version 0.0.0 of its schema: one JSON document that many tools
read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swapmock import __version__
from swapmock.client_checks.conformance.run import RunResult
from swapmock.client_checks.report.cases import cases_of

STATUS = {"failed": "failed", "skipped": "skipped", "passed": "passed"}


def ctrf(results: Sequence[RunResult]) -> dict[str, Any]:
    """Return one test for each case of the JUnit report, under the same names. Times are in milliseconds."""
    tests = [
        {
            "name": f"{result.target.provider} {case.group} {case.name}",
            "status": case.status,
            "duration": round(case.seconds * 1000),
            "extra": {"provider": result.target.provider, "group": case.group, "check": case.name},
            **({"message": case.message} if case.message else {}),
            **({"trace": case.details} if case.details else {}),
        }
        for result in results
        for case in cases_of(result)
    ]
    count = {status: sum(one["status"] == status for one in tests) for status in STATUS}
    start = min((result.started for result in results), default=0.0)
    stop = max((result.started + result.duration for result in results), default=0.0)
    return {
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "results": {
            "tool": {"name": "swapmock check", "version": __version__},
            "summary": {
                "tests": len(tests), "passed": count["passed"], "failed": count["failed"], "pending": 0,
                "skipped": count["skipped"], "other": 0, "start": round(start * 1000), "stop": round(stop * 1000),
            },
            "tests": tests,
        },
    }  # fmt: skip
