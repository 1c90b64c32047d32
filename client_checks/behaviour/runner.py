"""Runs a client in one case: makes a sandbox, a gateway, an inbox and folders, runs the client once or twice, and
returns the observations."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swapmock import Control, Sandbox, intercept
from swapmock.client_checks.behaviour import certificates, environment
from swapmock.client_checks.behaviour.conditions import Condition
from swapmock.client_checks.behaviour.coupling import Coupling
from swapmock.client_checks.behaviour.declaration import Declaration
from swapmock.client_checks.behaviour.gateway import MARK, Gateway
from swapmock.client_checks.behaviour.gateway_effects import Answer
from swapmock.client_checks.behaviour.inbox import Inbox, claim_in_output
from swapmock.client_checks.behaviour.model import (
    CallbackAttempt,
    Claim,
    Exchange,
    Meaning,
    Observations,
    Role,
    Run,
    Task,
)
from swapmock.client_checks.behaviour.process import Ended, Process
from swapmock.client_checks.behaviour.providers import PROVIDERS, Provider
from swapmock.client_checks.behaviour.variation import Variation
from swapmock.client_checks.clock import Clock

#: The credits of a case's account, unless the case sets them.
PLENTY = 1000
#: The timeout of a run in real seconds: in a scaled case, and in a case in real time.
TIMEOUTS = {"scaled": 30.0, "real": 120.0, "on_poll": 120.0}
#: Real seconds from the answer to a submission until the command is killed, if it sends no further request.
KILL_AFTER = 0.6
#: The number of tasks of a kind that get the case's scenario. Detections have the usual scenario.
QUEUED = 100
#: Real seconds between two looks at callbacks that are under way when the client ends, and the most looks.
SETTLING_LOOK, SETTLING_LOOKS = 0.05, 20
#: The page size for reading the journal.
PAGE = 1000


class StuckInScaledTime(Exception):
    """The client has a wait that never returns under libfaketime: the case must run in real time."""


@dataclass
class Bench:
    """What all cases of a run share: the emulator, the client's declaration, its folder, the clock, the seed."""

    control: Control
    declaration: Declaration
    project: Path
    clock: Clock
    seed: int = 1
    folder: Path | None = None
    outer: Mapping[str, str] | None = None
    media: dict[str, Answer] = field(default_factory=dict)
    intercepts: bool = False


class _Watcher:
    """Moves the clock and kills the command when the case says so."""

    def __init__(self, condition: Condition, sandbox: Sandbox, clock: Clock) -> None:
        self._condition, self._sandbox, self._clock = condition, sandbox, clock
        self._triggers = [dict(row) for row in condition.triggers]
        self._lock = threading.Lock()
        self.kill_at: float | None = None
        self._submitted = False
        self.active = True

    def received(self, role: Role, number: int) -> None:
        del role, number
        if self._submitted and self.active and self.kill_at is not None:
            self.kill_at = self._clock.now()

    def passed_on(self, role: Role, number: int) -> bool:
        del number
        kill = self._condition.kill
        if self.active and kill and kill["when"] == "sent" and role == kill["role"]:
            self.kill_at = self._clock.now()
            return False
        return True

    def answered(self, role: Role, meaning: Meaning) -> None:
        kill = self._condition.kill
        is_accepted = meaning in (Meaning.ACCEPTED, Meaning.SUCCEEDED)
        if self.active and kill and kill["when"] == "answered" and role == kill["role"] and is_accepted:
            self._submitted = True
            self.kill_at = self._clock.now() + KILL_AFTER
        with self._lock:
            for row in self._triggers:
                if row["role"] == role and row.get("meaning", meaning) == meaning and row.get("times", 1) > 0:
                    row["times"] = row.get("times", 1) - 1
                    self._sandbox.advance(row["advance"])

    def kills_now(self) -> bool:
        return self.active and self.kill_at is not None and self._clock.now() >= self.kill_at


