"""Runs Schemathesis against a target and converts the results of its checks to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import schemathesis
from schemathesis.checks import CHECKS as REGISTERED
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, Severity
from schemathesis.engine import events, from_schema

from swapmock.client_checks.conformance.context import Check, History, ResponseContext, all_checks, to_finding
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding, Findings
from swapmock.client_checks.conformance.hooks import install_hooks, operation_id
from swapmock.client_checks.conformance.proxy import EXCHANGE, LEFT_OUT, Proxy
from swapmock.client_checks.conformance.rules import GENERATED, Rule
from swapmock.client_checks.conformance.sender import Sender
from swapmock.client_checks.conformance.tasks import observe
from swapmock.client_checks.conformance.transport import quiet_environment

PHASES = ("examples", "coverage", "fuzzing", "stateful")

#: Schemathesis' own checks, as findings. Its checks of schema, headers, status and content type are replaced by ours,
#: which know how well each fact is known. Two further ones are about deleting, which these APIs do not have.
STOCK: Mapping[str, Rule] = {
    "not_a_server_error": Rule("server.error", "a server error"),
    "negative_data_rejection": Rule("data.accepted", "invalid data that was accepted"),
    "positive_data_acceptance": Rule("data.refused", "valid data that was refused"),
    "missing_required_header": Rule("data.header", "a required header that the server does not require"),
    "unsupported_method": Rule("method.wrong", "a wrong method that is not refused as such"),
    "ignored_auth": Rule("auth.ignored", "credentials that are not required"),
}
REPLACED = (
    "response_schema_conformance",
    "response_headers_conformance",
    "status_code_conformance",
    "content_type_conformance",
    "use_after_free",
    "ensure_resource_availability",
)


class CheckFailure(Failure):
    """A finding of one of our checks, in the form that Schemathesis passes on."""

    __slots__ = ("finding",)

    def __init__(self, finding: Finding) -> None:
        super().__init__(
            operation=finding.operation, title=finding.title, message=finding.expected, severity=Severity.HIGH
        )
        self.finding = finding

    @property
    def _unique_key(self) -> str:
        return "|".join(self.finding.key)


@dataclass
class Run:
    """What the registered checks need to know of the current run."""

    sender: Sender
    history: History


_RUN: list[Run] = []


def register() -> list[str]:
    """Register each of our checks with Schemathesis under its own name, and return the names."""
    names = []
    for one in all_checks().values():
        name = "swapmock_" + one.id.replace(".", "_")
        names.append(name)
        if name not in REGISTERED.get_all_names():
            schemathesis.check(_as_schemathesis_check(one, name))
    return names


def _as_schemathesis_check(one: Check, name: str) -> Callable[..., None]:
    def run(context: Any, response: Any, case: Any) -> None:  # noqa: ARG001 - Schemathesis' signature
        answer = _context_of(response, case)
        if answer is None:
            return
        observe(answer)
        for finding in one.findings(answer):
            raise CheckFailure(finding)

    run.__name__ = name
    return run


def _context_of(response: Any, case: Any) -> ResponseContext | None:
    """Return the exchange of a response in the form that our checks take; None outside a run of ours."""
    numbers = response.headers.get(EXCHANGE)
    if not _RUN or not numbers:
        return None
    run = _RUN[-1]
    exchange = run.sender.exchanges[int(numbers[0]) - 1]
    operation = run.sender.target.contract.operations.get(exchange.operation)
    if operation is None or operation.id != operation_id(case):
        return None
    return ResponseContext(run.sender.target, operation, exchange, run.history)


def generate(
    sender: Sender,
    findings: Findings,
    history: History,
    *,
    phases: Sequence[str],
    max_examples: int,
    seed: int,
    operations: Sequence[str],
    on_progress: Callable[[str, str], None],
) -> Iterator[str]:
    """Run the `phases` of Schemathesis over `operations` (all, if empty), and yield the label of each scenario that
    has ended. Raises nothing for what the server does."""
    register()
    with quiet_environment(), Proxy(sender) as proxy:
        _RUN.append(Run(sender, history))
        try:
            schema = _schema(sender, proxy, phases, max_examples, seed, operations)
            yield from _drive(sender, proxy, findings, schema, on_progress)
        finally:
            _RUN.pop()


def _drive(
    sender: Sender,
    proxy: Proxy,
    findings: Findings,
    schema: Any,
    on_progress: Callable[[str, str], None],
) -> Iterator[str]:
    stream = from_schema(schema).execute()
    for event in stream:
        if isinstance(event, events.PhaseStarted):
            proxy.origin = event.phase.name.value
            on_progress(event.phase.name.value, "")
        elif isinstance(event, events.ScenarioStarted):
            on_progress(proxy.origin, event.label or "")
        elif isinstance(event, events.ScenarioFinished):
            findings.extend(_of_scenario(sender, event))
            yield event.label or ""
        elif isinstance(event, events.NonFatalError):
            if type(event.value).__name__ == "NoLinksFound":
                sender.budget.note(
                    "generated: links", "none leads to an operation that calls are generated for", is_chosen=True
                )
            else:
                findings.extend(_of_error(event))
        elif isinstance(event, events.Interrupted):
            raise KeyboardInterrupt
        elif isinstance(event, events.FatalError):
            raise event.exception
        if proxy.limit:
            sender.budget.note(f"generated: {proxy.origin}", proxy.limit)
            stream.stop()
            break
    for why in proxy.left_out:
        sender.budget.note(f"generated: single calls ({why})", why)


def _schema(
    sender: Sender, proxy: Proxy, phases: Sequence[str], max_examples: int, seed: int, operations: Sequence[str]
) -> Any:
    target = sender.target
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "base-url": proxy.url,
            "headers": dict(target.credentials),
            "generation": {
                "max-examples": max_examples,
                "deterministic": True,
                "no-shrink": target.is_live,
                "database": "none",
            },
            "phases": {phase: {"enabled": phase in phases} for phase in PHASES},
            "checks": {name: {"enabled": False} for name in REPLACED},
            "cache": {"enabled": False},
            "request-timeout": 120,
        }
    )
    # A copy: Schemathesis resolves references in the document that it is given.
    schema: Any = schemathesis.openapi.from_dict(deepcopy(dict(target.contract.document)), config=config)
    absent = [
        name
        for name in target.contract.operations
        if (target.is_live and target.may_cost(name))
        or (not target.is_live and not target.profile.present([name], target.variants))
    ]
    if target.is_live and absent:
        sender.budget.note("generated: " + ", ".join(absent), "each call could cost", is_chosen=True)
    # The file stores behind links are other hosts. Only flows, which follow links, call them.
    stores = [name for name, operation in target.contract.operations.items() if operation.files]
    if absent or stores:
        schema = schema.exclude(operation_id=[*absent, *stores])
    if operations:
        schema = schema.include(operation_id=list(operations))
    install_hooks(schema, target.contract, target.profile, target.variants)

    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:  # noqa: ARG001 - a hook's signature
        return LEFT_OUT not in response.headers

    schema.hook(filter_failure)
    return schema


def _of_scenario(sender: Sender, event: Any) -> Iterator[Finding]:
    for case_id, nodes in event.recorder.checks.items():
        for node in nodes:
            if node.failure_info is None:
                continue
            failure = node.failure_info.failure
            if isinstance(failure, CheckFailure):
                yield failure.finding
                continue
            interaction = event.recorder.interactions.get(case_id)
            yield _stock(sender, node.name, failure, interaction)


def _stock(sender: Sender, name: str, failure: Any, interaction: Any) -> Finding:
    """Return a failure of one of Schemathesis' own checks as a finding."""
    exchange = _exchange_of(sender, interaction)
    operation = "" if exchange is None else exchange.operation
    rule = STOCK.get(name, Rule(f"schemathesis.{name}", failure.title))
    known = sender.target.contract.operations.get(operation)
    evidence = (Evidence.of(known.evidence) if known else None) or Evidence("documented", "the contract")
    got = failure.title if exchange is None else exchange.shown_answer()
    expected = " ".join(failure.message.split())[:300] or f"an answer without this mistake: {rule.title}"
    return to_finding(rule, operation or str(failure.operation), Deviation(expected, got, evidence), exchange)


def _exchange_of(sender: Sender, interaction: Any) -> Exchange | None:
    response = None if interaction is None else interaction.response
    numbers = None if response is None else response.headers.get(EXCHANGE)
    return sender.exchanges[int(numbers[0]) - 1] if numbers else None


def _of_error(event: Any) -> Iterator[Finding]:
    """Yield a finding for an error of the run. Connection errors are already reported by the sender; what remains is
    a mistake in the contract or in the tool."""
    text = f"{type(event.value).__name__}: {event.value}"
    if "Connection" in text or "RemoteDisconnected" in text:
        return
    yield to_finding(
        GENERATED,
        event.label,
        Deviation("calls made from the contract", " ".join(text.split())[:300], Evidence("documented", "the contract")),
        None,
    )
