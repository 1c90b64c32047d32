"""Callback faults: what goes wrong with callbacks on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class PlannedSend(NamedTuple):
    """One callback that an event brings forth, `after` seconds from it.

    `body`: true, contradicting (the opposite end), forged (a task that does not exist), started (news of the start).
    `spoil`: truncated, code_type. An `extra` one has no ladder; one `alone` shares no queue with the others.
    """

    after: float = 0.0
    body: str = "true"
    spoil: str = ""
    extra: bool = False
    alone: bool = False


#: What goes wrong with the callback of a task's end, by the `delivery` of its scenario.
CALLBACK_FAULTS: Mapping[str, tuple[PlannedSend, ...]] = {
    "": (PlannedSend(),),
    "duplicate": (PlannedSend(), PlannedSend(after=1.0, extra=True)),
    "concurrent": (PlannedSend(alone=True), PlannedSend(extra=True, alone=True)),
    "before_answer": (PlannedSend(),),
    "late": (PlannedSend(after=600.0),),
    "out_of_order": (PlannedSend(), PlannedSend(after=1.0, body="started")),
    "contradicting": (PlannedSend(body="contradicting"),),
    "truncated": (PlannedSend(spoil="truncated"),),
    "wrong_code_type": (PlannedSend(spoil="code_type"),),
    "forged": (PlannedSend(), PlannedSend(body="forged", extra=True)),
    "never": (),
}


#: The ways of going wrong that leave out the news of earlier phases.
SILENT_BEFORE_THE_END = frozenset({"out_of_order", "never"})


def wrongly_typed(value: Any) -> Any:
    """`value` with every member `code` as text where it is a number, and as a number where it is text."""
    if isinstance(value, dict):
        return {name: _other_type(item) if name == "code" else wrongly_typed(item) for name, item in value.items()}
    return [wrongly_typed(item) for item in value] if isinstance(value, list) else value


def _other_type(code: Any) -> Any:
    if isinstance(code, str):
        return int(code) if code.isdecimal() else None
    return str(code)
