"""Every estimate of the same task gives the same price, and every call reports the same balance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.conformance.budget import amount
from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.profile import applies
from swapmock.client_checks.conformance.strict_json import parsed
from swapmock.contracts.pricing import price_of


@check("credits.agree", "prices or balances that do not agree with one another")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each price or balance that differs from another answer or from the contract."""
    yield from _refused(context)
    if not context.is_success or not context.exchange.has_our_credentials:
        return
    yield from _prices(context)
    yield from _balances(context)


def _prices(context: ResponseContext) -> Iterator[Deviation | None]:
    memory = context.history.memory["credits.agree"]
    asked = parsed(context.exchange.body)
    for paid, cost in context.target.profile.estimates.items():
        pointer = cost.at.get(context.operation.id)
        price = None if pointer is None else amount(at(context.body, pointer))
        if pointer is None or price is None:
            continue
        if cost.tentative.get(context.operation.id) and at(context.body, cost.tentative[context.operation.id]) is True:
            memory[json.dumps(asked, sort_keys=True)] = ("", price)
            continue  # the price is settled later
        body = json.dumps(parsed(context.exchange.body), sort_keys=True)
        operation, before = memory.setdefault(body, (context.operation.id, price))
        if not operation:
            continue
        if operation != context.operation.id or before != price:
            yield EXAMINED
        if abs(before - price) > _tolerance(context):
            evidence = context.evidence_at(pointer)
            yield Deviation(f"{before:g} credits, as {operation} says", f"{price:g}", evidence, place=pointer)
        listed = None if context.target.is_live else _listed(context, paid, asked)
        if listed is not None:
            yield EXAMINED
            if abs(listed - price) > _tolerance(context):
                evidence = _evidence_of_list(context, asked)
                yield Deviation(
                    f"{listed:g} credits, as the contract lists", f"{price:g}", evidence, place=f"{pointer} listed"
                )


def _tolerance(context: ResponseContext) -> float:
    """Return by how much two amounts may differ: less than one if the server writes whole numbers only."""
    rounded = context.target.profile.account.get("rounded") if context.target.profile.account else None
    return 0.999 if rounded and applies(rounded, context.target.variants) else 0.001


def _evidence_of_list(context: ResponseContext, asked: Any) -> Evidence:
    """Return how well the contract's price of a model is known."""
    contract = context.target.contract
    catalogue = contract.behaviour.catalogue
    named = asked.get(catalogue.member) if catalogue is not None and isinstance(asked, Mapping) else None
    row = contract.models.get(str(named), {})
    level = row.get("evidence", {}).get("price", "inferred")
    return Evidence(str(level), str(row.get("source") or "the contract's list of prices"))


def _listed(context: ResponseContext, operation: str, asked: Any) -> float | None:
    """Return the contract's price of a call of `operation`; None if the contract lists no price for this input."""
    contract = context.target.contract
    catalogue = contract.behaviour.catalogue
    named = asked.get(catalogue.member) if catalogue is not None and isinstance(asked, Mapping) else None
    row = contract.models.get(str(named))
    if row is None or catalogue is None:
        return None
    given = asked.get(catalogue.input) if isinstance(asked, Mapping) and catalogue.input else asked
    if isinstance(given, Mapping) and price_of(row, given, contract.tables).estimated:
        return None
    return contract.list_price(operation, asked)


def _refused(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if a refusal reports a balance that would do, or another one than an estimate told this account
    just before."""
    where, memory = context.target.profile.affordable, context.history.memory["credits.agree of accounts"]
    account = tuple(sorted(v for n, v in context.exchange.headers if n.lower() in _credentials(context)))
    if context.is_success:
        if where and context.operation.id == where["operation"]:
            memory[account] = amount(at(context.body, where["balance"]))
        elif context.target.may_cost(context.operation.id):
            memory.pop(account, None)
        return
    places = context.target.profile.account.get("refused", {}) if context.target.profile.account else {}
    for problem, pointer in places.items():
        refusal = context.target.contract.behaviour.refusals.get(problem)
        told, known = at(context.body, pointer), memory.get(account)
        if refusal is None or context.code != refusal.code or told is None or context.exchange.has_our_credentials:
            continue
        yield EXAMINED
        if amount(told) is None or (known is not None and abs(amount(told) - known) > _tolerance(context)):
            expected = "an amount" if known is None else f"a balance of {known:g}, as the estimate says"
            yield Deviation(expected, repr(told)[:60], Evidence.of_row(refusal), place="refused balance")


def _credentials(context: ResponseContext) -> set[str]:
    return {credential.header.lower() for credential in context.target.profile.credentials}


def _balances(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if an estimate reports a balance other than the account's while nothing was bought."""
    where = context.target.profile.affordable
    if not where or context.operation.id != where["operation"]:
        return
    told, known = amount(at(context.body, where["balance"])), context.history.balance
    if told is None or known is None or context.history.bought_since_balance or context.target.is_live:
        return
    yield EXAMINED
    if abs(told - known) > _tolerance(context):
        evidence = context.evidence_at(where["balance"])
        yield Deviation(f"a balance of {known:g}, as the account says", f"{told:g}", evidence, place="balance")
