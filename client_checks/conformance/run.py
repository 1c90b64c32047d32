"""One run of `swapmock check`: plan, flows, refusals, generated calls, coverage."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from swapmock.client_checks.clock import Clock, RealClock
from swapmock.client_checks.conformance.baseline import Known, apply
from swapmock.client_checks.conformance.budget import Budget, LeftOut
from swapmock.client_checks.conformance.checking import check_response
from swapmock.client_checks.conformance.context import History, ResponseContext, all_checks, to_finding
from swapmock.client_checks.conformance.coverage import Coverage
from swapmock.client_checks.conformance.examined import not_examined, unexercised
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding, Findings
from swapmock.client_checks.conformance.flow import FlowRunner, PollTiming
from swapmock.client_checks.conformance.generated import PHASES, generate
from swapmock.client_checks.conformance.plan import Item, costs, plan
from swapmock.client_checks.conformance.refusals import refuse
from swapmock.client_checks.conformance.repeating import chain_of, repeat_of
from swapmock.client_checks.conformance.rules import ABORTED, EMPTY
from swapmock.client_checks.conformance.sender import Sender
from swapmock.client_checks.conformance.stateful import run_interleaved
from swapmock.client_checks.conformance.steps import HANDLERS
from swapmock.client_checks.conformance.target import CannotRun, Target

#: The parts of a run, in order. Flows and refusals come first: they find the most with the fewest calls.
PARTS = ("flows", *PHASES)

#: Findings about the run, not about the server.
NOT_ABOUT_THE_SERVER = ("run.empty", "run.partial", "run.aborted", "operation.success")

#: The names of the body codes that reject a key.
LOCKED_OUT = ("unauthorized", "key_disabled")

#: The refusals that reject a key, for a provider without body codes.
REFUSED_KEY = ("key_missing", "key_unknown", "key_disabled", "secret_wrong")

Progress = Callable[[str, str], None]


@dataclass(frozen=True)
class Options:
    """The options of a run.

    `rate` is calls per second; None means no limit. `operations` are those for which calls are generated; all if
    empty. `allow_partial` are patterns for parts that may be missing (`*` matches anything). `flow_names` are the
    flows and refusals to run; all if empty. `own_flows` are the flows of a user's file. `severities` maps
    patterns of finding ids to fail, warn or ignore. `today` is the day used for a baseline. `was_started` says
    that the emulator was started for this run. `flows_file` is the path of the user's file of flows, or ""."""

    parts: Sequence[str] = PARTS
    max_examples: int = 25
    seed: int = 1
    strict: bool = False
    read_only: bool = False
    rate: float | None = None
    poll_timing: PollTiming = field(default_factory=lambda: PollTiming(0.5, 120.0))
    media: Mapping[str, str] = field(default_factory=dict)
    operations: Sequence[str] = ()
    allow_partial: Sequence[str] = ()
    flow_names: Sequence[str] = ()
    own_flows: Sequence[Mapping[str, Any]] | None = None
    baseline: Sequence[Known] = ()
    severities: Mapping[str, str] = field(default_factory=dict)
    today: date = date.max
    was_started: bool = False
    flows_file: str = ""

    @property
    def repeat_options(self) -> list[str]:
        """The options of the command line without which a flow of this run cannot be repeated."""
        media = [part for name, url in self.media.items() for part in ("--media", f"{name}={url}")]
        return [*(["--flows", self.flows_file] if self.flows_file else []), *media]

    @property
    def wants_refusals_only(self) -> bool:
        """Whether the user asked only for calls that must be refused."""
        return bool(self.flow_names) and all(name.startswith("refusal ") for name in self.flow_names)

    @property
    def is_narrowed(self) -> bool:
        """Whether the user asked only for a part of the checks."""
        return (
            set(self.parts) != set(PARTS)
            or bool(self.operations or self.flow_names)
            or self.own_flows is not None
            or self.read_only
        )


@dataclass(frozen=True)
class RunResult:
    """The result of a run. `examined` counts, for each check, how often it judged something. `aborted` says why the
    run ended early, "" if it did not. `started` and `duration` are in seconds."""

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
    examined: Mapping[str, int] = field(default_factory=dict)
    aborted: str = ""
    started: float = 0.0
    duration: float = 0.0

    @property
    def failing(self) -> list[Finding]:
        """The findings that fail the run."""
        return self.findings.failing(self.options.strict)

    @property
    def warnings(self) -> list[Finding]:
        """The findings that only warn."""
        failing = self.failing
        return [finding for finding in self.findings if finding not in failing and not finding.known]

    @property
    def is_empty(self) -> bool:
        """Whether no call was seen to succeed. Then nothing can be called clean, unless the user asked only for
        refusals."""
        if self.options.wants_refusals_only and self.completed:
            return False
        return not any(row.succeeded for row in self.coverage.operations)

    @property
    def exit_code(self) -> int:
        """Return 0 if the run is clean, 1 if there are findings, 2 if nothing could be judged or the run was ended
        by a signal."""
        if self.aborted or (self.is_empty and all(one.id in NOT_ABOUT_THE_SERVER for one in self.failing)):
            return 2
        return 1 if self.failing else 0


