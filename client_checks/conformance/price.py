"""Prices as the contract lists them."""

from __future__ import annotations

from typing import Any

from swapmock.client_checks.conformance.target import Target


def listed_price(target: Target, operation: str, body: Any) -> float | None:
    """The contract's price of a call with this parsed body, in credits; None if it lists none."""
    return target.contract.list_price(operation, body)
