"""Plans a run, and computes its cost from the contract's list prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swapmock.client_checks.conformance.budget import Budget
from swapmock.client_checks.conformance.flow import FlowRunner, least_calls
from swapmock.client_checks.conformance.price import listed_price
from swapmock.client_checks.conformance.target import Target


@dataclass(frozen=True)
class Item:
    """One part of a run. `calls` is the fewest calls that it needs; None if --max-examples or the budget decides."""

    name: str
    about: str
    calls: int | None
    credits: float


def plan(runner: FlowRunner, parts: Sequence[str], read_only: bool) -> list[Item]:
    """Return every part of a run, in the order of execution. With `read_only`, parts that may cost are left out."""
    target, profile = runner.target, runner.target.profile
    items: list[Item] = []
    if "flows" in parts:
        for flow in profile.flows:
            cost = sum(prices(target, flow))
            if runner.can(flow) and not (read_only and costs(target, flow)):
                extra = (
                    2 * sum(target.may_cost(step.get("call", "")) for step in flow["steps"]) if target.is_live else 0
                )
                items.append(Item(f"flow {flow['name']}", flow["about"], least_calls(flow) + extra, cost))
        items += [
            Item(f"refusal {row['name']}", "must be refused", 1, 0.0)
            for row in [*profile.refusals, *profile.everywhere(target.contract, with_paid=not target.is_live)]
            if runner.can(row) and not (read_only and target.may_cost(row.get("call", "")))
        ]
    items += [
        Item(f"generated: {part}", "made from the contract by Schemathesis", None, 0.0)
        for part in parts
        if part != "flows"
    ]
    return items


def costs(target: Target, flow: Mapping[str, Any]) -> bool:
    """Return whether any step of `flow` may cost credits."""
    return any(target.may_cost(step.get("call", "")) for step in flow["steps"])


def prices(target: Target, flow: Mapping[str, Any]) -> Iterator[float]:
    """Yield the contract's price of each step of `flow`, in credits."""
    for step in flow["steps"]:
        if target.may_cost(step.get("call", "")) and "refused" not in step:
            yield listed_price(target, step["call"], step.get("body")) or 0.0


def beyond(items: Sequence[Item], budget: Budget) -> list[str]:
    """Return the names of the items that do not fit into `budget`, if the items are taken in order."""
    calls, credits, names = 0, 0.0, []
    for item in items:
        too_many = budget.max_calls is not None and calls + (item.calls or 0) > budget.max_calls
        too_dear = budget.max_credits is not None and item.credits > 0 and credits + item.credits > budget.max_credits
        if too_many or too_dear:
            names.append(item.name)
        else:
            calls, credits = calls + (item.calls or 0), credits + item.credits
    return names
