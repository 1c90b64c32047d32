"""Findings: what a server did that its contract forbids, graded by how well the broken fact is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Evidence:
    """How far to trust a fact, and where it comes from."""

    level: str
    source: str

    @classmethod
    def of(cls, row: Mapping[str, Any] | None) -> Evidence | None:
        """From an `x-evidence` of the contract."""
        return None if not row else cls(str(row["level"]), str(row["source"]))

    @classmethod
    def of_row(cls, row: Any) -> Evidence:
        """From a row of behaviour.yaml."""
        return cls(row.evidence, row.source)


class Grade(StrEnum):
    FAIL = "fail"
    WARN = "warn"
    KNOWN = "known"


#: What is known from the vendor itself; everything else is a guess, and breaking a guess is no proof of a defect.
FIRM = ("documented", "observed")


@dataclass(frozen=True)
class Deviation:
    """What one look at one answer found. `place` tells apart deviations of one check in one answer."""

    expected: str
    got: str
    evidence: Evidence
    place: str = ""


@dataclass(frozen=True)
class Finding:
    """A deviation as it is reported. `id` is the check's and never changes; `curl` repeats the request; `exchange` is the
    number of the call that shows it, 0 if no single call does; `chain` are the numbers of the calls that lead to it, and
    `repeat` the lines for a shell that make them again. `known` is the reason that a baseline gives for it, `severity` the
    grade that the user wants, "" for the usual one."""

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
        return self.id, self.operation, self.place

    def grade(self, strict: bool) -> Grade:
        """How the finding counts: known ones and those of a severity of the user's own as that says, others by how well
        the broken fact is known."""
        if self.known:
            return Grade.KNOWN
        if self.severity:
            return Grade(self.severity)
        return Grade.FAIL if strict or self.level in FIRM else Grade.WARN

    def as_row(self, strict: bool) -> dict[str, Any]:
        """For the reports."""
        return {
            "id": self.id, "grade": self.grade(strict).value, "title": self.title, "operation": self.operation,
            "place": self.place, "expected": self.expected, "evidence": self.level, "source": self.source,
            "got": self.got, "curl": self.curl, "where": self.where, "count": self.count,
            "exchange": self.exchange, "chain": list(self.chain), "repeat": self.repeat, "known": self.known,
        }  # fmt: skip


class Findings:
    """Every finding once, with how often it came."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str, str], Finding] = {}

    def add(self, finding: Finding) -> None:
        known = self._by_key.get(finding.key)
        self._by_key[finding.key] = finding if known is None else replace(known, count=known.count + 1)

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.add(finding)

    def mark(self, finding: Finding, reason: str) -> None:
        """Note that a finding is known."""
        self._by_key[finding.key] = replace(self._by_key[finding.key], known=reason)

    def rewrite(self, change: Callable[[Finding], Finding | None]) -> None:
        """Replace every finding by what `change` makes of it; None drops it."""
        changed = [change(finding) for finding in self]
        self._by_key = {finding.key: finding for finding in changed if finding is not None}

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def failing(self, strict: bool) -> list[Finding]:
        return [finding for finding in self if finding.grade(strict) is Grade.FAIL]
