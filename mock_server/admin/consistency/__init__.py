"""Checks whether a snapshot is consistent: whether requests could have led to this state, so that nothing fails
after a restore."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.mock_server.admin.consistency.deliveries import check_deliveries
from swapmock.mock_server.admin.consistency.journal import check_files, check_journal
from swapmock.mock_server.admin.consistency.ledger import check_ledger
from swapmock.mock_server.admin.consistency.report import Inconsistency, Snapshot
from swapmock.mock_server.admin.consistency.rules import check_amounts, check_faults, check_numbers, check_queue
from swapmock.mock_server.admin.consistency.tasks import check_due, check_names, check_tasks

CHECKS = (
    check_amounts,
    check_numbers,
    check_tasks,
    check_names,
    check_due,
    check_ledger,
    check_journal,
    check_files,
    check_faults,
    check_queue,
    check_deliveries,
)


def inconsistencies(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Yield everything that is wrong with a snapshot: the place in the document, and the reason."""
    for check in CHECKS:
        for place, detail in check(snapshot):
            yield ("state", *place), detail


__all__ = ["Inconsistency", "Snapshot", "inconsistencies"]
