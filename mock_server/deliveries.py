"""Callbacks: written when a task enters a phase, sent again when they are asked for, shown as rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mock_server.core.call import Call
from mock_server.core.delivery import (
    PLANS,
    SILENT_BEFORE_THE_END,
    Delivery,
    DeliveryState,
    Sending,
    host_of,
    waits,
    wrongly_typed,
)
from mock_server.core.journal import Breach, Exchange
from mock_server.core.ports import Box
from mock_server.core.seeded import text
from mock_server.core.task import Failure, Phase, Task

if TYPE_CHECKING:
    from contracts.behaviour import Callbacks
    from mock_server.engine import Engine


class UnderWay(Exception):
    """The delivery is being sent at this moment."""


def announce(engine: Engine, box: Box, task: Task, phase: Phase, at: float) -> None:
    """Write the callbacks that tell of `task` entering `phase`, if it has somewhere to send them."""
    rules = engine.contracts[task.provider].behaviour.callbacks
    if task.callback_url is None or rules is None:
        return
    is_end = phase in (Phase.SUCCEEDED, Phase.FAILED)
    adversity = adversity_of(engine, task)
    if not is_end:
        told = box.sandbox.variants[task.provider].get("callback_events") == "all"
        if told and adversity not in SILENT_BEFORE_THE_END:
            _write(engine, box, task, phase, at, Sending(body="started"), "", rules)
        return
    for sending in PLANS[adversity]:
        _write(engine, box, task, phase, at, sending, adversity, rules)
    if not PLANS[adversity]:
        box.put_delivery(replace(_made(engine, box, task, phase, at, Sending(), adversity, rules),
                                 state=DeliveryState.WITHHELD, next_due=None))  # fmt: skip


def adversity_of(engine: Engine, task: Task) -> str:
    """What goes wrong with a task's callbacks on purpose: a row of PLANS, "" for nothing."""
    scenario = engine.contracts[task.provider].behaviour.scenarios.get(task.scenario)
    return "" if scenario is None else scenario.delivery


def _write(
    engine: Engine, box: Box, task: Task, phase: Phase, at: float, sending: Sending, adversity: str, rules: Callbacks
) -> None:
    box.put_delivery(_made(engine, box, task, phase, at, sending, adversity, rules))
    engine.courier.notice(engine, box, at + sending.after)


def _made(
    engine: Engine, box: Box, task: Task, phase: Phase, at: float, sending: Sending, adversity: str, rules: Callbacks
) -> Delivery:
    number = box.next_number("delivery")
    shown, when = _as_told(engine, box, task, at, sending.body)
    body = _body(engine, box, shown, when, f"d{number}")
    if sending.spoil == "code_type":
        body = wrongly_typed(body)
    ladder = rules.ladders[box.sandbox.variants[task.provider]["callback_ladder"]]
    return Delivery(
        id=f"d{number}",
        number=number,
        task=task.id,
        provider=task.provider,
        operation=task.operation,
        event=str(Phase.RUNNING if sending.body == "started" else phase),
        url=task.callback_url or "",
        host=host_of(task.callback_url or ""),
        body=engine.json.dumps(body),
        created_at=at,
        waits=() if sending.extra else waits(ladder),
        cause=task.cause,
        adversity=adversity,
        spoil=sending.spoil,
        alone=sending.alone,
        next_due=at + sending.after,
    )


def _as_told(engine: Engine, box: Box, task: Task, at: float, body: str) -> tuple[Task, float]:
    """The task as a callback tells of it, and the moment that it tells of."""
    if body == "forged":
        number = text("0123456789", 8, box.sandbox.seed, "forged", task.id)
        return engine.providers[task.provider].forge(task, number), at
    if body == "contradicting":
        fails = engine.contracts[task.provider].behaviour.scenarios["fails"].fails
        opposite = Failure(**(fails or {})) if task.failure is None else None
        return replace(task, failure=opposite), at
    if body == "started":
        return replace(task, ends_at=None), task.starts_at
    return task, at


def _body(engine: Engine, box: Box, task: Task, at: float, delivery: str) -> Any:
    """What the provider says of a task at a moment, checked against the contract."""
    call = Call(
        operation=task.operation,
        params={},
        body=None,
        raw=b"",
        headers={},
        box=box,
        now=at,
        variants=box.sandbox.variants[task.provider],
        base_url=engine.public_url or task.base_url,
        exchange=task.cause,
        provider=task.provider,
    )
    write = engine.providers[task.provider].callback_body
    if write is None:
        raise LookupError(f"{task.provider} takes callback URLs but does not say what a callback holds")
    body = write(call, engine, task)
    broken = engine.contracts[task.provider].operations[task.operation].check_callback(body)
    if broken:
        drift = tuple(Breach(v.place, v.rule, v.expected, v.got) for v in broken)
        engine.on_drift(
            Exchange(
                id=delivery,
                at=at,
                provider=task.provider,
                operation=task.operation,
                method="POST",
                target=task.callback_url or "",
                headers={},
                body=engine.json.dumps(body),
                task=task.id,
                drift=drift,
            )
        )
    return body


def early(engine: Engine, box: Box, task_id: str) -> list[Delivery]:
    """Claim what must go out before the submission of a task is answered."""
    engine.catch_up(box, engine.now(box))
    return engine.courier.claim(engine, box, [d.id for d in box.deliveries() if d.task == task_id])


def redeliver(engine: Engine, box: Box, delivery_id: str) -> None:
    """Send a delivery again at once, beside its ladder, and wait for how it goes. The box must not be entered.

    KeyError if there is no such delivery, UnderWay while it is being sent.
    """
    with box:
        known = box.delivery(delivery_id)
        if known is None:
            raise KeyError(delivery_id)
        if known.leased_until is not None and known.leased_until > engine.time.now():
            raise UnderWay(delivery_id)
        box.put_delivery(replace(known.asked_again(engine.now(box)), leased_until=None))
        claimed = engine.courier.claim(engine, box, [delivery_id])
    engine.courier.deliver(engine, box.sandbox.id, claimed)
