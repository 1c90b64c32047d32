"""Known failures: a file with a reason and an end date for each. An entry that no longer fails makes the run fail."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from swapmock.client_checks.behaviour.judge import Judgement
from swapmock.client_checks.behaviour.model import Verdict
from swapmock.client_checks.behaviour.rule import all_rules
from swapmock.client_checks.behaviour.validation import violations


class BadFile(ValueError):
    """The file of known failures is not valid; the text says why."""


@dataclass(frozen=True)
class KnownFailure:
    """An accepted failure of `rule` in `case` (or in every case), for `reason`, until the end of the day `until`."""

    rule: str
    reason: str
    until: date
    case: str = ""

    def fits(self, one: Judgement) -> bool:
        """Return whether this entry accepts the judgement."""
        return one.rule == self.rule and self.case in ("", one.case)


def from_file(path: Path) -> list[KnownFailure]:
    """Return the entries of a YAML file: a list of `{rule, case, reason, until}`. Raises BadFile."""
    try:
        rows = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BadFile(f"{path}: {error}") from None
    rows = [_dated(row) for row in rows] if isinstance(rows, list) else rows
    wrong = violations(schema(), rows)
    if wrong:
        raise BadFile(f"{path}: {'; '.join(wrong)}")
    strange = sorted({row["rule"] for row in rows} - set(all_rules()))
    if strange:
        raise BadFile(f"{path}: no rule {strange[0]!r}; known: {', '.join(all_rules())}")
    try:
        return [
            KnownFailure(row["rule"], row["reason"], date.fromisoformat(row["until"]), row.get("case", ""))
            for row in rows
        ]
    except ValueError as error:
        raise BadFile(f"{path}: until: {error}") from None


def _dated(row: Any) -> Any:
    """Return a row with dates as text: YAML reads 2027-01-31 as a date."""
    return (
        {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
        if isinstance(row, dict)
        else row
    )


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a file of known failures."""
    text = files("swapmock.client_checks.behaviour").joinpath("known.schema.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def apply(
    known: Iterable[KnownFailure], judgements: list[Judgement], today: date, ran: Collection[str] | None = None
) -> tuple[list[Judgement], list[str]]:
    """Return the judgements with known failures marked, and a line for each entry that has expired or no longer
    fails.

    `ran` names the cases that were run, None if all were: an entry about another case is not stale. An entry whose
    rule has a `harness_error` is not stale, either."""
    wrong = []
    for entry in known:
        hit = False
        for place, one in enumerate(judgements):
            if entry.fits(one) and one.verdict in (Verdict.FAIL, Verdict.WARN):
                hit = True
                if today <= entry.until:
                    judgements[place] = replace(one, known=f"{entry.reason} (until {entry.until})")
        where = f"{entry.rule}{f' in {entry.case}' if entry.case else ''}"
        was_run = ran is None or entry.case in ran
        unsure = any(entry.fits(one) and one.verdict is Verdict.HARNESS_ERROR for one in judgements)
        if not hit and (unsure or not was_run):
            continue
        if not hit:
            wrong.append(f"{where} is listed as a known failure and does not fail any more: remove the entry")
        elif today > entry.until:
            wrong.append(f"{where} was known until {entry.until} only")
    return judgements, wrong
