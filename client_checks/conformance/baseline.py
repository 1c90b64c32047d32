"""Known findings: each is accepted with a reason until a date, and is reported when it no longer occurs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from swapmock.client_checks.conformance.context import to_finding
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding, Findings
from swapmock.client_checks.conformance.rules import EXPIRED, STALE
from swapmock.client_checks.conformance.target import CannotRun

MEMBERS = {"id", "operation", "place", "provider", "reason", "until"}


@dataclass(frozen=True)
class Known:
    """One row of a baseline.

    `id`, `operation` and `place` are patterns in which `*` matches anything. `until` is the last day on which the
    finding is accepted. `where` is the file and line of the row."""

    id: str
    operation: str
    place: str
    provider: str
    reason: str
    until: date
    where: str

    def fits(self, finding: Finding, provider: str) -> bool:
        """Return whether this row accepts `finding` of `provider`."""
        pairs = (
            (finding.id, self.id),
            (finding.operation, self.operation),
            (finding.place, self.place),
            (provider, self.provider),
        )
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


def read_baseline(path: Path) -> list[Known]:
    """Return the rows of the YAML or JSON file at `path`.

    The file is a list of `{id, operation, place, provider, reason, until}`. `id`, `reason` and `until` are required.
    Raises CannotRun with the file and line of the first mistake."""
    try:
        text = path.read_text("utf-8")
        rows, tree = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"--baseline: cannot read {path}: {error}") from None
    except yaml.YAMLError:
        raise CannotRun(f"--baseline: {path} is not YAML") from None
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise CannotRun(f"--baseline: {path} should be a list")
    return [
        _row(row, f"{path}:{node.start_mark.line + 1}")
        for row, node in zip(rows, getattr(tree, "value", ()), strict=True)
    ]


def _row(row: Any, where: str) -> Known:
    if not isinstance(row, dict):
        raise CannotRun(f"--baseline: {where}: should be an object with id, reason and until")
    for member in row:
        if member not in MEMBERS:
            raise CannotRun(f"--baseline: {where}: {member!r} is none of {', '.join(sorted(MEMBERS))}")
    for member in ("id", "reason", "until"):
        if not row.get(member):
            raise CannotRun(f"--baseline: {where}: {member} is missing")
    try:
        until = row["until"] if isinstance(row["until"], date) else date.fromisoformat(str(row["until"]))
    except ValueError:
        raise CannotRun(f"--baseline: {where}: until should be a day, such as 2027-01-31") from None
    patterns = {name: str(row.get(name, "*")) for name in ("operation", "place", "provider")}
    return Known(id=str(row["id"]), reason=str(row["reason"]), until=until, where=where, **patterns)


def apply(findings: Findings, baseline: Sequence[Known], provider: str, today: date, *, is_narrowed: bool) -> None:
    """Mark each finding that `baseline` accepts on the day `today`.

    Adds a finding for each row that has expired, and for each row that matched nothing. If `is_narrowed`, only a
    part of the checks ran, so that a row without a match is not reported."""
    current = [row for row in baseline if row.until >= today]
    used = set()
    for finding in list(findings):
        row = next((row for row in current if row.fits(finding, provider)), None)
        if row is not None:
            used.add(row)
            findings.mark(finding, row.reason)
    findings.extend(_expired(baseline, provider, today))
    if not is_narrowed:
        findings.extend(_stale([row for row in current if row not in used and fnmatchcase(provider, row.provider)]))


def _expired(baseline: Sequence[Known], provider: str, today: date) -> Iterator[Finding]:
    for row in baseline:
        if row.until < today and fnmatchcase(provider, row.provider):
            evidence = Evidence("documented", row.where)
            deviation = Deviation(
                f"no row of a baseline after its last day {row.until}", row.reason, evidence, row.where
            )
            yield to_finding(EXPIRED, "", deviation, None)


def _stale(rows: Sequence[Known]) -> Iterator[Finding]:
    for row in rows:
        evidence = Evidence("documented", row.where)
        deviation = Deviation(
            f"{row.id} {row.operation} {row.place}, as the baseline has it", "not found any more", evidence, row.where
        )
        yield to_finding(STALE, "", deviation, None)
