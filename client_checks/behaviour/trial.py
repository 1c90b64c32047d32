"""Judges a client: runs the plain case first, then the others in parallel. A failure is confirmed before it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace

from swapmock import AdminError
from swapmock.client_checks.behaviour import judge
from swapmock.client_checks.behaviour.certificates import NoCertificate
from swapmock.client_checks.behaviour.conditions import Condition
from swapmock.client_checks.behaviour.coupling import RATE, Coupling, couple
from swapmock.client_checks.behaviour.judge import Judgement
from swapmock.client_checks.behaviour.model import Observations, Verdict
from swapmock.client_checks.behaviour.process import CommandMissing
from swapmock.client_checks.behaviour.providers import NAMES, PROVIDERS, provider_of
from swapmock.client_checks.behaviour.reading import ended_with_success, stage
from swapmock.client_checks.behaviour.rule import Rule, all_rules
from swapmock.client_checks.behaviour.runner import TIMEOUTS, Bench, StuckInScaledTime, run_case

#: The assumed smallest time-out of a client that declares none, in seconds.
USUAL_TIMEOUT = 5.0
#: A verdict in scaled time counts only if answers took at most this part of the client's smallest time-out.
SHARE = 0.05
#: The timeout of a confirming run, in real seconds.
LONGEST_CONFIRMATION = 240.0
#: How often a case is run again to confirm it, and the rate below which the case runs in real time instead.
CONFIRMATIONS, SLOWEST_RATE = 3, 1.5
#: The rate for a client that does not work at the usual one.
SLOWER_RATE = 5.0
#: Rules about the client's own speed, and the fastest rate at which they count: at rate 40 starting a program takes ten
#: seconds of the case's clock.
TIMED, TIMED_RATE = ("C2", "P5"), 4.0
#: The number of cases that run at the same time, and of confirming runs.
CONFIRMED_AT_ONCE = 3
AT_ONCE, AT_ONCE_IN_REAL_TIME = 8, 16
#: Scenarios in which a client waits for long: their cases start first, so that none is left alone at the end.
LONG = ("stuck", "slow", "callback_never", "callback_late")
PLAIN = Condition("plain", "nothing goes wrong")


class NothingToJudge(Exception):
    """The client could not be run, or never called the API; the text says which."""


@dataclass
class Trial:
    """The result of judging one client. `left_out` says why a case was not run; `notes` are for the reader of the
    report."""

    provider: str
    coupling: Coupling
    cases: list[Observations] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def plain(self) -> Observations | None:
        """The observations of the plain case; None if it did not run."""
        return next((case for case in self.cases if case.case == "plain"), None)


#: Called after each case with its name, the number of cases that are done, and the number of all cases.
Told = Callable[[str, int, int], None]
#: Called with the chosen cases before they run.
Planned = Callable[[Trial, list[Condition]], None]


def silent(name: str, done: int, of: int) -> None:
    """Show no progress: `name`, `done` and `of` are ignored."""
    del name, done, of


def unplanned(trial: Trial, chosen: list[Condition]) -> None:
    """Show no plan."""
    del trial, chosen


def judge_client(
    bench: Bench,
    conditions: Sequence[Condition],
    *,
    providers: Sequence[str] = (),
    time: str = "auto",
    rules: Iterable[Rule] | None = None,
    at_once: int | None = None,
    told: Told = silent,
    planned: Planned = unplanned,
) -> list[Trial]:
    """Run the client under `conditions` and judge it, once for each provider that it calls. Raises NothingToJudge.

    `time` is a kind of coupling, `at_once` the number of cases that run at the same time; if it is
    None, more run in real time, where clients mostly wait. `told` is called after
    each case, `planned` before the first."""
    chosen_rules = list(all_rules().values() if rules is None else rules)
    first = _at_usable_rate(bench, _first(bench, providers[0] if providers else NAMES[0], time))
    seen = providers or _called(first.cases[0])
    if not _called(first.cases[0]):
        raise NothingToJudge(_silence(first.cases[0]))
    trials = []
    for provider in seen:
        trial = first if provider == first.provider else _at_usable_rate(bench, _plain(bench, provider, time))
        _only(trial.cases[0], provider)
        trials.append(_judge(bench, trial, conditions, chosen_rules, at_once, told, planned))
    return trials


def _plain(bench: Bench, provider: str, time: str) -> Trial:
    import os

    outer = os.environ if bench.outer is None else bench.outer
    wished = bench.declaration.time if time == "auto" else time
    coupling, note = couple(wished, bench.declaration.command, outer, folder=bench.project)
    trial = Trial(provider, coupling, notes=[note] if note else [])
    try:
        trial.cases.append(run_case(bench, PLAIN, provider, coupling))
    except StuckInScaledTime:
        trial.coupling = Coupling("real")
        trial.notes.append(
            "cases run in real time: the client waits in a way that libfaketime cannot carry (a timed wait of a thread)"
        )
        trial.cases.append(run_case(bench, PLAIN, provider, trial.coupling))
    except CommandMissing as missing:
        raise NothingToJudge(str(missing)) from None
    return trial


def _at_usable_rate(bench: Bench, trial: Trial) -> Trial:
    """Return the trial at a rate at which the client comes as far as in real time.

    At rate 40 a time-out of a second is 25 ms. If the plain case does not finish, it is run in real time. If it
    comes further there, the other cases run at a slower rate, or in real time if that is not slow enough."""
    if trial.coupling.kind != "scaled" or _is_through(trial.cases[0]):
        return trial
    real = run_case(bench, PLAIN, trial.provider, Coupling("real"))
    if stage(real) <= stage(trial.cases[0]) and not _is_through(real):
        return trial
    slower = replace(trial.coupling, rate=SLOWER_RATE)
    slow = run_case(bench, PLAIN, trial.provider, slower)
    trial.coupling, trial.cases[0] = (slower, slow) if _is_through(slow) else (Coupling("real"), real)
    how = f"x{SLOWER_RATE:g}" if trial.coupling is slower else "real time"
    trial.notes.append(f"cases run in {how}: the client does not get through its plain run at x{RATE:g}")
    return trial


def _is_through(plain: Observations) -> bool:
    """Return whether the client finished its plain run: an answer reported a success, or the client claims one."""
    run = plain.runs[0]
    said = ended_with_success(plain) or (not plain.claims and run.ended == "exit" and run.status == 0)
    return bool(plain.exchanges) and (stage(plain)[0] >= 4 or said)


def _first(bench: Bench, provider: str, time: str) -> Trial:
    """Run the plain case behind the proxy that answers for the vendors' host names.

    A client with a built-in vendor address must not reach the vendor. The other cases run behind the proxy only if a
    request came through it."""
    bench.intercepts = True
    try:
        first = _plain(bench, provider, time)
    except RuntimeError as missing:  # the extra `run` is not installed
        bench.intercepts = False
        first = _plain(bench, provider, time)
        first.notes += [] if _called(first.cases[0]) else [str(missing)]
        return first
    bench.intercepts = any(_is_vendor_host(one.headers.get("host", "")) for one in first.cases[0].exchanges)
    if bench.intercepts:
        first.notes.append("the client's vendor address is built in: cases run behind the intercepting proxy")
    return first


def _is_vendor_host(host: str) -> bool:
    """Return whether a request was meant for a vendor's host, and not for the base URL of the case."""
    return bool(host) and not host.startswith(("127.", "localhost", "[::1]"))


