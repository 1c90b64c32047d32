"""Prices and balances are finite numbers, not negative and not impossibly large."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.budget import amount
from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import every


@check("credits.amount", "a price or a balance that is not a valid amount")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each price or balance that is no such number."""
    if not context.is_success:
        return
    for place in _places(context):
        for value in every(context.body, place):
            yield EXAMINED
            if value is not None and amount(value) is None:
                expected = "a number that is finite, not negative and below a million million"
                yield Deviation(expected, repr(value)[:60], context.evidence, place=place)


def _places(context: ResponseContext) -> Iterator[str]:
    """Yield the JSON pointers at which an answer of this operation reports credits."""
    profile, operation = context.target.profile, context.operation.id
    if profile.account and profile.account["operation"] == operation:
        yield profile.account["at"]
    yield from {cost.at[operation] for cost in profile.estimates.values() if operation in cost.at}
    yield from (kind.credits for kind, _ in context.polls() if kind.credits)
