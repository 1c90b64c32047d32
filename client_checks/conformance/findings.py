"""Findings: what a server did against its contract, graded by how well the broken rule is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Evidence:
    """How far a fact can be trusted, and its source."""

    level: str
    source: str

    @classmethod
    def of(cls, row: Mapping[str, Any] | None) -> Evidence | None:
        """Return the evidence of an `x-evidence` member of the contract; None without one."""
        return None if not row else cls(str(row["level"]), str(row["source"]))

    @classmethod
    def of_row(cls, row: Any) -> Evidence:
        """Return the evidence of a row of behaviour.yaml."""
        return cls(row.evidence, row.source)


class Grade(StrEnum):
    """How a finding counts for the exit code."""

    FAIL = "fail"
    WARN = "warn"
    KNOWN = "known"


#: Levels that come from the vendor. Everything else is a guess, and breaking a guess does not prove a defect.
FIRM = ("documented", "observed")


@dataclass(frozen=True)
class Deviation:
    """One mistake in one answer. `place` distinguishes several deviations of one check in one answer."""

    expected: str
    got: str
    evidence: Evidence
    place: str = ""


@dataclass(frozen=True)
class Finding:
    """A deviation as it is reported.

    `id` is the id of the check and never changes. `curl` repeats the request. `exchange` is the number of the call
    that shows the finding, 0 if no single call does. `chain` has the numbers of the calls that lead to it, `repeat`
    the shell commands that make these calls again. `known` is the reason from a baseline. `severity` is the severity
    that the user chose, "" for the usual one."""

    id: str
    title: str
    operation: str
    place: str
    expected: str
    source: str
    level: str
    got: str
    curl: str
    where: str = ""
    count: int = 1
    exchange: int = 0
    known: str = ""
    severity: str = ""
    chain: tuple[int, ...] = ()
    repeat: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two findings the same: check, operation and place."""
        return self.id, self.operation, self.place

    def grade(self, strict: bool) -> Grade:
        """Return how the finding counts. A baseline or a severity of the user decides first; otherwise it depends on
        how well the broken rule is known. With `strict`, guesses fail as well."""
        if self.known:
            return Grade.KNOWN
        if self.severity:
            return Grade(self.severity)
        return Grade.FAIL if strict or self.level in FIRM else Grade.WARN

    def as_row(self, strict: bool) -> dict[str, Any]:
        """Return the finding as a JSON object for reports."""
        return {
            "id": self.id, "grade": self.grade(strict).value, "title": self.title, "operation": self.operation,
            "place": self.place, "expected": self.expected, "evidence": self.level, "source": self.source,
            "got": self.got, "curl": self.curl, "where": self.where, "count": self.count,
            "exchange": self.exchange, "chain": list(self.chain), "repeat": self.repeat, "known": self.known,
        }  # fmt: skip


class Findings:
    """Each finding once, with the number of times that it occurred."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str, str], Finding] = {}

    def add(self, finding: Finding) -> None:
        """Add a finding, or count it again."""
        known = self._by_key.get(finding.key)
        self._by_key[finding.key] = finding if known is None else replace(known, count=known.count + 1)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add several findings."""
        for finding in findings:
            self.add(finding)

    def mark(self, finding: Finding, reason: str) -> None:
        """Mark `finding` as known because of `reason`."""
        self._by_key[finding.key] = replace(self._by_key[finding.key], known=reason)

    def rewrite(self, change: Callable[[Finding], Finding | None]) -> None:
        """Replace every finding by the result of `change`; None removes it."""
        changed = [change(finding) for finding in self]
        self._by_key = {finding.key: finding for finding in changed if finding is not None}

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def failing(self, strict: bool) -> list[Finding]:
        """Return the findings that fail the run."""
        return [finding for finding in self if finding.grade(strict) is Grade.FAIL]
