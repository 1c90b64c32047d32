"""Runs of `swapmock conform` and `swapmock check` that were reported to an emulator."""

from __future__ import annotations

from typing import Any, NamedTuple

#: How many runs are kept, and the most bytes of the JSON text of one.
MOST_RUNS, LONGEST_RUN = 20, 1 << 22


class Run(NamedTuple):
    """The report of a run as `--json` writes it. `id` counts from 1, `at` is real time."""

    id: str
    at: float
    kind: str
    document: Any
