"""Callbacks: makes the deliveries that report that a task has entered a phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from swapmock.mock_server.core.call import Call
from swapmock.mock_server.core.callback_faults import CALLBACK_FAULTS, SILENT_BEFORE_THE_END, PlannedSend, wrongly_typed
from swapmock.mock_server.core.delivery import Delivery, DeliveryState, host_of, waits
from swapmock.mock_server.core.journal import Breach, Exchange
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.seeded import text
from swapmock.mock_server.core.task import Failure, Phase, Task
from swapmock.mock_server.engine.runtime import Runtime

if TYPE_CHECKING:
    from swapmock.contracts.behaviour import Callbacks


class _PhaseChange(NamedTuple):
    """`task` enters `phase` at the sandbox time `at`. `rules` are its provider's callback rules; `callback_fault` is
    a key of `CALLBACK_FAULTS`."""

    runtime: Runtime
    box: Box
    task: Task
    phase: Phase
    at: float
    rules: Callbacks
    callback_fault: str

    @property
    def variants(self) -> Mapping[str, Any]:
        return self.box.sandbox.variants[self.task.provider]


def schedule_callbacks(runtime: Runtime, box: Box, task: Task, phase: Phase, at: float) -> None:
    """Schedule the callbacks that report that `task` entered `phase` at the sandbox time `at`, if it has a callback
    URL."""
    rules = runtime.contracts[task.provider].behaviour.callbacks
    if task.callback_url is None or rules is None:
        return
    change = _PhaseChange(runtime, box, task, phase, at, rules, callback_fault_of(runtime, task))
    if phase not in (Phase.SUCCEEDED, Phase.FAILED):
        if change.variants.get("callback_events") == "all" and change.callback_fault not in SILENT_BEFORE_THE_END:
            _schedule_one(change._replace(callback_fault=""), PlannedSend(body="started"))
        return
    for planned in CALLBACK_FAULTS[change.callback_fault]:
        _schedule_one(change, planned)
    if not CALLBACK_FAULTS[change.callback_fault]:
        box.put_delivery(replace(_make_delivery(change, PlannedSend()), state=DeliveryState.WITHHELD, next_due=None))


def callback_fault_of(runtime: Runtime, task: Task) -> str:
    """Return the callback fault of a task: a key of CALLBACK_FAULTS; "" for none."""
    scenario = runtime.contracts[task.provider].behaviour.scenarios.get(task.scenario)
    return "" if scenario is None else scenario.delivery


def _schedule_one(change: _PhaseChange, planned: PlannedSend) -> None:
    change.box.put_delivery(_make_delivery(change, planned))
    change.runtime.dispatcher.notice(change.runtime, change.box, change.at + planned.after)


def _make_delivery(change: _PhaseChange, planned: PlannedSend) -> Delivery:
    task, number = change.task, change.box.next_number("delivery")
    reported, when = _reported_task(change, planned.body)
    body = _body(change, reported, when, f"d{number}")
    envelope = change.runtime.contracts[task.provider].behaviour.envelope
    if planned.corruption == "code_type" and envelope is not None:
        body = wrongly_typed(body, envelope.code)
    is_signed = change.runtime.providers[task.provider].sign_callback is not None
    url = task.callback_url or ""
    return Delivery(
        id=f"d{number}",
        number=number,
        task=task.id,
        provider=task.provider,
        operation=task.operation,
        event=str(Phase.RUNNING if planned.body == "started" else change.phase),
        url=url,
        host=host_of(url),
        body=change.runtime.json.dumps(body),
        created_at=change.at,
        waits=() if planned.extra else waits(change.rules.schedule(change.variants)),
        cause=task.cause,
        callback_fault=change.callback_fault,
        # A forger has no secret with which to sign a callback.
        corruption="signature" if is_signed and planned.body == "forged" else planned.corruption,
        alone=planned.alone,
        next_due=change.at + planned.after,
    )


def _reported_task(change: _PhaseChange, body: str) -> tuple[Task, float]:
    """Return the task as a callback reports it, and the sandbox time of the report. `body` is that of a
    `PlannedSend`."""
    task, runtime = change.task, change.runtime
    if body == "forged":
        digits = text("0123456789", 8, change.box.sandbox.seed, "forged", task.id)
        return runtime.providers[task.provider].forge(task, digits), change.at
    if body == "contradicting":
        fails = runtime.contracts[task.provider].behaviour.scenario("fails").fails
        error = runtime.contracts[task.provider].behaviour.refusals["server_error"]
        failure = Failure(**(fails or {"code": error.code, "message": error.message}))
        return replace(task, failure=failure if task.failure is None else None), change.at
    if body == "started":
        return replace(task, ends_at=None), task.starts_at
    return task, change.at


def _body(change: _PhaseChange, task: Task, when: float, delivery_id: str) -> Any:
    """Return the callback body that the provider writes for `task` at the sandbox time `when`, checked against the
    contract."""
    runtime = change.runtime
    call = Call(
        operation=task.operation,
        params={},
        body=None,
        raw=b"",
        headers={},
        box=change.box,
        now=when,
        variants=change.variants,
        base_url=runtime.public_url or task.base_url,
        exchange=task.cause,
        provider=task.provider,
    )
    write = runtime.providers[task.provider].callback_body
    if write is None:
        raise LookupError(f"{task.provider} takes callback URLs but has no callback_body")
    body = write(call, runtime, task)
    broken = runtime.contracts[task.provider].operations[task.operation].check_callback(body)
    if broken:
        runtime.on_drift(
            Exchange(
                id=delivery_id,
                at=when,
                provider=task.provider,
                operation=task.operation,
                method=change.rules.method,
                target=task.callback_url or "",
                headers=change.rules.headers,
                body=runtime.json.dumps(body),
                task=task.id,
                drift=tuple(Breach(v.place, v.rule, v.expected, v.got) for v in broken),
            )
        )
    return body
