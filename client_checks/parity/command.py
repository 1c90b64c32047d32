"""Implements `swapmock parity` and `swapmock record`, from options to recordings, differences, reports and exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.console import Console

from swapmock.client_checks.clock import Clock, RealClock
from swapmock.client_checks.conformance import interrupts
from swapmock.client_checks.conformance.command import DEFAULTS, check_names, set_up, where
from swapmock.client_checks.conformance.flow import PollTiming
from swapmock.client_checks.conformance.flow_files import read_flows
from swapmock.client_checks.conformance.profile import known, profile
from swapmock.client_checks.conformance.profile_findings import check_profile
from swapmock.client_checks.conformance.run import Run
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.client_checks.parity.compare import Comparison, Difference
from swapmock.client_checks.parity.recording import NoRecording, Recording, record
from swapmock.client_checks.report import differences as reports
from swapmock.client_checks.report.differences import Compared
from swapmock.client_checks.report.files import Render, ReportFiles, as_json
from swapmock.client_checks.report.terminal import progress, show_plan
from swapmock.contracts import load

Confirm = Callable[[str], bool]

#: Polls of a sandbox have equal intervals, so that two timings can be compared.
EVEN = PollTiming(0.5, 3600.0)

#: For each option with the file name of a report, the function that makes its text.
RENDERERS: Mapping[str, Render] = {
    "json_file": lambda compared: as_json(reports.document(compared)),
    "junit_file": reports.junit_of,
    "sarif_file": lambda compared: as_json(reports.sarif_of(compared)),
    "ctrf_file": lambda compared: as_json(reports.ctrf_of(compared)),
    "html_file": reports.page_of,
}


def run_parity(
    left: str,
    right: str,
    given: Mapping[str, Any],
    allowed: Sequence[str],
    environment: Mapping[str, str],
    confirm: Confirm,
    tell: Callable[[str], object],
) -> int:
    """Compare two sides, tell the differences line by line, and write the reports that `given` names; the exit code.
    `allowed` are patterns for flows that may go without a comparison. CannotRun says why nothing was compared."""
    files = ReportFiles({name: given.get(name) for name in RENDERERS}, RENDERERS)
    files.open()
    with interrupts.as_exceptions():
        compared = compare(left, right, given, environment, confirm, allowed=allowed)
    for line in told(compared):
        tell(line)
    files.write(compared)
    if files.problems:
        raise CannotRun("; ".join(files.problems))
    return compared.exit_code


def parity(
    left: str,
    right: str,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    confirm: Confirm = lambda _: True,
    clock: Clock | None = None,
) -> tuple[list[Difference], list[str], Mapping[str, str]]:
    """Compare two sides, and return the differences, the flows that were compared, and the flows that were not with
    the reason. The parameters are those of `compare`."""
    compared = compare(left, right, given, environment, confirm, clock)
    return list(compared.differences), list(compared.flows), compared.left_out


def compare(
    left: str,
    right: str,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    confirm: Confirm = lambda _: True,
    clock: Clock | None = None,
    allowed: Sequence[str] = (),
) -> Compared:
    """Run the same flows on two sides and compare the answers.

    `left` and `right` are each `emulator`, a base URL or the file of a recording. `given` has the options.
    `confirm` is asked before a live server is called. `allowed` has patterns of flows that may be left out. Raises
    CannotRun if nothing was compared."""
    started = RealClock().now()
    files = {side: _file(side) for side in (left, right)}
    given = {**DEFAULTS, **given, "parts": ("flows",)}
    provider = _provider(given, [one for one in files.values() if one is not None])
    check_names(given, [provider])
    given["media"] = {**_values(provider, files, (left, right)), **given["media"]}
    flows = _flows(provider, given)
    sides: list[Recording] = []
    for side, prefix in ((left, "LEFT_"), (right, "RIGHT_")):
        recorded = files[side]
        own = {name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(prefix)}
        mine = {**environment, **own}
        if sides and sides[0].aborted:
            break  # buy nothing if the comparison cannot be made
        sides.append(recorded or _recorded(side, provider, flows, given, mine, confirm, clock or RealClock()))
    comparison = Comparison(load(provider), profile(provider), load(provider).behaviour.defaults)
    compared = comparison.compared(*sides) if len(sides) == 2 else []
    left_out = {name: why for side in sides for name, why in side.left_out.items() if name not in compared}
    if len(sides) < 2:
        left_out = {**dict.fromkeys(sides[0].flows, sides[0].aborted), **left_out}
    return Compared(
        provider=provider, left=left, right=right,
        differences=list(comparison.differences(*sides)) if len(sides) == 2 else [],
        flows=compared, left_out=left_out, started=started, duration=RealClock().now() - started,
        spent={
            name: (one.calls, one.spent)
            for name, side, one in zip(("left", "right"), (left, right), sides, strict=False)
            if files[side] is None and one.is_live
        },
        unexpected=[name for name in left_out if not any(fnmatchcase(name, pattern) for pattern in allowed)],
    )  # fmt: skip


def take(
    target: str,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    confirm: Confirm = lambda _: True,
    clock: Clock | None = None,
) -> Recording:
    """Return a recording of `target`. Raises CannotRun if there is none.

    `given` has the options. `confirm` is asked before a live server is called."""
    given = {**DEFAULTS, **given, "parts": ("flows",)}
    provider = _provider(given, [])
    check_names(given, [provider])
    flows = _flows(provider, given)
    return _recorded(target, provider, flows, given, environment, confirm, clock or RealClock())


def run_record(
    target: str,
    out: Path,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    confirm: Confirm,
    tell: Callable[[str], object],
) -> Recording:
    """Record a target into the file `out`, which is opened before the first call, and tell what is in it. CannotRun says why
    there is nothing to write."""
    files = ReportFiles({"out": out}, {"out": Recording.text})
    is_new = not out.exists()
    files.open()
    recording = None
    try:
        with interrupts.as_exceptions():
            recording = take(target, given, environment, confirm)
        if not any(recording.flows.values()):
            raise CannotRun("nothing was answered: there is nothing to write")
    except CannotRun:
        if is_new:
            out.unlink(missing_ok=True)
        raise
    files.write(recording)
    if recording.is_live:
        tell(f"{recording.calls} calls, {recording.spent:g} credits spent")
    for name, reason in recording.left_out.items():
        tell(f"left out: flow {name}: {reason}")
    if files.problems:
        raise CannotRun("; ".join(files.problems))
    ended = sum(name not in recording.left_out for name in recording.flows)
    tell(f"{ended} flows written to {out}" + (f"; {recording.aborted}" if recording.aborted else ""))
    return recording


def _file(side: str) -> Recording | None:
    if side == "emulator" or side.startswith(("http://", "https://")):
        return None
    try:
        return Recording.read(Path(side))
    except NoRecording as why:
        raise CannotRun(str(why)) from None


def _provider(given: Mapping[str, Any], recordings: Sequence[Recording]) -> str:
    named = {recording.provider for recording in recordings} | ({given["provider"]} - {None})
    if len(named) != 1:
        raise CannotRun(f"name one --provider, one of {', '.join(known())}")
    (provider,) = named
    check_profile(provider)
    return str(provider)


def _values(provider: str, files: Mapping[str, Recording | None], sides: Sequence[str]) -> Mapping[str, Any]:
    """Return the media for both sides: those of a recording; magic values only if both sides are emulators."""
    recordings = [recording for recording in files.values() if recording is not None]
    if recordings:
        return recordings[0].values
    values: Mapping[str, Any] = profile(provider).values["emulator" if set(sides) == {"emulator"} else "live"]
    return values


def _flows(provider: str, given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the flows to run: those of a file, else those of the provider that need only the server; selected by
    name if named."""
    rows = [*profile(provider).flows, *_refusals(provider)]
    if given.get("flows_file"):
        rows = read_flows(given["flows_file"], load(provider), profile(provider), given["media"])
    wanted = given.get("flows") or ()
    unknown = [name for name in wanted if name not in {row["name"] for row in rows}]
    if unknown:
        raise CannotRun(f"--flow: {unknown[0]!r} is none of {', '.join(row['name'] for row in rows)}")
    chosen = [row for row in rows if "needs" not in row and (not wanted or row["name"] in wanted)]
    # Leave out steps that only one kind of target can do.
    return [
        {**row, "steps": [step for step in row["steps"] if row.get("refused") or "needs" not in step]} for row in chosen
    ]


