"""Judges what happened in a sandbox, for a client in the same process, whose time the test moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from swapmock import Sandbox
from swapmock.client_checks.behaviour import judge
from swapmock.client_checks.behaviour.conditions import Condition
from swapmock.client_checks.behaviour.declaration import declare
from swapmock.client_checks.behaviour.gateway import KEPT
from swapmock.client_checks.behaviour.judge import Judgement
from swapmock.client_checks.behaviour.model import Claim, Exchange, Observations, Role, Run, Verdict
from swapmock.client_checks.behaviour.providers import NAMES, PROVIDERS, Provider
from swapmock.client_checks.behaviour.reports.document import proof
from swapmock.client_checks.behaviour.rule import all_rules
from swapmock.client_checks.behaviour.runner import PAGE, attempts_of, secrets_of, tasks_of
from swapmock.client_checks.behaviour.trial import declares


@dataclass(frozen=True)
class SandboxVerdict:
    """The judgements on what a client did in a sandbox. The verdict is true if no must and no should is broken.

    >>> SandboxVerdict(()).failures
    []"""

    judgements: tuple[Judgement, ...]

    @property
    def failures(self) -> list[Judgement]:
        """The judgements that break a must."""
        return [one for one in self.judgements if one.verdict is Verdict.FAIL]

    @property
    def warnings(self) -> list[Judgement]:
        """The judgements that break a should."""
        return [one for one in self.judgements if one.verdict is Verdict.WARN]

    def __bool__(self) -> bool:
        return not self.failures and not self.warnings

    def __str__(self) -> str:
        against = [*self.failures, *self.warnings]
        lines = [
            f"{one.verdict.value} {one.rule}: {one.text}" + "".join(f"\n    {each}" for each in proof(one))
            for one in against
        ]
        return "\n".join(lines) or "no rule is broken"


def verdict_of(
    sandbox: Sandbox,
    *,
    provider: str | None = None,
    outcome: str | None = None,
    declaration: Mapping[str, Any] | None = None,
    rules: Iterable[str] = (),
) -> SandboxVerdict:
    """Judge what happened in `sandbox`, by its journal, tasks, deliveries and ledger.

    `provider` is detected if not given. `outcome` is what the client claims: succeeded, failed or unknown.
    `declaration` holds the fields of conform.toml, above all `jobs`. `rules` names rules by id; all if not given.
    Raises BadDeclaration."""
    declared = declare({"jobs": 1, **(declaration or {})})
    start = float(sandbox.document["clock"]["now"])
    records = [one for one in sandbox.requests(limit=PAGE) if provider in (None, one["provider"])]
    names = sorted({str(one["provider"]) for one in records if one["provider"] in PROVIDERS}) or [provider or NAMES[0]]
    chosen = [rule for rule in all_rules().values() if not tuple(rules) or rule.id in tuple(rules)]
    found: list[Judgement] = []
    for name in names:
        facts = PROVIDERS[name]
        exchanges = [
            exchange_of(facts, record, number, start)
            for number, record in enumerate(records, 1)
            if record["provider"] == name
        ]
        end = exchanges[-1].answered if exchanges else 0.0
        seen = Observations(
            case="plain",
            provider=name,
            declaration=declared,
            condition=Condition(
                "plain", faults=tuple({"role": [], "effect": rule["effect"]} for rule in sandbox.faults())
            ),
            exchanges=exchanges,
            tasks=[task for task in tasks_of(sandbox, start) if task.operation in facts.roles],
            attempts=attempts_of(sandbox, start),
            claims=[Claim(outcome, end, 1)] if outcome else [],
            runs=[Run(1, 0.0, end, "exit", None, "", "")],
            secrets=secrets_of(sandbox),
            coupling="in_process",
            ledger=sandbox.ledger()["entries"],
        )
        judged = judge.judge_case(seen, chosen)
        found += [*judged, *judge.unjudged(chosen, name, judged, judge.features([seen]), declares([seen]))]
    return SandboxVerdict(tuple(found))


def exchange_of(facts: Provider, record: Mapping[str, Any], number: int, start: float) -> Exchange:
    """Return a `record` of the journal as an exchange, with secrets masked. `number` is the number of the exchange,
    `start` the time at which the case began."""
    operation, role = facts.find(record["method"], record["target"])
    response = record["response"]
    answer = response.get("body")
    status = record["status"] or None
    lost = status is None
    delivered = "lost" if lost else "whole"
    document = answer if isinstance(answer, dict) and role is not Role.MEDIA else None
    meaning = facts.meaning(role, operation, record["target"], status, document, delivered)
    at = float(record["at"]) - start
    return Exchange(
        number=number,
        run=1,
        at=at,
        answered=at + float(record.get("delay") or 0.0),
        role=role,
        operation=operation,
        method=record["method"],
        target=record["target"],
        headers=record["request"]["headers"],
        body=record["request"]["body"],
        status=status,
        answer_headers=response.get("headers", {}),
        answer=document,
        answer_text=str(answer)[:KEPT],
        meaning=meaning,
        refusal=facts.code(document) if status is None or meaning.value in ("refused", "ambiguous") else "",
        task=record["task"],
        business_id=facts.caller_id(record["request"]["body"]),
        asked=facts.task_named(record["method"], record["target"], record["request"]["body"]),
        fault=str(record.get("fault") or ""),
        delivered=delivered,
    )
