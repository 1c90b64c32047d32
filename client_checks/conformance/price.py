"""Prices as the contract lists them."""

from __future__ import annotations

from typing import Any

from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.target import Target


def listed_price(target: Target, operation: str, body: Any) -> float:
    """The contract's price of a call with this body, in credits; what its table does not have costs nothing."""
    cost = target.profile.costs[operation]
    where = cost.list_price
    if not where:
        return cost.credits
    rows = target.contract.tables[where["table"]][where["rows"]]
    name = operation if where["name"] == "operation" else at(body, where["name"])
    return next((float(row.get(where["amount"], 0)) for row in rows if row[where["key"]] == name), 0.0)