def _refusals(provider: str) -> Iterator[Mapping[str, Any]]:
    """Yield the provider's refusals of calls that never cost, each as a flow with one step."""
    facts = profile(provider)
    for row in facts.refusals:
        if "call" not in row or not load(provider).operations[row["call"]].may_cost:
            rules = {key: row[key] for key in ("needs", "when") if key in row}
            yield {"name": f"refusal {row['name']}", "about": "must be refused", "steps": [row], **rules}


def _recorded(
    side: str,
    provider: str,
    flows: Sequence[Mapping[str, Any]],
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    confirm: Confirm,
    clock: Clock,
) -> Recording:
    with ExitStack() as stack:
        base_url, emulator = where(side, given, environment, stack)
        mine = {**given, "flows": (), "flows_file": None}
        run = stack.enter_context(set_up(provider, base_url, emulator, mine, environment, clock))
        stack.callback(run.sender.close)
        possible = [flow for flow in flows if run.runner.can(flow)]
        if emulator is not None:
            run.runner.poll_timing = EVEN
        elif not confirm(_question(run, possible)):
            raise CannotRun("not confirmed: nothing was sent (--yes goes ahead without asking)")
        with progress(Console(stderr=True), run.target, run.budget) as report:
            return record(run, possible, report if run.target.is_live else lambda *_: None)


def _question(run: Run, flows: Sequence[Mapping[str, Any]]) -> str:
    names = {name for flow in flows for name in (flow["name"], f"flow {flow['name']}")}
    show_plan(Console(stderr=True), run.target, [item for item in run.plan if item.name in names], run.budget)
    return (
        f"Send this to {run.target.base_url}, at most {run.budget.max_calls} calls and "
        f"{run.budget.max_credits:g} credits?"
    )


def told(compared: Compared) -> Iterator[str]:
    """Yield the lines that show a comparison."""
    yield from map(str, compared.differences)
    for name, why in compared.left_out.items():
        yield f"not compared: flow {name}: {why}"
    for side, (calls, credits) in compared.spent.items():
        yield f"{side}: {calls} calls, {credits:g} credits spent"
    yield f"{len(compared.flows)} flows compared, {len(compared.differences)} differences"