def is_slow(flow: Mapping[str, Any]) -> bool:
    """Return whether a flow moves the clock far or waits for callbacks. Such a flow does not run beside others."""
    return flow.get("needs") in ("clock", "callback")


def _check_operations(target: Target, operations: Sequence[str]) -> None:
    """Raise CannotRun if the contract lacks one of `operations`: a filter that matches nothing would examine
    nothing."""
    known = list(target.contract.operations)
    for name in operations:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f": {', '.join(known)}"
            raise CannotRun(f"--operation: {name!r} is no operation of {target.provider}{hint}")


def _with_flows(target: Target, options: Options) -> Target:
    """Return the target with the requested flows and refusals. Raises CannotRun for a name that does not exist."""
    facts = target.profile
    if options.own_flows is not None:
        facts = replace(facts, flows=options.own_flows, refusals=(), every_operation=())
    if options.flow_names:
        everywhere = list(facts.everywhere(target.contract, with_paid=not target.is_live))
        known = [
            *(row["name"] for row in facts.flows),
            *(f"refusal {row['name']}" for row in [*facts.refusals, *everywhere]),
        ]
        for name in options.flow_names:
            if name not in known:
                near = get_close_matches(name, known, 1)
                raise CannotRun(
                    f"--flow: {name!r} is none of {target.provider}'s"
                    + (f"; did you mean {near[0]!r}?" if near else "")
                )
        wanted = options.flow_names
        facts = replace(
            facts,
            flows=[row for row in facts.flows if row["name"] in wanted],
            refusals=[row for row in [*facts.refusals, *everywhere] if f"refusal {row['name']}" in wanted],
            every_operation=(),
        )
    return replace(target, profile=facts)


