"""`swapmock check`: from options to results, reports and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from hypothesis.configuration import set_hypothesis_home_dir
from rich.console import Console

from swapmock import Control, Sandbox
from swapmock.client_checks.clock import Clock, RealClock
from swapmock.client_checks.conformance import emulators, interrupts, rules
from swapmock.client_checks.conformance.baseline import read_baseline
from swapmock.client_checks.conformance.budget import Budget
from swapmock.client_checks.conformance.context import all_checks
from swapmock.client_checks.conformance.flow import PollTiming
from swapmock.client_checks.conformance.flow_files import read_flows
from swapmock.client_checks.conformance.generated import STOCK
from swapmock.client_checks.conformance.masking import Secrets
from swapmock.client_checks.conformance.profile import Profile, known, profile
from swapmock.client_checks.conformance.profile_findings import check_profile
from swapmock.client_checks.conformance.run import PARTS, Options, Run, RunResult
from swapmock.client_checks.conformance.target import CannotRun, Target, credentials_from
from swapmock.client_checks.receiver import CallbackReceiver, Callbacks
from swapmock.client_checks.report.document import document, exit_code
from swapmock.client_checks.report.files import RENDERERS, ReportFiles
from swapmock.client_checks.report.terminal import progress, show, show_plan
from swapmock.client_checks.reporting import report_run
from swapmock.contracts import Contract, load

Confirm = Callable[[str], bool]

#: How polls wait in a sandbox whose clock the run moves: seconds of sandbox time.
SANDBOX_TIMING = PollTiming(0.5, 3600.0, growth=2.0)


#: The default of every option; the command line has the same defaults.
DEFAULTS: Mapping[str, Any] = {
    "provider": None, "variants": {}, "parts": PARTS, "operations": (), "max_examples": 25, "seed": 1, "strict": False,
    "read_only": False, "live": False, "max_credits": None, "max_calls": None, "rate": 2.0, "poll_interval": 3.0,
    "poll_timeout": 600.0, "media": {}, "callback_base": None, "callback_listen": "127.0.0.1:0",
    "inspector": None, "allow_partial": (), "flows": (), "flows_file": None, "baseline_file": None, "severities": {},
}  # fmt: skip


def run_check(target: str, given: Mapping[str, Any], environment: Mapping[str, str], confirm: Confirm) -> int:
    """Check `target`, print the result, write the requested reports, and return the exit code.

    Raises CannotRun if nothing was checked; its text says why. Once a call was sent, the reports are written
    whatever happens."""
    console = Console() if Console().is_terminal else Console(soft_wrap=True)
    files = ReportFiles({name: given.get(name) for name in RENDERERS})
    files.open()
    results: list[RunResult] = []

    def go(run: Run) -> RunResult:
        result = _go(run, given, console, confirm)
        results.append(result)
        return result

    try:
        with TemporaryDirectory(prefix="swapmock-") as home, interrupts.as_exceptions():
            # Otherwise Hypothesis creates a folder in the current directory.
            set_hypothesis_home_dir(home)
            try:
                check_target(target, given, environment, go)
            finally:
                set_hypothesis_home_dir(None)
    finally:
        if results:
            files.write(results)
            for result in results:
                show(console, result)
            url = given.get("inspector")
            tell = partial(console.print, markup=False)
            files.link(results, report_run("check", document(results), url, None, environment, tell))
    if files.problems:
        raise CannotRun("; ".join(files.problems))
    return exit_code(results)


def check_target(
    target: str,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    go: Callable[[Run], RunResult] = Run.go,
    clock: Clock | None = None,
) -> list[RunResult]:
    """Check `target` for each of its providers and return the results.

    `given` has options with the names of DEFAULTS. `clock` is the clock for a live target; by default the machine's."""
    given = {**DEFAULTS, **given}
    with ExitStack() as stack:
        providers = _providers(target, given)
        check_names(given, providers)
        base_url, emulator = where(target, given, environment, stack)
        given["was_started"] = target == "emulator"
        results = []
        for provider in providers:
            with set_up(provider, base_url, emulator, given, environment, clock or RealClock()) as run:
                results.append(go(run))
            if results[-1].aborted:
                break
        if given["was_started"] and emulator is not None and results:
            report_run("check", document(results), None, emulator, environment, str)
    return results


