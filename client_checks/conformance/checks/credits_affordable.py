"""An estimate says that the balance covers the price exactly when the balance does."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.budget import amount
from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.pointer import at


@check("credits.affordable", "an estimate that is wrong about whether the balance covers the price")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the flag contradicts balance and price."""
    where = context.target.profile.affordable
    if not where or context.operation.id != where["operation"] or not context.is_success:
        return
    said, price, balance = (at(context.body, where[name]) for name in ("affordable", "price", "balance"))
    if not isinstance(said, bool) or amount(price) is None or amount(balance) is None:
        return
    yield EXAMINED
    if said != (balance >= price):
        got = f"{said} with a balance of {balance:g} and a price of {price:g}"
        yield Deviation(str(balance >= price).lower(), got, context.evidence_at(where["affordable"]))