class Run:
    """A run that is set up and has not sent anything yet."""

    def __init__(
        self,
        target: Target,
        options: Options,
        budget: Budget,
        clock: Clock,
        advance: Callable[[str | float], None] | None = None,
        callbacks: Any = None,
        let_polls_move_time: Callable[[], object] | None = None,
        accounts: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        _check_operations(target, options.operations)
        target = self.target = _with_flows(target, options)
        self._let_polls_move_time = let_polls_move_time
        self.options = options
        self.budget = budget
        self.findings = Findings()
        self.history = History()
        self.sender = Sender(target, budget, clock, options.rate, options.read_only)
        known = target.profile.values["emulator" if target.is_ours and not target.is_live else "live"]
        self.runner = FlowRunner(
            target=target, sender=self.sender, clock=clock, poll_timing=options.poll_timing,
            values={**known, **options.media}, handlers=HANDLERS, findings=self.findings, history=self.history,
            advance=advance, callbacks=callbacks, accounts=accounts or {},
        )  # fmt: skip
        self._seen = 0
        self.sender.on_asked = self._look_at_asked
        self.plan = plan(self.runner, options.parts, options.read_only)
        missing = [part for part in PARTS if part not in options.parts]
        if missing:
            budget.note(", ".join(missing), "--parts", is_chosen=True)
        if options.operations:
            budget.note("generated calls of other operations", "--operation", is_chosen=True)

    def _look_at_asked(self, exchange: Exchange) -> None:
        """Let every check look at a price or a balance that the run asked for around a purchase."""
        # The purchase itself is looked at after the balance that follows it.
        since, self._seen = self.sender.exchanges[self._seen :], len(self.sender.exchanges)
        if any(one.operation and self.target.may_cost(one.operation) for one in since):
            self.history.bought_since_balance = True
        operation = self.target.contract.operations.get(exchange.operation)
        if operation is not None and exchange.status is not None:
            self.runner.look(exchange, operation)

    def go(self, progress: Progress = lambda *_: None) -> RunResult:
        """Send the planned calls as far as the budget allows, and return the result. Raises CannotRun if nothing was
        judged."""
        all_checks()
        started, aborted = RealClock().now(), ""
        try:
            self._go(progress)
        except CannotRun:
            raise
        except LeftOut as why:
            self.budget.note("the rest of the run", str(why))
        except KeyboardInterrupt as stop:
            aborted = f"interrupted{f': {stop}' if str(stop) else ''}"
        except Exception as error:  # after a mistake of ours, the report must still say what was spent
            place = traceback.extract_tb(error.__traceback__)[-1]
            aborted = (
                f"a mistake of swapmock's own: {type(error).__name__}: {error} ({place.name}, line {place.lineno})"
            )
        finally:
            self.sender.close()
        return self._result(started, " ".join(aborted.split())[:400])

    def _go(self, progress: Progress) -> None:
        if "flows" in self.options.parts:
            self._run_flows(progress)
            self._stop_if_locked_out()
        phases = [part for part in self.options.parts if part in PHASES]
        if phases:
            self._generate(phases, progress)
            self._stop_if_locked_out()

    def _stop_if_locked_out(self) -> None:
        """Raise CannotRun if every call with our credentials was refused because of them: then nothing was judged."""
        behaviour = self.target.contract.behaviour
        if behaviour.envelope is None:
            codes = {row.code for row in behaviour.refusals.values() if row.problem in REFUSED_KEY}
        else:
            codes = {code for code, row in behaviour.body_codes.items() if row.name in LOCKED_OUT}
        ours = [one for one in self.sender.exchanges if one.has_our_credentials and one.operation]
        if ours and all(self.sender.envelope.code(one.status, one.json) in codes for one in ours):
            names = ", ".join(credential.env[0] for credential in self.target.profile.credentials)
            raise CannotRun(f"the credentials in {names} are refused: {ours[0].shown_answer(120)}")

    def _run_flows(self, progress: Progress) -> None:
        profile, runner = self.target.profile, self.runner
        for flow in profile.flows:
            name, need = f"flow {flow['name']}", runner.lacks(flow)
            if need:
                self.budget.note(name, f"this target has no {need}", is_chosen=True)
            elif runner.can(flow):
                progress("flows", flow["name"])
                if self.options.read_only and costs(self.target, flow):
                    self.budget.note(name, "--read-only: it may cost", is_chosen=True)
                else:
                    runner.run(flow)
        for row in [*profile.refusals, *profile.everywhere(self.target.contract, with_paid=not self.target.is_live)]:
            need = runner.lacks(row)
            if need:
                self.budget.note(f"refusal {row['name']}", f"this target has no {need}", is_chosen=True)
            elif runner.can(row):
                progress("refusals", row["name"])
                refuse(runner, row)

    def _generate(self, phases: Sequence[str], progress: Progress) -> None:
        before = len(self.sender.exchanges)
        if "stateful" in phases and not self.target.is_live:
            progress("stateful", "several flows at once")
            flows = [flow for flow in self.target.profile.flows if self.runner.can(flow) and not is_slow(flow)]
            if flows:  # the user may have named refusals only
                run_interleaved(self.runner, flows, max(1, self.options.max_examples // 5), self.options.seed)
        if self._let_polls_move_time is not None:
            self._let_polls_move_time()
        for _ in generate(
            self.sender, self.findings, self.history, phases=phases, max_examples=self.options.max_examples,
            seed=self.options.seed, operations=self.options.operations, on_progress=progress,
        ):  # fmt: skip
            pass
        # Schemathesis runs its checks only on calls that got an answer.
        for exchange in self.sender.exchanges[before:]:
            operation = self.target.contract.operations.get(exchange.operation)
            if exchange.status is None and operation is not None:
                self.findings.extend(check_response(ResponseContext(self.target, operation, exchange, self.history)))

    def _result(self, started: float, aborted: str) -> RunResult:
        coverage = Coverage.of(self.target, self.sender.exchanges)
        self.findings.extend(coverage.unseen(self.target, self.options, self.budget))
        if aborted:
            evidence = Evidence("documented", "what was not examined is not called clean")
            self.findings.add(to_finding(ABORTED, "", Deviation("a run to its end", aborted, evidence), None))
        examined = {name: self.history.examined[name] for name in all_checks()}
        missing = {**self.budget.cut, **{name: f"it broke off: {why}" for name, why in self.runner.broken.items()}}
        if not self.options.is_narrowed and not aborted:
            missing |= unexercised(self.target, examined)
        self.findings.extend(not_examined(missing, self.options.allow_partial))
        about_server = [one for one in self.findings.failing(self.options.strict) if one.id not in NOT_ABOUT_THE_SERVER]
        if (
            not self.options.wants_refusals_only
            and not about_server
            and not any(row.succeeded for row in coverage.operations)
        ):
            evidence = Evidence("inferred", "an empty run proves nothing")
            self.findings.add(to_finding(EMPTY, "", Deviation("at least one success", "none was seen", evidence), None))
        self._finish_findings()
        return RunResult(
            target=self.target, options=self.options, plan=self.plan, findings=self.findings, coverage=coverage,
            exchanges=self.sender.exchanges, left_out=self.budget.left_out, calls=self.budget.calls,
            spent=self.budget.spent, completed=self.runner.completed, examined=examined, aborted=aborted,
            started=started, duration=RealClock().now() - started,
        )  # fmt: skip

    def _finish_findings(self) -> None:
        """Give every finding its chain and its commands to repeat, then apply the user's severities and baseline."""
        options, exchanges = self.options, self.sender.exchanges

        def finished(finding: Finding) -> Finding | None:
            severity = next(
                (word for pattern, word in options.severities.items() if fnmatchcase(finding.id, pattern)), ""
            )
            if severity == "ignore":
                return None
            chain = tuple(one.number for one in chain_of(finding, exchanges))
            repeat = repeat_of(
                finding, exchanges, self.target, options.seed, options.was_started, options.repeat_options
            )
            return replace(finding, severity=severity, chain=chain, repeat=repeat)

        self.findings.rewrite(finished)
        apply(self.findings, options.baseline, self.target.provider, options.today, is_narrowed=options.is_narrowed)