def _called(plain: Observations) -> list[str]:
    """Return the providers whose API the client called, sorted by name."""
    return [
        name
        for name in PROVIDERS
        if any((found := provider_of(one.target)) is not None and found.name == name for one in plain.exchanges)
    ]


def _only(case: Observations, provider: str) -> None:
    """Remove from `case` what the client sent to other providers."""
    case.provider = provider
    case.exchanges = [
        one for one in case.exchanges if (found := provider_of(one.target)) is None or found.name == provider
    ]


def _silence(plain: Observations) -> str:
    run = plain.runs[0]
    ended = "was ended by us" if run.ended_by_us else f"ended with status {run.status}"
    said = (run.stderr.strip() or run.stdout.strip()).splitlines()[-1:]
    hint = f"; it said: {said[0][:200]}" if said else ""
    return f"no request to a vendor's API arrived in the plain case: the command {ended}{hint}. Map its base URL with --env NAME={{url}}"


def _judge(
    bench: Bench,
    trial: Trial,
    conditions: Sequence[Condition],
    rules: Sequence[Rule],
    at_once: int | None,
    told: Told,
    planned: Planned,
) -> Trial:
    plain = trial.cases[0]
    if not _is_through(plain):
        trial.notes.append(
            f"the client does not get through its plain run ({stage(plain)[1]}): the verdicts say little until it does"
        )
    chosen = choose(trial, conditions, judge.features([plain]), bench.intercepts)
    planned(trial, chosen)
    told("plain", 1, len(chosen) + 1)
    usual = AT_ONCE if trial.coupling.kind == "scaled" else AT_ONCE_IN_REAL_TIME
    workers = 1 if bench.declaration.cwd == "shared" else at_once or usual
    with ThreadPoolExecutor(workers, thread_name_prefix="case") as pool:
        longest_first = sorted(chosen, key=lambda one: one.scenario not in LONG and not one.longest_delay())
        waiting = {pool.submit(_one, bench, one, trial, plain): one for one in longest_first}
        for number, future in enumerate(as_completed(waiting), 2):
            condition = waiting[future]
            found = future.result()
            if isinstance(found, Observations):
                _only(found, trial.provider)
                trial.cases.append(found)
            elif found:
                trial.errors[condition.name] = found
            told(condition.name, number, len(chosen) + 1)
    order = {one.name: place for place, one in enumerate([PLAIN, *conditions])}
    trial.cases.sort(key=lambda case: order.get(case.case, 0))
    with ThreadPoolExecutor(min(CONFIRMED_AT_ONCE, workers), thread_name_prefix="confirm") as pool:
        for judged in pool.map(lambda case: _confirmed(bench, trial, case, rules), tuple(trial.cases)):
            trial.judgements += judged
    does = judge.features(trial.cases)
    trial.judgements += judge.unjudged(rules, trial.provider, trial.judgements, does, declares(trial.cases))
    return trial


