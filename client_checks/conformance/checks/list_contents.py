"""A list of models has the contract's models, with the properties that the contract gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import at


@check("list.contents", "a list that differs from the contract")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if a model of the contract is missing in the list, or has another property."""
    rules = context.target.profile.lists.get(context.operation.id, {})
    items = at(context.body, rules["items"]) if "rows" in rules else None
    if not context.is_success or not isinstance(items, list):
        return
    yield EXAMINED
    rows = {name: row for name, row in context.target.contract.models.items() if row.get("listed", True)}
    shown = {str(item.get(rules["key"])): item for item in items if isinstance(item, Mapping)}
    for name, item in shown.items():
        if name in rows:
            yield from _properties(context, rules["rows"], name, item, rows[name])
        else:
            yield Deviation("models of the contract only", name[:80], _evidence(context, {}), place="unknown")
    missing = [name for name in rows if name not in shown]
    if missing and not context.exchange.url.partition("?")[2]:
        yield Deviation(
            f"{len(rows)} models, {missing[0]} among them",
            f"{len(shown)} models",
            _evidence(context, rows[missing[0]]),
            place="missing",
        )


def _properties(
    context: ResponseContext, columns: Mapping[str, str], name: str, item: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[Deviation]:
    for member, column in columns.items():
        if member in item and column in row and item[member] != row[column]:
            got = repr(item[member])[:120]
            yield Deviation(f"{member} {row[column]!r} of {name}"[:200], got, _evidence(context, row), place=member)


def _evidence(context: ResponseContext, row: Mapping[str, Any]) -> Evidence:
    """Return the evidence of a model's row. For a live server it is only a hint, because its models change."""
    level = row.get("evidence", {}).get("catalogue", "documented")
    is_guess = context.target.is_live or not row
    return Evidence("inferred" if is_guess else str(level), "the contract's table of models")
