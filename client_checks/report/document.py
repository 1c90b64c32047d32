"""The results as one JSON object, which is the JSON report and the content of the HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from swapmock import __version__
from swapmock.client_checks.conformance.findings import Grade
from swapmock.client_checks.conformance.run import RunResult


def document(results: Sequence[RunResult]) -> dict[str, Any]:
    """Return everything about every target; `exit_code` is that of the command."""
    return {
        "format": "swapmock-check/1",
        "version": __version__,
        "exit_code": exit_code(results),
        "started": _moment(min((result.started for result in results), default=None)),
        "duration": round(sum(result.duration for result in results), 3),
        "targets": [_target(result) for result in results],
    }


def exit_code(results: Sequence[RunResult]) -> int:
    """Return 2 if any target could not be judged, else 1 if any has findings, else 0; 2 without a target."""
    return max((result.exit_code for result in results), default=2)


def _target(result: RunResult) -> dict[str, Any]:
    target = result.target
    return {
        "provider": target.provider,
        "base_url": target.base_url,
        "is_live": target.is_live,
        "variants": {name: _plain(choice) for name, choice in sorted(target.variants.items())},
        "variants_declared": target.are_declared,
        "seed": result.options.seed,
        "parts": list(result.options.parts),
        "strict": result.options.strict,
        "calls": result.calls,
        "spent": result.spent,
        "findings": [finding.as_row(result.options.strict) for finding in ordered(result)],
        "operations": [row.as_row() for row in result.coverage.operations],
        "codes": [{"code": code, "name": name, "seen": seen} for code, name, seen in result.coverage.codes],
        "left_out": [{"what": what, "why": why} for what, why in result.left_out.items()],
        "walked": list(result.completed),
        "checks": [{"id": name, "examined": count} for name, count in result.examined.items()],
        "aborted": result.aborted,
        "started": _moment(result.started),
        "duration": round(result.duration, 3),
        "coverage": result.coverage.percent(),
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def ordered(result: RunResult) -> list[Any]:
    """Return the findings: those that fail first, then by id and operation."""
    strict = result.options.strict
    return sorted(result.findings, key=lambda f: (f.grade(strict) is not Grade.FAIL, f.key))


def _plain(choice: Any) -> Any:
    return {str(key): value for key, value in choice.items()} if isinstance(choice, dict) else choice