def choose(
    trial: Trial, conditions: Sequence[Condition], does: Mapping[str, bool], intercepts: bool = False
) -> list[Condition]:
    """Return those of `conditions` that apply to the client. For each other one, `trial` records the reason.

    `does` says what the client was seen to do; `intercepts` that the client uses the vendors' host names."""
    chosen = []
    for one in conditions:
        missing = [need for need in one.needs if not does.get(need, False)]
        if one.name == "plain":
            continue
        if one.tls and intercepts:
            trial.left_out[one.name] = "behind the intercepting proxy the certificate is the proxy's"
        elif one.only and trial.provider not in one.only:
            trial.left_out[one.name] = f"a case of {', '.join(one.only)} only"
        elif one.needs_lever:
            trial.left_out[one.name] = f"the emulator has no lever {one.needs_lever}"
        elif missing:
            words = {"resume": "how it is resumed is not declared", "batch": "one run makes one job"}
            trial.left_out[one.name] = words.get(missing[0], f"the client was not seen to have {missing[0]}")
        else:
            chosen.append(one)
    return chosen


def _one(bench: Bench, condition: Condition, trial: Trial, plain: Observations) -> Observations | str:
    """Return what was observed in a case, or why it could not be run; "" if the trial says why it is left out."""
    try:
        try:
            seen = run_case(bench, condition, trial.provider, trial.coupling, plain)
        except StuckInScaledTime:
            return run_case(bench, condition, trial.provider, Coupling("real"), plain)
        if not seen.exchanges and not condition.tls:
            seen = run_case(bench, condition, trial.provider, trial.coupling, plain)
        return (
            seen if seen.exchanges or condition.tls else f"the client ended before its first request: {_silence(seen)}"
        )
    except NoCertificate as missing:
        trial.left_out[condition.name] = str(missing)
        return ""
    except (CommandMissing, OSError, AdminError) as error:
        return f"{type(error).__name__}: {error}"


