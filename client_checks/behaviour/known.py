"""Known failures: a file with a reason and an end date for each; an entry that no longer fails, fails the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from swapmock.client_checks.behaviour.judge import Judgement
from swapmock.client_checks.behaviour.model import Verdict


class BadFile(ValueError):
    """The file of known failures does not read; the text says why."""


@dataclass(frozen=True)
class KnownFailure:
    """`rule` (and `case`, or every case) is known to fail for `reason`, until the end of the day `until`."""

    rule: str
    reason: str
    until: date
    case: str = ""

    def fits(self, one: Judgement) -> bool:
        return one.rule == self.rule and self.case in ("", one.case)


def from_file(path: Path) -> list[KnownFailure]:
    """The entries of a YAML file: a list of `{rule, case, reason, until}`. Raises BadFile."""
    try:
        rows = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BadFile(f"{path}: {error}") from None
    if not isinstance(rows, list):
        raise BadFile(f"{path}: a list of {{rule, case, reason, until}} is expected")
    return [_entry(path, row) for row in rows]


def _entry(path: Path, row: Any) -> KnownFailure:
    if not isinstance(row, dict) or not row.get("rule") or not row.get("reason") or not row.get("until"):
        raise BadFile(f"{path}: each entry needs `rule`, `reason` and `until`: {row!r:.100}")
    until = row["until"]
    try:
        end = until if isinstance(until, date) else date.fromisoformat(str(until))
    except ValueError:
        raise BadFile(f"{path}: `until` of {row['rule']} is a date like 2027-01-31, not {until!r:.40}") from None
    return KnownFailure(str(row["rule"]), str(row["reason"]), end, str(row.get("case", "")))


def apply(known: Iterable[KnownFailure], judgements: list[Judgement], today: date) -> tuple[list[Judgement], list[str]]:
    """The judgements with known ones marked, and a line for each entry that is stale or past its date."""
    wrong = []
    for entry in known:
        hit = False
        for place, one in enumerate(judgements):
            if entry.fits(one) and one.verdict in (Verdict.FAIL, Verdict.WARN):
                hit = True
                if today <= entry.until:
                    judgements[place] = replace(one, known=f"{entry.reason} (until {entry.until})")
        where = f"{entry.rule}{f' in {entry.case}' if entry.case else ''}"
        if not hit:
            wrong.append(f"{where} is listed as a known failure and does not fail any more: remove the entry")
        elif today > entry.until:
            wrong.append(f"{where} was known until {entry.until} only")
    return judgements, wrong
