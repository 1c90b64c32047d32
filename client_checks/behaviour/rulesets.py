"""Fixed sets of rules: a published set never changes. Newer rules run as well and are not scored."""

from __future__ import annotations

from collections.abc import Mapping

from swapmock.client_checks.behaviour.rule import Rule, all_rules

#: Name of a set -> the ids of its rules. A new rule goes into a new set, never into a published one.
SETS: Mapping[str, tuple[str, ...]] = {
    "2026.12": (
        *("E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8"),
        *("P1", "P2", "P3", "P3b", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11"),
        *("L1", "L2", "L3", "L4", "L5", "D1", "D2", "D3", "D4", "D5"),
        *("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10"),
        *("R1", "R2", "R3", "R3b", "R4", "K1", "K2", "K3", "V1"),
    ),
}
NEWEST = "2026.12"


class NoSuchSet(ValueError):
    """A set of rules that does not exist."""


def rules_of(name: str) -> list[Rule]:
    """Return the rules of the set `name`. Raises NoSuchSet."""
    if name not in SETS:
        raise NoSuchSet(f"no set of rules {name!r}; known: {', '.join(SETS)}")
    known = all_rules()
    return [known[one] for one in SETS[name]]
