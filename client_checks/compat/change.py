"""A change between two versions of a contract."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Party(StrEnum):
    """Whom a change concerns: who reads answers, who writes requests, who receives callbacks."""

    READER = "reader"
    WRITER = "writer"
    RECEIVER = "receiver"


@dataclass(frozen=True)
class Change:
    """`area` is paths, fields, codes, states, callbacks, limits or prices; `breaks` is the party that must change its
    program, None if nobody has to."""

    area: str
    place: str
    what: str
    breaks: Party | None = None

    def as_row(self) -> dict[str, Any]:
        return {"area": self.area, "place": self.place, "what": self.what, "breaks": self.breaks and self.breaks.value}

    def __str__(self) -> str:
        verdict = f"breaks the {self.breaks}" if self.breaks else "compatible"
        return f"{verdict:<20} {self.area:<10} {self.place}: {self.what}"
