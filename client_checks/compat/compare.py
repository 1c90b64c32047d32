"""Compares two versions of a contract: everything in its folder. Each change is classed by the party that it breaks."""

from __future__ import annotations

from swapmock.client_checks.compat.behaviour import behaviour_changes
from swapmock.client_checks.compat.change import Change
from swapmock.client_checks.compat.operations import operation_changes
from swapmock.client_checks.compat.source import Version
from swapmock.client_checks.compat.structure import other_changes


def compare(old: Version, new: Version) -> list[Change]:
    """Return every change from `old` to `new`: first those that break a party, then those that no rule knows."""
    found = [*operation_changes(old, new), *behaviour_changes(old, new), *other_changes(old, new)]
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda change: (change.severity.order, change.area, change.place))
