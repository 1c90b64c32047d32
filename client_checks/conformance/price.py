"""Prices that the contract lists."""

from __future__ import annotations

from typing import Any

from swapmock.client_checks.conformance.target import Target


def listed_price(target: Target, operation: str, body: Any) -> float | None:
    """Return the contract's price in credits of a call with this parsed `body`; None if it lists none."""
    return target.contract.list_price(operation, body)
