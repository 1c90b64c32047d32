"""A change between two versions of a contract, and how much it matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

#: The area of changes that no rule knows.
UNCLASSED = "unclassed"

#: The area of what cannot be compared: a reference that leads nowhere, a file that cannot be read.
UNREADABLE = "unreadable"


class Party(StrEnum):
    """Whom a change concerns: the reader of answers, the writer of requests, the receiver of callbacks."""

    READER = "reader"
    WRITER = "writer"
    RECEIVER = "receiver"


class Severity(StrEnum):
    """How serious a change is: `error` breaks a party or cannot be compared, `warning` may break one (no rule knows
    it), `note` breaks none."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def order(self) -> int:
        """The rank of the severity, the most serious first."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Change:
    """One change between two versions.

    `area` is paths, fields, codes, states, callbacks, limits, prices, auth, headers, servers, refusals,
    timelines, variants, tables, deprecation, names, links, wording, emulator, unclassed or unreadable. `breaks` is the party that
    must change its program; None if no party has to."""

    area: str
    place: str
    what: str
    breaks: Party | None = None

    @property
    def severity(self) -> Severity:
        """How serious the change is."""
        if self.breaks is not None or self.area == UNREADABLE:
            return Severity.ERROR
        return Severity.WARNING if self.area == UNCLASSED else Severity.NOTE

    def as_row(self) -> dict[str, Any]:
        """Return the change as a JSON object for the report."""
        return {"area": self.area, "place": self.place, "what": self.what, "breaks": self.breaks and self.breaks.value}

    def __str__(self) -> str:
        open_area = self.area if self.area in (UNCLASSED, UNREADABLE) else "compatible"
        verdict = f"breaks the {self.breaks}" if self.breaks else open_area
        return f"{verdict:<20} {self.area:<10} {self.place}: {self.what}"