def check_names(given: Mapping[str, Any], providers: Sequence[str]) -> None:
    """Raise CannotRun if an option names a medium or a finding id that does not exist: a misspelt name would have no
    effect."""
    media = {name for provider in providers for values in profile(provider).values.values() for name in values}
    file = given.get("flows_file")
    own = Path(file).read_text("utf-8", errors="replace") if file and Path(file).is_file() else ""
    for name in given["media"]:
        if name not in media and f"${name}" not in own:
            raise CannotRun(f"--media: no flow has a medium {name!r}{_nearest(name, media)}")
    ids = [
        *all_checks(),
        *(rule.id for rule in [*STOCK.values(), *vars(rules).values()] if isinstance(rule, rules.Rule)),
    ]
    for pattern in given["severities"]:
        if not pattern.startswith("schemathesis.") and not any(fnmatchcase(one, pattern) for one in ids):
            raise CannotRun(f"--severity: no finding has the id {pattern!r}{_nearest(pattern, ids)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def where(
    target: str, given: Mapping[str, Any], environment: Mapping[str, str], stack: ExitStack
) -> tuple[str, Control | None]:
    """Return the base URL of `target`, and the emulator that answers there if this run may use it freely, else None."""
    if target == "emulator":
        emulator = stack.enter_context(emulators.started(given["seed"], given["variants"]))
        return emulator.url, emulator
    base_url = target.rstrip("/")
    # If the user sets limits, they apply to every server, to an emulator as well.
    has_limits = given["max_credits"] is not None or given["max_calls"] is not None
    return base_url, None if given["live"] or has_limits else emulators.at(base_url, environment)


def _providers(target: str, given: Mapping[str, Any]) -> list[str]:
    if target != "emulator" and not target.startswith(("http://", "https://")):
        raise CannotRun(f"TARGET is `emulator` or a base URL, not {target!r}")
    if given["provider"] is None:
        if target == "emulator":
            return known()
        raise CannotRun(f"a server at a URL needs --provider, one of {', '.join(known())}")
    check_profile(given["provider"])
    return [given["provider"]]


@contextmanager
def set_up(
    provider: str,
    base_url: str,
    emulator: Control | None,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    clock: Clock,
) -> Iterator[Run]:
    """Yield a run that is ready to start: for a sandbox of `emulator`, or for the live server at `base_url`."""
    contract, facts = load(provider), profile(provider)
    own_flows = None
    if given["flows_file"] is not None:
        own_flows = read_flows(given["flows_file"], contract, facts, given["media"])
    options = _options(given, own_flows, is_live=emulator is None)
    advance: Callable[[str | float], None] | None = None
    let_polls_move_time: Callable[[], object] | None = None
    accounts: Mapping[str, Mapping[str, str]] = {}
    with ExitStack() as stack:
        if emulator is not None:
            box = stack.enter_context(emulators.sandbox_on(emulator, given["variants"], given["seed"]))
            strangers = contract.behaviour.choose(emulator.default.document["variants"].get(provider, {}))
            target = replace(sandbox_target(contract, facts, base_url, box), variants_of_strangers=strangers)
            clock = emulators.SandboxClock(emulator, box)
            budget, advance = Budget(given["max_calls"], given["max_credits"]), _past(contract, clock)
            let_polls_move_time = partial(box.set_clock, "on_poll")
            poor = stack.enter_context(emulators.sandbox_on(emulator, given["variants"], given["seed"], balance=1))
            accounts = {"poor": poor.headers(provider)}
        else:
            if given["max_credits"] is None or given["max_calls"] is None:
                raise CannotRun("a live target needs --max-credits and --max-calls")
            target = live_target(contract, facts, base_url, environment, given["variants"])
            budget = Budget(given["max_calls"], given["max_credits"])
        callbacks = stack.enter_context(_callbacks(target, clock, given))
        yield Run(target, options, budget, clock, advance, callbacks, let_polls_move_time, accounts)