def run_case(
    bench: Bench,
    condition: Condition,
    provider: str,
    coupling: Coupling,
    plain: Observations | None = None,
    timeout: float | None = None,
) -> Observations:
    """Run the client under `condition` and return what was observed. Raises StuckInScaledTime and CommandMissing.

    `coupling` couples the client's time; `plain` has the observations of the case without faults; `timeout` is in
    real seconds."""
    with ExitStack() as stack:
        root = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(
                    prefix=environment.CASE_FOLDER, dir=bench.folder, ignore_cleanup_errors=True
                )
            )
        )
        case = open_case(stack, bench, condition, provider, coupling, root, plain, timeout)
        return case.observed(case.runs())


def open_case(
    stack: ExitStack,
    bench: Bench,
    condition: Condition,
    provider: str,
    coupling: Coupling,
    root: Path,
    plain: Observations | None,
    timeout: float | None,
) -> OpenCase:
    """Return a case with its servers started and its folders made below `root`. `stack` stops everything again."""
    sandbox = stack.enter_context(_sandbox(bench, condition, provider, coupling, plain))
    facts = PROVIDERS[provider]
    for rule in condition.fault_rules(facts, coupling.rate, bench.declaration.smallest_timeout):
        sandbox.add_fault(rule.pop("effect"), **rule)
    watcher = _Watcher(condition, sandbox, bench.clock)
    elsewhere = stack.enter_context(Gateway(sandbox.base_url, bench.clock, rate=coupling.rate))
    gateway = stack.enter_context(
        Gateway(
            sandbox.base_url,
            bench.clock,
            rate=coupling.rate,
            faults=condition.gateway_faults(elsewhere.url.replace("127.0.0.1", "localhost") + "/elsewhere"),
            watcher=watcher,
            vary=Variation.read(condition.vary, facts) if condition.vary else None,
            media=bench.media,
            tls=certificates.foreign_context(root) if condition.tls else None,
            delayed=condition.delayed_roles,
            fetches_ahead=not condition.is_about_media,
        )
    )
    inbox = stack.enter_context(Inbox(gateway.now))
    outer = os.environ if bench.outer is None else bench.outer
    caught = stack.enter_context(intercept(gateway.url, environment=outer)).variables if bench.intercepts else {}
    folders = environment.prepare(root, bench.project, bench.declaration.cwd, bench.declaration.links)
    return OpenCase(
        bench, condition, coupling, sandbox, gateway, inbox, watcher, folders, timeout, elsewhere, facts, plain, caught
    )


def _sandbox(
    bench: Bench, condition: Condition, provider: str, coupling: Coupling, plain: Observations | None
) -> Sandbox:
    balance: Any = PLENTY if condition.balance is None else condition.balance
    if balance == "one_job":
        balance = max((task.captured for task in plain.tasks), default=PLENTY) if plain is not None else PLENTY
    if balance == "no_job":
        balance = sum(task.captured for task in plain.tasks if task.role is Role.DETECT) if plain is not None else 0
    options: dict[str, Any] = {"seed": bench.seed, "balance": balance, "clock": coupling.sandbox_clock}
    if coupling.kind == "scaled":
        options["client_clock"] = "sandbox"  # Date and Retry-After must be in the client's time
    variants = {name: dict(rows) for name, rows in condition.variants.items() if name == provider}
    if variants:
        options["variants"] = variants
    sandbox = bench.control.sandbox(**options)
    for kind in PROVIDERS[provider].kinds if condition.scenario is not None else ():
        sandbox.queue(str(condition.scenario), provider=provider, kind=kind, times=QUEUED)
    return sandbox


