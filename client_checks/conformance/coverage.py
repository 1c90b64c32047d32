"""What a run has seen: per operation and per body code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from swapmock.client_checks.conformance.context import History, ResponseContext, to_finding
from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding
from swapmock.client_checks.conformance.flow import Rule
from swapmock.client_checks.conformance.target import Target

UNSEEN = Rule("operation.success", "an operation that was never seen to succeed")


@dataclass
class Row:
    """One operation: its calls, how many of them were meant to succeed, how many did, and what else came."""

    operation: str
    calls: int = 0
    tried: int = 0
    succeeded: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def as_row(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "calls": self.calls,
            "succeeded": self.succeeded,
            "statuses": dict(sorted(self.statuses.items())),
            "codes": dict(sorted(self.codes.items())),
        }


@dataclass(frozen=True)
class Coverage:
    """`operations` in the contract's order, `codes` as `(code, name, times)` for every one that the contract lists."""

    operations: list[Row]
    codes: list[tuple[str, str, int]]

    @classmethod
    def of(cls, target: Target, exchanges: Iterable[Exchange]) -> Coverage:
        envelope = Envelope(target.contract)
        rows = {name: Row(name) for name in target.profile.present(list(target.contract.operations), target.variants)}
        codes: Counter[str] = Counter()
        for exchange in exchanges:
            code = envelope.code(exchange.json)
            if code is not None:
                codes[str(code)[:40]] += 1
            row = rows.get(exchange.operation)
            if row is None:
                continue
            row.calls += 1
            row.tried += exchange.origin.startswith(("flow", "examples"))
            row.statuses[str(exchange.status or "none")] += 1
            if code is not None:
                row.codes[str(code)[:40]] += 1
            if succeeded(target, exchange):
                row.succeeded += 1
        known = {str(code): row.name for code, row in target.contract.behaviour.body_codes.items()}
        listed = [(code, name, codes.pop(code, 0)) for code, name in known.items()]
        return cls(
            list(rows.values()), [*listed, *((code, "not in the contract", n) for code, n in sorted(codes.items()))]
        )

    def unseen(self, target: Target, left_out: Iterable[str]) -> Iterator[Finding]:
        """A finding for every operation that was never seen to succeed; a remark only, if calls to it were left out."""
        reasons = ", ".join(left_out)
        for row in self.operations:
            if row.succeeded:
                continue
            evidence = Evidence.of(target.contract.operations[row.operation].evidence) or Evidence(
                "inferred", "the contract"
            )
            got = f"{row.calls} calls, none succeeded"
            if reasons and not row.tried:
                evidence = Evidence("inferred", evidence.source)
                got = f"never asked to succeed; left out: {reasons}"[:300]
            yield to_finding(UNSEEN, row.operation, Deviation("at least one success", got, evidence), None)


def succeeded(target: Target, exchange: Exchange) -> bool:
    """Whether a call of a known operation was answered with a success."""
    seen = ResponseContext(target, target.contract.operations[exchange.operation], exchange, History())
    return 200 <= seen.status < 300 and (not seen.wants_envelope or seen.code == seen.envelope.ok)
