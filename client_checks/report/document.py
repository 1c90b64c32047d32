"""Outcomes as one plain document: what the JSON report is, and what the HTML page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swapmock.client_checks.conformance.findings import Grade
from swapmock.client_checks.conformance.run import Outcome


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything of every target; `exit_code` is the command's."""
    return {
        "format": "swapmock-check/1",
        "exit_code": exit_code(outcomes),
        "targets": [_target(outcome) for outcome in outcomes],
    }


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """2 if any target could not be judged, else 1 if any has findings, else 0; without a target 2."""
    return max((outcome.exit_code for outcome in outcomes), default=2)


def _target(outcome: Outcome) -> dict[str, Any]:
    target = outcome.target
    return {
        "provider": target.provider,
        "base_url": target.base_url,
        "is_live": target.is_live,
        "variants": {name: _plain(choice) for name, choice in sorted(target.variants.items())},
        "variants_declared": target.are_declared,
        "seed": outcome.options.seed,
        "parts": list(outcome.options.parts),
        "strict": outcome.options.strict,
        "calls": outcome.calls,
        "spent": outcome.spent,
        "findings": [finding.as_row(outcome.options.strict) for finding in ordered(outcome)],
        "operations": [row.as_row() for row in outcome.coverage.operations],
        "codes": [{"code": code, "name": name, "seen": seen} for code, name, seen in outcome.coverage.codes],
        "left_out": [{"what": what, "why": why} for what, why in outcome.left_out.items()],
        "walked": list(outcome.walked),
    }


def ordered(outcome: Outcome) -> list[Any]:
    """Findings, those that fail first, then by id and operation."""
    strict = outcome.options.strict
    return sorted(outcome.findings, key=lambda f: (f.grade(strict) is not Grade.FAIL, f.key))


def _plain(choice: Any) -> Any:
    return {str(key): value for key, value in choice.items()} if isinstance(choice, dict) else choice
