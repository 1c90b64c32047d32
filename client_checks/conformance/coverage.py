"""What a run has seen: for each operation and for each body code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from swapmock.client_checks.conformance.budget import Budget
from swapmock.client_checks.conformance.context import History, ResponseContext, to_finding
from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding
from swapmock.client_checks.conformance.profile import applies
from swapmock.client_checks.conformance.rules import UNSEEN
from swapmock.client_checks.conformance.target import Target


@dataclass
class Row:
    """The counts of one operation: its calls, how many of them should succeed, how many did, and the other answers."""

    operation: str
    calls: int = 0
    tried: int = 0
    succeeded: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def as_row(self) -> dict[str, Any]:
        """Return the row for reports."""
        return {
            "operation": self.operation,
            "calls": self.calls,
            "succeeded": self.succeeded,
            "statuses": dict(sorted(self.statuses.items())),
            "codes": dict(sorted(self.codes.items())),
        }


@dataclass(frozen=True)
class Coverage:
    """The coverage of a run. `operations` are in the contract's order; `codes` are `(code, name, times)` for every code
    that the contract lists."""

    operations: list[Row]
    codes: list[tuple[str, str, int]]

    @classmethod
    def of(cls, target: Target, exchanges: Iterable[Exchange]) -> Coverage:
        """Return the coverage that `exchanges` give for `target`."""
        envelope = Envelope(target.contract)
        rows = {name: Row(name) for name in target.profile.present(list(target.contract.operations), target.variants)}
        codes: Counter[str] = Counter()
        for exchange in exchanges:
            code = envelope.code(exchange.status, exchange.json)
            if code is not None:
                codes[str(code)[:40]] += 1
            row = rows.get(exchange.operation)
            if row is None:
                continue
            row.calls += 1
            is_download = target.contract.operations[exchange.operation].is_download
            row.tried += not is_download and exchange.origin.startswith(("flow", "examples"))
            row.statuses[str(exchange.status or "none")] += 1
            if code is not None:
                row.codes[str(code)[:40]] += 1
            if succeeded(target, exchange):
                row.succeeded += 1
        known = _names_of_codes(target)
        listed = [(code, name, codes.pop(code, 0)) for code, name in known.items()]
        # A live server may keep its files on other hosts. An operation behind links counts only if it was seen.
        shown = [r for n, r in rows.items() if r.calls or not target.contract.operations[n].is_download]
        return cls(shown, [*listed, *((code, "not in the contract", n) for code, n in sorted(codes.items()))])

    def percent(self) -> dict[str, int]:
        """Return how much of the contract was seen, in per cent: `operations` that succeeded, and body `codes`."""
        known = [seen for _, name, seen in self.codes if name != "not in the contract"]
        return {
            "operations": 100 * sum(bool(row.succeeded) for row in self.operations) // max(1, len(self.operations)),
            "codes": 100 * sum(map(bool, known)) // max(1, len(known)),
        }

    def unseen(self, target: Target, options: Any, budget: Budget) -> Iterator[Finding]:
        """Yield a finding for every operation that should have succeeded and never did.

        Operations that the user left out give no finding. Operations that a limit left out give a warning:
        `run.partial` reports them."""
        expected = _expected(target, options)
        cut = ", ".join(budget.cut)
        for row in self.operations:
            if row.succeeded or (row.operation not in expected and not row.tried):
                continue
            evidence = Evidence("documented", "what never succeeds was not examined")
            got = f"{row.calls} calls, none succeeded"
            if not row.tried and (cut or target.is_live):
                evidence = Evidence("inferred", evidence.source)
                got = f"never asked to succeed; left out: {cut or 'by the nature of a live run'}"[:300]
            yield to_finding(UNSEEN, row.operation, Deviation("at least one success", got, evidence), None)


def _names_of_codes(target: Target) -> dict[str, str]:
    """Return the name of each code that an answer may have: of body codes, or of HTTP statuses without an envelope."""
    behaviour = target.contract.behaviour
    if behaviour.envelope is not None:
        return {str(code): row.name for code, row in behaviour.body_codes.items()}
    names: dict[str, str] = {}
    for refusal in behaviour.refusals.values():
        names.setdefault(str(refusal.code), refusal.problem)
    return names


def _expected(target: Target, options: Any) -> set[str]:
    """Return the operations that the selected parts of a run call."""
    wanted: set[str] = set()
    if "flows" in options.parts:
        for flow in target.profile.flows:
            costs = any(target.may_cost(step.get("call", "")) for step in flow["steps"])
            if options.read_only and costs:
                continue
            if not flow.get("needs") and applies(flow.get("when"), target.variants):
                wanted |= {step["call"] for step in flow["steps"] if "call" in step and "refused" not in step}
                wanted |= {target.profile.kinds[step["poll"]].poll for step in flow["steps"] if "poll" in step}
    if any(part != "flows" for part in options.parts):
        # Calls of operations that may cost are not generated for a live target.
        generated = {
            name: target.contract.operations[name] for name in options.operations or target.contract.operations
        }
        wanted |= {
            name for name, one in generated.items() if not one.files and not (target.is_live and target.may_cost(name))
        }
    return {name for name in wanted if not (options.read_only and target.may_cost(name))}


def succeeded(target: Target, exchange: Exchange) -> bool:
    """Return whether a call of an operation in the contract was answered with a success."""
    if target.contract.operations[exchange.operation].files:
        return exchange.status is not None and 200 <= exchange.status < 300
    return ResponseContext(target, target.contract.operations[exchange.operation], exchange, History()).is_success
