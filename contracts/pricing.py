"""What a task costs by the price list: the one function that estimates, reservations, charges and checks use.

A model's row says it in a small form. `prices` is a list; the first entry whose `when` fits the input counts, else `price`:

- `{when: {resolution: 2K}, credits: 8}`: a fixed price.
- `{when: {resolution: 480p}, base: 0.367, per: {duration: 8.787}}`: a base and an amount for each unit of an input field, rounded to
  the cent. A field that the input leaves out has the value that `defaults` of the row gives.
- `{listed: {table: templates, part: kling, field: template_id, name: key, credits: credit}}`: the price that another table lists
  for the item which the input names. `each` names a list in that item whose entries have a price each, by `when`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NamedTuple

#: The largest number of units that is multiplied; a larger one is an error of the input.
MOST_UNITS = Decimal(1_000_000)

CENT = Decimal("0.01")


class Price(NamedTuple):
    """An amount in credits. `estimated` says that the price list has no own price for this input."""

    credits: Decimal
    estimated: bool = False


def price_of(row: Mapping[str, Any], given: Mapping[str, Any], tables: Mapping[str, Any]) -> Price:
    """Return the price of a model's `row` for the input `given`. `tables` are the contract's tables by name."""
    filled = {**row.get("defaults", {}), **{name: value for name, value in given.items() if value is not None}}
    for entry in row.get("prices", ()):
        if all(filled.get(name) == value for name, value in entry.get("when", {}).items()):
            found = _of_entry(entry, filled, tables)
            if found is not None:
                return found
    is_open = any("listed" in entry for entry in row.get("prices", ()))
    return Price(_decimal(row["price"]), estimated=is_open)


class Unlisted(NamedTuple):
    """An item that an input names and that no list has: the `field` of the input, the `value` there, and the names
    in the list."""

    field: str
    value: Any
    known: tuple[str, ...]


def unlisted(row: Mapping[str, Any], given: Mapping[str, Any], tables: Mapping[str, Any]) -> Unlisted | None:
    """Return the item that the input `given` names and that the list of the model's `row` does not have; None for a
    listed item, and for a model without a list. `tables` are the contract's tables by name."""
    for entry in row.get("prices", ()):
        how = entry.get("listed")
        if how is not None and _item(how, given, tables) is None:
            known = tuple(str(item[how["name"]]) for item in tables[how["table"]][how["part"]])
            return Unlisted(how["field"], given.get(how["field"]), known)
    return None


def _of_entry(entry: Mapping[str, Any], given: Mapping[str, Any], tables: Mapping[str, Any]) -> Price | None:
    if "listed" in entry:
        return _listed(entry["listed"], given, tables)
    if "credits" in entry:
        return Price(_decimal(entry["credits"]))
    total = _decimal(entry.get("base", 0))
    for name, each in entry["per"].items():
        units = _units(given.get(name))
        if units is None:
            return None
        total += units * _decimal(each)
    return Price(total.quantize(CENT, rounding=ROUND_HALF_UP))


def _item(how: Mapping[str, Any], given: Mapping[str, Any], tables: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the item that the input names; None for an item that is not in the list."""
    named = given.get(how["field"])
    found: Mapping[str, Any] | None = next(
        (row for row in tables[how["table"]][how["part"]] if row[how["name"]] == named), None
    )
    return found


def _listed(how: Mapping[str, Any], given: Mapping[str, Any], tables: Mapping[str, Any]) -> Price | None:
    """Return the price of the item that the input names; an estimate if its list has no price for these values."""
    item = _item(how, given, tables)
    if item is None:
        return None
    if "each" not in how:
        return Price(_decimal(item[how["credits"]]))
    entries = item[how["each"]]
    asked = {column: given[name] for name, column in how["when"].items() if name in given}
    fits = [row for row in entries if all(row[column] == value for column, value in asked.items())]
    return Price(_decimal((fits or entries)[0][how["credits"]]), estimated=not fits)


def _units(value: Any) -> Decimal | None:
    """Return the number of units in an input; None for a value that is not a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        units = Decimal(str(value))
    except InvalidOperation:
        return None
    return units if units.is_finite() and 0 <= units <= MOST_UNITS else None


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value))
