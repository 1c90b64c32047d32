"""One run of `swapmock check`: plan, flows, refusals, generated calls, coverage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swapmock.client_checks.clock import Clock
from swapmock.client_checks.conformance.budget import Budget
from swapmock.client_checks.conformance.context import History, ResponseContext, all_checks, check_response, to_finding
from swapmock.client_checks.conformance.coverage import Coverage
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding, Findings
from swapmock.client_checks.conformance.flow import FlowRunner, PollTiming, Rule
from swapmock.client_checks.conformance.generated import PHASES, generate
from swapmock.client_checks.conformance.plan import Item, costs, plan
from swapmock.client_checks.conformance.sender import Sender
from swapmock.client_checks.conformance.stateful import run_interleaved
from swapmock.client_checks.conformance.target import CannotRun, Target

#: The parts of a run, in order: flows and refusals first, for they say most about few calls.
PARTS = ("flows", *PHASES)

EMPTY = Rule("run.empty", "a run that has seen nothing")

#: The names of the body codes that say that a key is no good.
LOCKED_OUT = ("unauthorized", "key_disabled")

Progress = Callable[[str, str], None]


@dataclass(frozen=True)
class Options:
    """How a run goes. `rate` is calls per second; None goes as fast as it can. `operations` are those that calls are
    generated for, all if empty."""

    parts: Sequence[str] = PARTS
    max_examples: int = 25
    seed: int = 1
    strict: bool = False
    read_only: bool = False
    rate: float | None = None
    poll_timing: PollTiming = field(default_factory=lambda: PollTiming(0.5, 120.0))
    media: Mapping[str, str] = field(default_factory=dict)
    operations: Sequence[str] = ()


@dataclass(frozen=True)
class RunResult:
    """All that a run has to say."""

    target: Target
    options: Options
    plan: Sequence[Item]
    findings: Findings
    coverage: Coverage
    exchanges: Sequence[Exchange]
    left_out: Mapping[str, str]
    calls: int
    spent: float
    completed: Sequence[str]

    @property
    def failing(self) -> list[Finding]:
        return self.findings.failing(self.options.strict)

    @property
    def warnings(self) -> list[Finding]:
        failing = self.failing
        return [finding for finding in self.findings if finding not in failing]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was seen to succeed: then there is nothing to be clean about."""
        return not any(row.succeeded for row in self.coverage.operations)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 2 nothing was seen that could be judged."""
        if self.is_empty and not self.failing:
            return 2
        return 1 if self.failing else 0


def is_slow(flow: Mapping[str, Any]) -> bool:
    """Whether a flow moves the clock far, or waits for callbacks: not for a journey with others."""
    return flow.get("needs") in ("clock", "callback")


class Run:
    """A run that is set up but has sent nothing yet."""

    def __init__(
        self,
        target: Target,
        options: Options,
        budget: Budget,
        clock: Clock,
        advance: Callable[[str | float], None] | None = None,
        callbacks: Any = None,
        let_polls_move_time: Callable[[], object] | None = None,
    ) -> None:
        self.target = target
        self._let_polls_move_time = let_polls_move_time
        self.options = options
        self.budget = budget
        self.findings = Findings()
        self.history = History()
        self.sender = Sender(target, budget, clock, options.rate, options.read_only)
        known = target.profile.values["emulator" if target.is_ours and not target.is_live else "live"]
        self.runner = FlowRunner(
            target=target, sender=self.sender, clock=clock, poll_timing=options.poll_timing,
            values={**known, **options.media}, findings=self.findings, history=self.history,
            advance=advance, callbacks=callbacks,
        )  # fmt: skip
        self.plan = plan(self.runner, options.parts, options.read_only)
        missing = [part for part in PARTS if part not in options.parts]
        if missing:
            budget.note(", ".join(missing), "--parts")
        if options.operations:
            budget.note("generated calls of other operations", "--operation")

    def go(self, progress: Progress = lambda *_: None) -> RunResult:
        """Send what was planned, as far as the budget goes."""
        all_checks()
        try:
            if "flows" in self.options.parts:
                self._walk(progress)
                self._stop_if_locked_out()
            phases = [part for part in self.options.parts if part in PHASES]
            if phases:
                self._generate(phases, progress)
                self._stop_if_locked_out()
        finally:
            self.sender.close()
        return self._result()

    def _stop_if_locked_out(self) -> None:
        """CannotRun if every call with our credentials was refused because of them: that judges nobody."""
        codes = {c for c, row in self.target.contract.behaviour.body_codes.items() if row.name in LOCKED_OUT}
        ours = [one for one in self.sender.exchanges if one.has_our_credentials and one.operation]
        if ours and all(self.sender.envelope.code(one.json) in codes for one in ours):
            names = ", ".join(credential.env[0] for credential in self.target.profile.credentials)
            raise CannotRun(f"the credentials in {names} are refused: {ours[0].shown_answer(120)}")

    def _walk(self, progress: Progress) -> None:
        profile, runner = self.target.profile, self.runner
        for flow in filter(runner.can, profile.flows):
            progress("flows", flow["name"])
            if self.options.read_only and costs(self.target, flow):
                self.budget.note(f"flow {flow['name']}", "--read-only: it may cost")
            else:
                runner.run(flow)
        for row in filter(runner.can, profile.refusals):
            progress("refusals", row["name"])
            runner.refuse(row)

    def _generate(self, phases: Sequence[str], progress: Progress) -> None:
        before = len(self.sender.exchanges)
        if "stateful" in phases and not self.target.is_live:
            progress("stateful", "journeys")
            flows = [flow for flow in self.target.profile.flows if self.runner.can(flow) and not is_slow(flow)]
            run_interleaved(self.runner, flows, max(1, self.options.max_examples // 5), self.options.seed)
        if self._let_polls_move_time is not None:
            self._let_polls_move_time()
        for _ in generate(
            self.sender, self.findings, self.history, phases=phases, max_examples=self.options.max_examples,
            seed=self.options.seed, operations=self.options.operations, on_progress=progress,
        ):  # fmt: skip
            pass
        # Schemathesis shows its checks only what was answered.
        for exchange in self.sender.exchanges[before:]:
            operation = self.target.contract.operations.get(exchange.operation)
            if exchange.status is None and operation is not None:
                self.findings.extend(check_response(ResponseContext(self.target, operation, exchange, self.history)))

    def _result(self) -> RunResult:
        coverage = Coverage.of(self.target, self.sender.exchanges)
        self.findings.extend(coverage.unseen(self.target, self.budget.left_out))
        if not any(row.succeeded for row in coverage.operations) and not self.findings.failing(self.options.strict):
            deviation = Deviation(
                "at least one success", "none was seen", Evidence("inferred", "an empty run proves nothing")
            )
            self.findings.add(to_finding(EMPTY, "", deviation, None))
        return RunResult(
            target=self.target, options=self.options, plan=self.plan, findings=self.findings, coverage=coverage,
            exchanges=self.sender.exchanges, left_out=self.budget.left_out, calls=self.budget.calls,
            spent=self.budget.spent, completed=self.runner.completed,
        )  # fmt: skip