@dataclass
class OpenCase:
    """One case while it is open: its servers, its folders, and what happens in it."""

    bench: Bench
    condition: Condition
    coupling: Coupling
    sandbox: Sandbox
    gateway: Gateway
    inbox: Inbox
    watcher: _Watcher
    folders: environment.Folders
    timeout: float | None
    elsewhere: Gateway
    facts: Provider
    plain: Observations | None
    caught: Mapping[str, str]

    def __post_init__(self) -> None:
        self._callback_port = environment.free_port()
        self._before = environment.stamps(self.folders)

    def runs(self) -> list[Run]:
        """Run the client, and once more if the case asks for a second run; return the runs."""
        declaration = self.bench.declaration
        runs = [self._run(1, declaration.command)]
        second = declaration.resume_command
        if second is not None and self._is_unfinished(runs[0]) and (self.condition.second or runs[0].ended == "killed"):
            self.watcher.active = False
            self.gateway.run = self.inbox.run = 2
            runs.append(self._run(2, second))
        return runs

    def _is_unfinished(self, run: Run) -> bool:
        """Return whether a second run has work to resume.

        A run that claims success, or says nothing and exits with 0, is done. A run that was ended by its time-out
        is not resumed: only its deadline is judged."""
        claim = next((one for one in reversed(self.inbox.claims) if one.run == run.number), None)
        if run.ended != "exit":
            return run.ended == "killed"
        return claim.outcome != "succeeded" if claim is not None else run.status != 0

    def _run(self, number: int, command: Sequence[str]) -> Run:
        started = self.gateway.now()
        words = environment.outside_words(command, self.bench.project)
        process = Process(
            command=self.coupling.command(words),
            program=words[0],
            environment=self.variables(),
            cwd=self.folders.cwd,
            outputs=self.folders.root / "outputs",
            clock=self.bench.clock,
            timeout=self.timeout or self.bench.declaration.case_timeout or self._usual_timeout,
            scaled=self.coupling.kind == "scaled",
            kill_when=self.watcher.kills_now,
            progress=lambda: self.gateway.connections + len(self.inbox.claims),
        )
        ended = process.run()
        if ended.how == "stuck":
            raise StuckInScaledTime
        self._claim(number, ended)
        return Run(number, started, self.gateway.now(), ended.how, ended.status, ended.stdout, ended.stderr)

    @property
    def _usual_timeout(self) -> float:
        """Return the real seconds that a run may take: more if the case itself delays an answer."""
        delay = self.condition.longest_delay(self.bench.declaration.smallest_timeout)
        return TIMEOUTS[self.coupling.kind] + delay / self.coupling.rate

    def variables(self) -> dict[str, str]:
        """Return the environment of the client."""
        declaration = self.bench.declaration
        outer = os.environ if self.bench.outer is None else self.bench.outer
        start = datetime.fromtimestamp(self.sandbox.clock()["now"], UTC)
        ours = environment.variables(
            outer,
            self.folders,
            url=self.gateway.url,
            credentials=self.sandbox.document["credentials"],
            outcome_url=self.inbox.outcome_url,
            effect_url=self.inbox.effect_url,
            callback_port=self._callback_port,
            case=self.condition.name,
            inputs=self.condition.inputs,
            mapped=declaration.env,
            deadline=declaration.deadline,
        )
        caught = {name: value for name, value in self.caught.items() if not name.startswith(environment.OURS)}
        return {**environment.NO_PROXY, **ours, **caught, **self.coupling.environment(start)}

    def _claim(self, number: int, ended: Ended) -> None:
        """Record the claim in the output or in the exit status, if the declaration says that they are claims."""
        now = self.gateway.now()
        told = claim_in_output(ended.stdout, now, number)
        if told is not None:
            self.inbox.claims.append(told)
        verdict = self.bench.declaration.verdict
        if any(claim.run == number for claim in self.inbox.claims) or ended.how != "exit":
            return
        if verdict == "exit":
            unknown = ended.status in self.bench.declaration.exit_unknown
            outcome = "succeeded" if ended.status == 0 else "unknown" if unknown else "failed"
            self.inbox.claims.append(Claim(outcome, now, number, channel="exit"))
        elif isinstance(verdict, Mapping):
            output = ended.stdout + "\n" + ended.stderr
            outcome = next(
                (
                    name
                    for name in ("unknown", "failed", "succeeded")
                    if name in verdict and re.search(verdict[name], output)
                ),
                "failed",
            )
            self.inbox.claims.append(Claim(outcome, now, number, channel="pattern"))

    def observed(self, runs: Sequence[Run]) -> Observations:
        """Return what was observed of the client after its `runs` have ended."""
        sandbox, gateway = self.sandbox, self.gateway
        files, texts = environment.saved_files(self.folders, self._before)
        start = float(sandbox.document["clock"]["now"])
        tasks = tasks_of(sandbox, start)
        if any(task.callback_url for task in tasks):
            settle(sandbox, self.bench.clock)
        return Observations(
            case=self.condition.name,
            provider=self.facts.name,
            declaration=self.bench.declaration,
            condition=self.condition,
            exchanges=_with_tasks(gateway.seen(), journal_tasks(sandbox), tasks),
            tasks=tasks,
            attempts=attempts_of(sandbox, start),
            claims=list(self.inbox.claims),
            effects=list(self.inbox.effects),
            runs=runs,
            files=files,
            redirected=list(self.elsewhere.exchanges),
            secrets=secrets_of(sandbox),
            coupling=self.coupling.kind,
            rate=self.coupling.rate,
            slowest=max(gateway.undelayed, default=0.0),
            plain=self.plain,
            ledger=sandbox.ledger()["entries"],
            texts_of_files=texts,
        )


