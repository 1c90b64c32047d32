"""A change between two versions of a contract, and how much it matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

#: The area of what no rule knows.
UNCLASSED = "unclassed"


class Party(StrEnum):
    """Whom a change concerns: who reads answers, who writes requests, who receives callbacks."""

    READER = "reader"
    WRITER = "writer"
    RECEIVER = "receiver"


class Severity(StrEnum):
    """`error` breaks somebody, `warning` may (no rule knows), `note` breaks nobody."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def order(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True)
class Change:
    """`area` is paths, fields, codes, states, callbacks, limits, prices, auth, headers, servers, refusals, timelines,
    variants, tables, deprecation, names, wording, emulator or unclassed. `breaks` is the party that must change its
    program, None if nobody has to."""

    area: str
    place: str
    what: str
    breaks: Party | None = None

    @property
    def severity(self) -> Severity:
        if self.breaks is not None:
            return Severity.ERROR
        return Severity.WARNING if self.area == UNCLASSED else Severity.NOTE

    def as_row(self) -> dict[str, Any]:
        """For the JSON report."""
        return {"area": self.area, "place": self.place, "what": self.what, "breaks": self.breaks and self.breaks.value}

    def __str__(self) -> str:
        verdict = (
            f"breaks the {self.breaks}" if self.breaks else "unclassed" if self.area == UNCLASSED else "compatible"
        )
        return f"{verdict:<20} {self.area:<10} {self.place}: {self.what}"