def declares(cases: Sequence[Observations]) -> dict[str, bool]:
    """Return what the client declares, of what rules may need."""
    declaration = cases[0].declaration
    return {
        "verdict": declaration.verdict is not None or any(case.claims for case in cases),
        "effects": bool(declaration.effects) or any(case.effects for case in cases),
        "resume": declaration.resume is not None,
        "deadline": declaration.deadline is not None,
        "jobs": cases[0].jobs is not None,
    }


def _confirmed(bench: Bench, trial: Trial, case: Observations, rules: Sequence[Rule]) -> list[Judgement]:
    """Return the judgements of a case. In scaled time a failure counts only if answers were quick enough, or if the
    case ends in the same way at a slower rate."""
    found = judge.judge_case(case, rules)
    against = [one for one in found if one.verdict in (Verdict.FAIL, Verdict.WARN)]
    timed = any(one.rule in TIMED for one in against)
    if not against or (is_trustworthy(case) and not (timed and case.rate > TIMED_RATE)):
        return found
    again = slower(bench, trial, case, TIMED_RATE if timed else RATE)
    if again is None:
        return [
            judge.as_harness_error(one, "answers were too slow for scaled time, and the case is too long for real time")
            if one in against
            else one
            for one in found
        ]
    _only(again, trial.provider)
    place = trial.cases.index(case)
    trial.cases[place] = again
    return judge.judge_case(again, rules)


def is_trustworthy(case: Observations) -> bool:
    """Return whether every answer that was not delayed on purpose took a small part of the client's smallest
    time-out."""
    if case.rate == 1.0:
        return True
    return case.slowest * case.rate < SHARE * (case.declaration.smallest_timeout or USUAL_TIMEOUT)


def expected_seconds(case: Observations, rate: float) -> float:
    """Return how many real seconds a case is expected to take at another `rate`.

    The client's waits take longer at a slower rate. The start of its program and the answers do not: they are the machine's."""
    machines = 0.0
    for run in case.runs:
        mine = [one for one in case.exchanges if one.run == run.number]
        machines += min((one.at for one in mine), default=run.started) - run.started
        machines += sum(one.answered - one.at for one in mine if one.role not in case.condition.delayed_roles)
    length = max((run.finished for run in case.runs), default=0.0)
    return max(0.0, length - machines) / rate + min(length, machines) / case.rate


def slower(bench: Bench, trial: Trial, case: Observations, fastest: float = RATE) -> Observations | None:
    """Run the case again, alone, at a rate at which its answers are quick enough; None if that would take too long."""
    allowed = SHARE * (case.declaration.smallest_timeout or USUAL_TIMEOUT)
    again = case
    for _ in range(CONFIRMATIONS):
        rate = min(again.rate / 2, fastest, 0.7 * allowed / max(again.slowest, 0.001))
        coupling = replace(trial.coupling, rate=rate) if rate > SLOWEST_RATE else Coupling("real")
        length = expected_seconds(again, coupling.rate)
        if length > LONGEST_CONFIRMATION:
            return None
        timeout = max(length * 1.5, TIMEOUTS[coupling.kind])
        try:
            again = run_case(bench, case.condition, trial.provider, coupling, case.plain, timeout=timeout)
        except (StuckInScaledTime, CommandMissing, OSError, AdminError):
            return None
        if again.ended_by_us and not case.ended_by_us:
            return None
        if is_trustworthy(again):
            return again
    return None