def secrets_of(sandbox: Sandbox) -> list[str]:
    """Return the keys and secrets of a sandbox."""
    return [
        value
        for credentials in sandbox.document["credentials"].values()
        for value in (credentials.get("key"), credentials.get("secret"))
        if value
    ]


def journal_tasks(sandbox: Sandbox) -> dict[int, str]:
    """Return, for each exchange of the gateway by its number, the task that it made or asked for."""
    found: dict[int, str] = {}
    for record in sandbox.requests(limit=PAGE):
        mark = record["request"]["headers"].get(MARK)
        if mark is not None and record["task"] is not None:
            found[int(mark)] = record["task"]
    return found


def _with_tasks(exchanges: Sequence[Exchange], known: Mapping[int, str], tasks: Sequence[Task]) -> list[Exchange]:
    """Return the exchanges with the emulator's ids of their tasks.

    A submission that is not answered yet is in no journal. Its task is the one with the same body that no other
    submission made."""
    found = [replace(one, task=known[one.number]) if one.number in known else one for one in exchanges]
    free = [task for task in tasks if task.id not in {one.task for one in found if one.is_submission}]
    for place, one in enumerate(found):
        if one.is_submission and one.task is None and one.status is None:
            mine = next((task for task in free if task.body == one.body), None)
            if mine is not None:
                free.remove(mine)
                found[place] = replace(one, task=mine.id)
    return found


def tasks_of(sandbox: Sandbox, start: float) -> list[Task]:
    """Return the tasks of a sandbox, oldest first, with times since `start`."""
    found = []
    for row in sorted(sandbox.tasks(limit=PAGE), key=lambda task: task["created_at"]):
        facts = PROVIDERS[row["provider"]]
        role = facts.roles.get(row["operation"], Role.OTHER)
        ends = row.get("ends_at")
        found.append(
            Task(
                id=row["id"],
                operation=row["operation"],
                role=role,
                model=row.get("model") or row["operation"],
                created=row["created_at"] - start,
                ends=None if ends is None else ends - start,
                phase=row["phase"],
                charge=float(row.get("charge") or 0),
                reserved=float(row.get("reserved") or 0),
                callback_url=row.get("callback_url"),
                body=row.get("body") or {},
                business_id=facts.caller_id(row.get("body") or {}),
            )
        )
    return found


def settle(sandbox: Sandbox, clock: Clock) -> None:
    """Wait until no callback is being sent, so that the attempt that a client's end cut off is recorded, too."""
    now = float(sandbox.clock()["now"])
    for _ in range(SETTLING_LOOKS):
        pending = sandbox.deliveries(status="pending")
        if not any(row.get("next_due") is not None and row["next_due"] <= now for row in pending):
            return
        clock.pause(SETTLING_LOOK)


def attempts_of(sandbox: Sandbox, start: float) -> list[CallbackAttempt]:
    """Return every attempt of every callback, in order of time, with times since `start`."""
    found = []
    for row in sandbox.deliveries():
        fault = row.get("adversity") or row.get("fault") or row.get("callback_fault") or ""
        for attempt in row["attempts"]:
            found.append(  # noqa: PERF401 (a comprehension over two loops reads worse)
                CallbackAttempt(
                    delivery=row["id"],
                    number=attempt["attempt"],
                    task=row["task"],
                    event=row["event"],
                    at=attempt["sent"] - start,
                    seconds=attempt["latency"],
                    status=attempt["status"],
                    answer=str(attempt["answer"] or ""),
                    failure=attempt["failure"] or "",
                    fault=fault,
                    body=row["body"],
                )
            )
    return sorted(found, key=lambda one: one.at)


Progress = Callable[[str, int, int], None]
