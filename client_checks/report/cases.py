"""A run as test cases: one for each check on each operation, one for each flow and refusal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swapmock.client_checks.conformance.context import all_checks
from swapmock.client_checks.conformance.findings import Finding, Grade
from swapmock.client_checks.conformance.run import RunResult
from swapmock.client_checks.report.document import ordered


@dataclass(frozen=True)
class Case:
    """One test case. `status` is passed, failed or skipped. `group` and `name` together are unique in a run.
    `details` has every failing finding in full, `warnings` the findings that do not fail. `kind` is the id of the
    first failing finding."""

    group: str
    name: str
    status: str = "passed"
    seconds: float = 0.0
    kind: str = ""
    message: str = ""
    details: str = ""
    warnings: str = ""


def cases_of(result: RunResult) -> Iterator[Case]:
    """Yield every case of a run, in a stable order."""
    by_place: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in ordered(result):
        by_place[finding.operation or "run", finding.id].append(finding)
    seconds = _seconds(result)
    for row in result.coverage.operations:
        for check_id in [*all_checks(), "operation.success"]:
            if row.calls:
                by_place.setdefault((row.operation, check_id), [])
    for (operation, check_id), findings in sorted(by_place.items()):
        is_first = check_id == min(name for where, name in by_place if where == operation)
        yield _judged(result, operation, check_id, findings, seconds[operation] if is_first else 0.0)
    for what in result.completed:
        yield Case("walked", what, seconds=seconds[what])
    for what, why in result.left_out.items():
        yield Case("left_out", what, "skipped", message=why)


def _seconds(result: RunResult) -> dict[str, float]:
    """Return the total duration of the calls of each operation, and of each flow or refusal."""
    found: dict[str, float] = defaultdict(float)
    for exchange in result.exchanges:
        found[exchange.operation] += exchange.elapsed
        found[exchange.origin] += exchange.elapsed
    return found


def _judged(result: RunResult, operation: str, check_id: str, findings: Sequence[Finding], seconds: float) -> Case:
    failing = [finding for finding in findings if finding.grade(result.options.strict) is Grade.FAIL]
    warnings = [finding for finding in findings if finding not in failing]
    told = "\n\n".join(f"warning: {in_full(one)}" for one in warnings)
    if not failing:
        return Case(operation, check_id, seconds=seconds, warnings=told)
    message = f"{failing[0].title}: {failing[0].got}"[:300]
    details = "\n\n".join(map(in_full, failing))
    return Case(operation, check_id, "failed", seconds, failing[0].id, message, details, told)


def in_full(finding: Finding) -> str:
    """Return a finding as text."""
    return (
        f"{finding.title} {finding.place}\nexpected: {finding.expected}\n"
        f"source: {finding.source} ({finding.level})\ngot: {finding.got}\n{finding.repeat or finding.curl}"
    )