def sandbox_target(contract: Contract, facts: Profile, base_url: str, box: Sandbox) -> Target:
    """Return the sandbox `box` as a target, held to the variants that the sandbox reports."""
    headers = box.headers(facts.provider)
    own = box.document["credentials"][facts.provider]
    secrets = Secrets({credential.env[0]: str(own[credential.field]) for credential in facts.credentials})
    variants = contract.behaviour.choose(box.document["variants"].get(facts.provider, {}))
    return Target(contract, facts, base_url, headers, False, True, variants, True, secrets=secrets)


def live_target(
    contract: Contract,
    facts: Profile,
    base_url: str,
    environment: Mapping[str, str],
    variants: Mapping[str, Mapping[str, Any]],
) -> Target:
    """Return the live server at `base_url` as a target, with credentials from `environment`."""
    headers, secrets = credentials_from(environment, contract, facts)
    try:
        chosen = contract.behaviour.choose(variants.get(facts.provider, {}))
    except ValueError as error:
        raise CannotRun(f"--variants: {error}") from None
    declared = bool(variants.get(facts.provider))
    return Target(contract, facts, base_url, headers, True, False, chosen, declared, secrets=Secrets(secrets))


def _past(contract: Contract, clock: Clock) -> Callable[[str | float], None]:
    """Return a function that moves a sandbox's clock past one of the contract's lifetimes, or by seconds."""

    def move(by: str | float) -> None:
        clock.pause(contract.behaviour.seconds(by) + 1 if isinstance(by, str) else by)

    return move


def _options(given: Mapping[str, Any], own_flows: Sequence[Mapping[str, Any]] | None, is_live: bool) -> Options:
    baseline = [] if given["baseline_file"] is None else read_baseline(given["baseline_file"])
    return Options(
        own_flows=own_flows,
        flow_names=given["flows"],
        baseline=baseline,
        severities=given["severities"],
        today=datetime.fromtimestamp(RealClock().now(), UTC).date(),
        was_started=given.get("was_started", False),
        flows_file=str(given["flows_file"] or ""),
        parts=_parts(given),
        max_examples=given["max_examples"],
        seed=given["seed"],
        strict=given["strict"],
        read_only=given["read_only"],
        rate=given["rate"] if is_live else None,
        poll_timing=PollTiming(given["poll_interval"], given["poll_timeout"]) if is_live else SANDBOX_TIMING,
        media=given["media"],
        operations=given["operations"],
        allow_partial=given["allow_partial"],
    )


def _parts(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the parts of a run. If flows are named and no parts, only the flows run; generated calls of some operations
    run if operations are named as well."""
    parts = tuple(given["parts"])
    return ("flows",) if given["flows"] and not given["operations"] and set(parts) == set(PARTS) else parts


@contextmanager
def _callbacks(target: Target, clock: Clock, given: Mapping[str, Any]) -> Iterator[Callbacks | None]:
    """Yield a receiver of callbacks if the target can reach one: on this machine, or through the URL that the user
    gave."""
    is_near = (urlsplit(target.base_url).hostname or "") in ("127.0.0.1", "localhost", "::1")
    if target.is_live and not given["callback_base"] and not is_near:
        yield None
        return
    host, colon, port = given["callback_listen"].rpartition(":")
    if not colon or not port.isdigit():
        raise CannotRun(f"--callback-listen: {given['callback_listen']!r} is not of the form HOST:PORT")
    with ExitStack() as stack:
        try:
            receiver = stack.enter_context(CallbackReceiver(host, int(port), given["callback_base"]))
        except (OSError, SystemExit) as error:
            told = getattr(error, "strerror", None) or "it is taken"
            raise CannotRun(f"--callback-listen: cannot listen on {given['callback_listen']}: {told}") from None
        yield Callbacks(target, receiver, clock)


def _go(run: Run, given: Mapping[str, Any], console: Console, confirm: Confirm) -> RunResult:
    if run.target.is_live:
        show_plan(console, run.target, run.plan, run.budget)
        limits = f"{run.budget.max_calls} calls and {run.budget.max_credits:g} credits"
        if not given["yes"] and not confirm(f"Send this to {run.target.base_url}, at most {limits}?"):
            raise CannotRun("not confirmed: nothing was sent (--yes goes ahead without asking)")
    with progress(console, run.target, run.budget) as report:
        return run.go(report)
