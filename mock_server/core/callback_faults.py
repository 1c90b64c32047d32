"""Callback faults: callbacks that are corrupted, repeated, delayed or withheld on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from swapmock.mock_server.core.numerals import read_count


class PlannedSend(NamedTuple):
    """One callback that is sent `after` seconds after a task has entered a phase.

    `body` says what the callback reports: `true` (the task as it is), `contradicting` (the opposite outcome),
    `forged` (a task that does not exist) or `started` (the start of the task). `corruption` says how the body is
    corrupted: `truncated`, `code_type`, or "" for none. An `extra` callback is never retried. A callback that is
    `alone` does not wait for the other callbacks of its task."""

    after: float = 0.0
    body: str = "true"
    corruption: str = ""
    extra: bool = False
    alone: bool = False


#: The callbacks that are sent when a task ends, by the `delivery` of its scenario.
CALLBACK_FAULTS: Mapping[str, tuple[PlannedSend, ...]] = {
    "": (PlannedSend(),),
    "duplicate": (PlannedSend(), PlannedSend(after=1.0, extra=True)),
    "concurrent": (PlannedSend(alone=True), PlannedSend(extra=True, alone=True)),
    "before_answer": (PlannedSend(),),
    "late": (PlannedSend(after=600.0),),
    "out_of_order": (PlannedSend(), PlannedSend(after=1.0, body="started")),
    "contradicting": (PlannedSend(body="contradicting"),),
    "truncated": (PlannedSend(corruption="truncated"),),
    "wrong_code_type": (PlannedSend(corruption="code_type"),),
    "forged": (PlannedSend(), PlannedSend(body="forged", extra=True)),
    "never": (),
}


#: With these callback faults, no callback reports an earlier phase.
SILENT_BEFORE_THE_END = frozenset({"out_of_order", "never"})


def wrongly_typed(value: Any, member: str) -> Any:
    """Return the JSON `value` with every `member` (the envelope's code) as text if it is a number, and as a number
    if it is text."""
    if isinstance(value, dict):
        return {
            name: _other_type(item) if name == member else wrongly_typed(item, member) for name, item in value.items()
        }
    return [wrongly_typed(item, member) for item in value] if isinstance(value, list) else value


def _other_type(code: Any) -> Any:
    if isinstance(code, str):
        return read_count(code, 2**53)
    return str(code)
