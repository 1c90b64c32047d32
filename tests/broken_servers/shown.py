"""In which flows and refusals of a check each broken server shows its findings: a check of these alone takes a tenth of the time.

`python -m tests.broken_servers.shown` runs a whole check of every server that shown.json does not have yet, and adds it.
A server that shows its findings only in a whole run, or by generated calls, is not in the file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from swapmock.client_checks.conformance.command import check_target
from swapmock.client_checks.conformance.findings import Finding
from tests.broken_servers import Defect, catalogue, running

FILE = Path(__file__).with_name("shown.json")
SHOWN: Mapping[str, Sequence[str]] = json.loads(FILE.read_text("utf-8"))

#: What a broken flow brings about, whatever broke it.
CONSEQUENCES = {"run.partial"}


def findings(one: Defect, rows: Sequence[str] = ()) -> list[Finding]:
    """What a check of this server finds, in these flows and refusals or, without `rows`, in all."""
    given = {
        "provider": one.provider, "parts": one.parts, "operations": one.operations, "max_examples": 3, "flows": rows,
    }  # fmt: skip
    with running(one) as url:
        (result,) = check_target(url, given, {})
    # What was left out on purpose here says nothing about the defect.
    return [x for x in result.findings if "left out" not in x.got and x.id not in CONSEQUENCES]


def showing(one: Defect) -> list[str]:
    """The fewest rows that a whole run names beside the findings; none if a check of them alone finds something else."""
    places: dict[str, set[str]] = {}
    for finding in findings(one):
        if finding.where:
            places.setdefault(finding.where, set()).add(finding.id)
    missing, rows = set(one.finds), list[str]()
    while any(found & missing for found in places.values()):
        best = max(places, key=lambda where: (len(places[where] & missing), where.startswith("refusal"), -len(where)))
        missing -= places[best]
        rows.append(best.removeprefix("flow "))
    return rows if rows and {finding.id for finding in findings(one, rows)} == one.finds else []


def main() -> None:
    shown = dict(SHOWN)
    for name, one in catalogue().items():
        if name not in shown and one.parts == ("flows",) and (rows := showing(one)):
            shown[name] = rows
            sys.stdout.write(f"{name}: {', '.join(rows)}\n")
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(shown[name])}" for name in sorted(shown))
    FILE.write_text(f"{{\n{lines}\n}}\n", "utf-8")


if __name__ == "__main__":
    main()
