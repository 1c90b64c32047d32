"""Runs several flows at once, with steps in an order that Hypothesis chooses. This finds what single flows cannot
find.

The answers about one task must not depend on other tasks, and a task that has ended must not change, however
often it is polled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from swapmock.client_checks.conformance.budget import LeftOut
from swapmock.client_checks.conformance.flow import FlowRunner

#: The number of steps in one example.
STEPS = 12


def run_interleaved(runner: FlowRunner, flows: Sequence[Mapping[str, Any]], examples: int, number: int) -> None:
    """Run `examples` sequences of steps of several `flows`. What is wrong becomes a finding of `runner`."""
    machine = _machine(runner, list(flows))
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def _machine(runner: FlowRunner, flows: list[Mapping[str, Any]]) -> type[RuleBasedStateMachine]:
    class InterleavedFlows(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.under_way: list[Iterator[None]] = []
            self.polled: list[Mapping[str, Any]] = []

        @rule(flow=st.sampled_from(flows))
        def start(self, flow: Mapping[str, Any]) -> None:
            self.under_way.append(runner.steps_of(flow, f"stateful {flow['name']}", self.polled))

        @precondition(lambda self: self.under_way)
        @rule(which=st.integers(0, STEPS))
        def go_on(self, which: int) -> None:
            steps = self.under_way[which % len(self.under_way)]
            if next(steps, steps) is steps:
                self.under_way.remove(steps)

        @precondition(lambda self: self.polled)
        @rule(which=st.integers(0, STEPS))
        def ask_again(self, which: int) -> None:
            with suppress(LeftOut):
                runner.ask_again(self.polled[which % len(self.polled)], "stateful ask again")

    return InterleavedFlows
