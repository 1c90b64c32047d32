"""Runs the example clients through the judge, as `swapmock conform` does."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from swapmock import Control
from swapmock.client_checks.behaviour.conditions import Condition, corpus
from swapmock.client_checks.behaviour.declaration import Declaration, from_file
from swapmock.client_checks.behaviour.model import Verdict
from swapmock.client_checks.behaviour.runner import Bench
from swapmock.client_checks.behaviour.trial import Trial, judge_client
from swapmock.client_checks.behaviour.variation import varied
from swapmock.client_checks.clock import RealClock

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
AGAINST = (Verdict.FAIL, Verdict.WARN, Verdict.INFO, Verdict.HARNESS_ERROR)


def declared(script: str, **more) -> Declaration:
    base = from_file(EXAMPLES / "good" / "conform-python.toml")
    return replace(base, command=(sys.executable, script), **more)


def rows(names: Sequence[str] | None) -> list[Condition]:
    every = [*corpus(), *varied([], 1)]
    return [one for one in every if (one.name in names if names is not None else not one.name.startswith("vary"))]


def judged(
    control: Control,
    declaration: Declaration,
    provider: str,
    names: Sequence[str] | None,
    at_once: int | None = 4,
    project: Path = EXAMPLES,
) -> Trial:
    bench = Bench(control, declaration, project, RealClock())
    return judge_client(bench, rows(names), providers=[provider], at_once=at_once)[0]


def broken(trial: Trial) -> dict[str, str]:
    """The rules that do not hold, with the worst sentence on each."""
    return {
        one.rule: f"{one.verdict.value} in {one.case}: {one.text}" for one in trial.judgements if one.verdict in AGAINST
    }
