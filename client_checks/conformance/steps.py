"""The function for each kind of step in a flow, by the member that names the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swapmock.client_checks.conformance import downloads, polling, refusals
from swapmock.client_checks.conformance.context import shown_by
from swapmock.client_checks.conformance.flow import FlowRunner, FlowState, StepHandler
from swapmock.client_checks.conformance.pointer import every, filled


def refused(runner: FlowRunner, step: Mapping[str, Any], state: FlowState) -> None:
    """Send the call of `step`, which must be refused at this point of the flow."""
    refusals.refused_step(runner, step, state.known, state.name)


def callback(runner: FlowRunner, step: Mapping[str, Any], state: FlowState) -> None:
    """Check the callbacks of the flow's task, after its end. `step` names the kind of task; `state` has the task's
    id. Findings go to `runner`."""
    kind = runner.target.profile.kinds[step["callback"]]
    name = filled(step["id"], state.known)
    polled = next(one for one in reversed(runner.sender.exchanges) if one.operation == kind.poll)
    found = runner.callbacks.findings(kind, name, state.last, state.name)
    runner.findings.extend(shown_by(finding, polled) for finding in found)
    polled_links = [link for pointer in kind.links for link in every(state.last, pointer) if isinstance(link, str)]
    downloads.told_links(runner, runner.callbacks.links(kind, state.name), polled_links, state)


def advance(runner: FlowRunner, step: Mapping[str, Any], state: FlowState) -> None:  # noqa: ARG001 - a handler's signature
    """Move the target's clock as `step` says: by seconds, past a lifetime, or to `before` seconds before the end of
    a lifetime."""
    if runner.advance is None:
        return
    by = step["advance"]
    if "before" in step:
        by = runner.target.contract.behaviour.seconds(by) - step["before"]
    runner.advance(by)


#: The first of these members that a step has selects its function.
HANDLERS: Mapping[str, StepHandler] = {
    "refused": refused,
    "call": FlowRunner.call,
    "poll": polling.poll,
    "put": downloads.put,
    "download": downloads.download,
    "callback": callback,
    "advance": advance,
}
