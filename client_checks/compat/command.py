"""Implements `swapmock compat`, from its options to changes, reports and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from swapmock.client_checks.compat.change import Severity
from swapmock.client_checks.compat.compare import compare
from swapmock.client_checks.compat.ignoring import accepted, without
from swapmock.client_checks.compat.source import Unreadable, read
from swapmock.client_checks.report.changes import annotations_of, junit_of, sarif_of


def compat(old: str, new: str, contract: str | None, given: Mapping[str, Any], tell: Callable[[str], None]) -> int:
    """Compare the versions `old` and `new`, write the requested reports, and return the exit code. Raises Unreadable
    if nothing was compared.

    `contract` is the contract's name if the versions are git revisions; `given` has the options; `tell` prints a
    line."""
    before, after = read(old, contract), read(new, contract)
    patterns = accepted(given["ignored"], given["ignore_file"])
    changes, ignored, unused = without(compare(before, after), patterns)
    failing = [change for change in changes if change.severity.order <= Severity(given["fail_on"]).order]
    for change in changes:
        tell(str(change))
    for one in unused:
        tell(f"ignored nothing: {one.pattern} ({one.where})")
    breaking = [change for change in changes if change.breaks]
    unclassed = [change for change in changes if change.severity is Severity.WARNING]
    more = f", {len(unclassed)} unclassed" if unclassed else ""
    more += f", {len(ignored)} ignored" if ignored else ""
    tell(f"{len(changes)} changes, {len(breaking)} of them break a client{more}")
    folder = new.partition(":")[2] or (new if Path(new).is_dir() else f"contracts/{contract}")
    if given["github"]:
        for line in annotations_of(changes, after, folder):
            tell(line)
    rows = {
        "format": "swapmock-compat/1", "old": old, "new": new, "changes": [one.as_row() for one in changes],
        "ignored": [one.as_row() for one in ignored],
    }  # fmt: skip
    _write(given["json_file"], json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    _write(given["junit_file"], junit_of(changes, failing))
    _write(given["sarif_file"], json.dumps(sarif_of(changes, after, folder), indent=2) + "\n")
    return 1 if failing else 0


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Unreadable(f"cannot write {path}: {error.strerror}") from None
