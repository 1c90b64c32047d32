"""The balance falls only for what was bought, and never rises above what it was at first."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.budget import amount
from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import at


@check("credits.free", "a balance that fell or rose although nothing was bought")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the balance fell although no paid call was sent, or rose above each earlier one: a refund
    gives back no more than was taken."""
    history, account = context.history, context.target.profile.account
    if not account or not context.exchange.has_our_credentials:
        return
    if context.target.may_cost(context.operation.id):
        history.bought_since_balance = True
        return
    if context.operation.id != account["operation"] or not context.is_success:
        return
    balance = amount(at(context.body, account["at"]))
    if balance is None:
        return
    before, bought = history.balance, history.bought_since_balance
    history.balance, history.bought_since_balance = balance, False
    memory = context.history.memory["credits.free"]
    most = memory.get("most")
    memory["most"] = balance if most is None else max(balance, most)
    if most is not None:
        yield EXAMINED
        if balance - most > 0.001:
            # Somebody may pay in while a live account is checked.
            evidence = Evidence(
                "inferred" if context.target.is_live else "documented", "only refunds give credits back"
            )
            yield Deviation(f"a balance of at most {most:g}, as before", f"{balance:g}", evidence, place="rise")
    if before is None or bought:
        return
    yield EXAMINED
    if before - balance > 0.001:
        # Another client may use a live account at the same time.
        level = "inferred" if context.target.is_live else "documented"
        evidence = Evidence(level, "only tasks cost")
        yield Deviation(f"a balance of {before:g}, as before", f"{balance:g}", evidence)
