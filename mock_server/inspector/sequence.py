"""The causal chain of `why` as a drawn sequence: arrows between the client, the emulator and the receiver of callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: What an event of a chain is -> from where to where it is drawn. Without an arrow it is a note at the emulator.
ARROWS: Mapping[str, tuple[str, str]] = {
    "request": ("client", "swapmock"),
    "answer": ("swapmock", "client"),
    "delivery": ("swapmock", "receiver"),
}

#: The most steps that are drawn: a task may be polled many thousand times.
MOST_STEPS = 120


class Step(NamedTuple):
    """One step of a sequence. `arrow` is (from, to), or None for a note; `gap` counts the steps that are left out before it."""

    at: float
    what: str
    text: str
    arrow: tuple[str, str] | None
    request: str
    delivery: str
    gap: int = 0


def steps(chain: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The steps of a chain, without the names of operations, which stand beside it. Of a long one the first and the last are drawn."""
    found = [
        Step(
            event["at"],
            event["what"],
            event["text"],
            ARROWS.get(event["what"]),
            str(event.get("request") or event.get("cause") or ""),
            str(event.get("delivery") or ""),
        )
        for event in chain
        if not (event["what"] == "step" and event["text"].startswith("matched "))
    ]
    left_out = len(found) - MOST_STEPS
    if left_out <= 0:
        return found
    half = MOST_STEPS // 2
    tail = found[-half:]
    return [*found[:half], tail[0]._replace(gap=left_out), *tail[1:]]
