"""Compares two versions of a contract: everything in its folder. Each change is classed by the party that it breaks."""

from __future__ import annotations

from swapmock.client_checks.compat.behaviour import behaviour_changes
from swapmock.client_checks.compat.change import UNREADABLE, Change
from swapmock.client_checks.compat.operations import operation_changes
from swapmock.client_checks.compat.source import Version
from swapmock.client_checks.compat.structure import other_changes


def compare(old: Version, new: Version) -> list[Change]:
    """Return every change from `old` to `new`: first those that break a party or cannot be compared, then those that
    no rule knows."""
    found: list[Change] = []
    for rules in (operation_changes, behaviour_changes, other_changes):
        try:
            found.extend(rules(old, new))
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            # A contract of another form than ours: what the rules found before is kept.
            what = f"one version has another form than the rules read ({type(error).__name__}: {error}): the rest was not compared"
            found.append(Change(UNREADABLE, rules.__name__.replace("_", " "), what))
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda change: (change.severity.order, change.area, change.place))
