"""Implements `swapmock parity` and `swapmock record`, from options to recordings, differences and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from swapmock.client_checks.clock import Clock, RealClock
from swapmock.client_checks.conformance.command import DEFAULTS, set_up, where
from swapmock.client_checks.conformance.flow import PollTiming
from swapmock.client_checks.conformance.flow_files import read_flows
from swapmock.client_checks.conformance.profile import known, profile
from swapmock.client_checks.conformance.run import Run
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.client_checks.parity.compare import Comparison, Difference
from swapmock.client_checks.parity.recording import NoRecording, Recording, record
from swapmock.client_checks.report.terminal import show_plan
from swapmock.contracts import load

Confirm = Callable[[str], bool]

#: Polls of a sandbox have equal intervals, so that two timings can be compared.
EVEN = PollTiming(0.5, 3600.0)


def parity(
    left: str,
    right: str,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    confirm: Confirm = lambda _: True,
    clock: Clock | None = None,
) -> tuple[list[Difference], list[str], Mapping[str, str]]:
    """Compare two sides, and return the differences, the flows that were compared, and the flows that were not with
    the reason.

    `left` and `right` are each `emulator`, a base URL or the file of a recording. `given` has the options.
    `confirm` is asked before a live server is called. Raises CannotRun if nothing was compared."""
    files = {side: _file(side) for side in (left, right)}
    given = {**DEFAULTS, **given, "parts": ("flows",)}
    provider = _provider(given, [one for one in files.values() if one is not None])
    given["media"] = {**_values(provider, files, (left, right)), **given["media"]}
    flows = _flows(provider, given)
    sides = []
    for side, prefix in ((left, "LEFT_"), (right, "RIGHT_")):
        recorded = files[side]
        own = {name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(prefix)}
        mine = {**environment, **own}
        sides.append(recorded or _recorded(side, provider, flows, given, mine, confirm, clock or RealClock()))
    comparison = Comparison(load(provider), profile(provider), load(provider).behaviour.defaults)
    compared = comparison.compared(*sides)
    left_out = {name: why for side in sides for name, why in side.left_out.items() if name not in compared}
    return list(comparison.differences(*sides)), compared, left_out


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
    flows = _flows(provider, given)
    return _recorded(target, provider, flows, given, environment, confirm, clock or RealClock())


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
    if provider not in known():
        raise CannotRun(f"--provider: {provider!r} is none of {', '.join(known())}")
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
        return record(run, possible)


def _question(run: Run, flows: Sequence[Mapping[str, Any]]) -> str:
    names = {name for flow in flows for name in (flow["name"], f"flow {flow['name']}")}
    show_plan(Console(stderr=True), run.target, [item for item in run.plan if item.name in names], run.budget)
    return (
        f"Send this to {run.target.base_url}, at most {run.budget.max_calls} calls and "
        f"{run.budget.max_credits:g} credits?"
    )


def told(differences: Sequence[Difference], compared: Sequence[str], left_out: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that show a comparison: its `differences`, the flows that were `compared`, and those that were
    `left_out` with the reason."""
    yield from map(str, differences)
    for name, why in left_out.items():
        yield f"not compared: flow {name}: {why}"
    yield f"{len(compared)} flows compared, {len(differences)} differences"


def write(path: Path, differences: Sequence[Difference], compared: Sequence[str], left_out: Mapping[str, str]) -> None:
    """Write a comparison as JSON to `path`."""
    document = {
        "format": "swapmock-parity/1",
        "compared": list(compared),
        "left_out": dict(left_out),
        "differences": [asdict(one) for one in differences],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
