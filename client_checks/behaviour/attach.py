"""Judges a client that the user starts: shows the user which variables to set, and watches the client until it is
done."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from swapmock.client_checks.behaviour import environment, judge
from swapmock.client_checks.behaviour.conditions import Condition
from swapmock.client_checks.behaviour.coupling import Coupling
from swapmock.client_checks.behaviour.model import Run
from swapmock.client_checks.behaviour.rule import Rule
from swapmock.client_checks.behaviour.runner import Bench, open_case
from swapmock.client_checks.behaviour.trial import Trial, declares

#: The watch ends after this many real seconds without a request, once the first request came.
IDLE = 15.0
#: Real seconds between two looks at the recorded requests.
LOOK = 0.2


def attach(
    bench: Bench,
    condition: Condition,
    provider: str,
    rules: list[Rule],
    tell: Callable[[str], None],
    longest: float,
    idle: float = IDLE,
) -> Trial:
    """Open one case, show its variables with `tell`, wait for the client and judge it.

    The watch ends after `idle` real seconds without a request, after `longest` real seconds, or on an interrupt."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=environment.CASE_FOLDER)))
        case = open_case(stack, bench, condition, provider, Coupling("real"), root, None, None)
        shown = case.variables()
        for name in sorted(set(shown) - set(environment.UNTOUCHED)):
            if name.startswith(("SWAPMOCK_", "CRUN_", "IMGOPEN_")) or name in bench.declaration.env:
                tell(f"export {name}={shown[name]}")
        ended = _watch(bench, case.gateway.number_of_requests, longest, idle)
        run = Run(1, 0.0, case.gateway.now(), ended, 0 if ended == "exit" else None, "", "")
        seen = case.observed([run])
    trial = Trial(provider, Coupling("real"), cases=[seen])
    trial.judgements = judge.judge_case(seen, rules)
    trial.judgements += judge.unjudged(rules, provider, trial.judgements, judge.features([seen]), declares([seen]))
    return trial


def _watch(bench: Bench, requests: Callable[[], int], longest: float, idle: float) -> str:
    started = last = bench.clock.now()
    count = 0
    try:
        while bench.clock.now() - started < longest:
            bench.clock.pause(LOOK)
            now = requests()
            if now != count:
                count, last = now, bench.clock.now()
            elif count and bench.clock.now() - last > idle:
                return "exit"
    except KeyboardInterrupt:
        return "exit"
    return "timeout"
