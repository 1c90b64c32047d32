"""An estimate for an item gives the price that the list shows for this item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.conformance.budget import amount
from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.strict_json import parsed


@check("credits.listed", "an estimate that is not the price in the list")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the price of an estimate differs from the price in the list."""
    if not context.is_success:
        return
    memory = context.history.memory["credits.listed"]
    for name, rules in context.target.profile.lists.items():
        sold = rules.get("sold")
        if sold is None:
            continue
        if context.operation.id == name:
            items = at(context.body, rules["items"])
            for item in items if isinstance(items, list) else ():
                if isinstance(item, Mapping) and item.get(rules["key"]) is not None:
                    memory[name, str(item[rules["key"]])] = item
        else:
            yield from _estimate(context, name, sold, memory)


def _estimate(context: ResponseContext, name: str, sold: Mapping[str, Any], memory: Any) -> Iterator[Deviation | None]:
    asked = parsed(context.exchange.body)
    for paid, cost in context.target.profile.estimates.items():
        pointer = cost.at.get(context.operation.id)
        told = None if pointer is None else amount(at(context.body, pointer))
        if pointer is None or told is None or any(at(asked, place) != value for place, value in sold["body"].items()):
            continue
        item = memory.get((name, str(at(asked, sold["named"]))))
        listed = None if item is None else _price(item, sold, asked)
        if listed is None or _is_wrong_anyway(context, paid, asked, told):
            continue
        yield EXAMINED
        if abs(listed - told) > 0.001:
            yield Deviation(
                f"{listed:g} credits, as {name} says", f"{told:g}", context.evidence_at(pointer), place=pointer
            )


def _is_wrong_anyway(context: ResponseContext, paid: str, asked: Any, told: float) -> bool:
    """Return whether the estimate also differs from the contract's price: then `credits.agree` reports it. Not for a
    live service, which has its own prices."""
    listed = None if context.target.is_live else context.target.contract.list_price(paid, asked)
    return listed is not None and abs(listed - told) > 0.001


def _price(item: Mapping[str, Any], sold: Mapping[str, Any], asked: Any) -> float | None:
    """Return the price of a listed `item` for the request `asked`: its own, or the price of the entry with the same
    values; None if there is none."""
    if "each" not in sold:
        return amount(item.get(sold["price"]))
    entries = item.get(sold["each"])
    fits = [
        entry
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, Mapping)
        and all(entry.get(column) == at(asked, place) for place, column in sold["when"].items())
    ]
    return amount(fits[0].get(sold["price"])) if len(fits) == 1 else None
