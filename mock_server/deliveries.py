"""Callbacks: written when a task enters a phase, sent again when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

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


class _News(NamedTuple):
    """A task that enters a phase, in its sandbox, and what the provider's callbacks are like."""

    engine: Engine
    box: Box
    task: Task
    phase: Phase
    at: float
    rules: Callbacks
    adversity: str

    @property
    def variants(self) -> Mapping[str, Any]:
        return self.box.sandbox.variants[self.task.provider]


def announce(engine: Engine, box: Box, task: Task, phase: Phase, at: float) -> None:
    """Write the callbacks that tell of `task` entering `phase`, if it has somewhere to send them."""
    rules = engine.contracts[task.provider].behaviour.callbacks
    if task.callback_url is None or rules is None:
        return
    news = _News(engine, box, task, phase, at, rules, adversity_of(engine, task))
    if phase not in (Phase.SUCCEEDED, Phase.FAILED):
        if news.variants.get("callback_events") == "all" and news.adversity not in SILENT_BEFORE_THE_END:
            _post(news._replace(adversity=""), Sending(body="started"))
        return
    for sending in PLANS[news.adversity]:
        _post(news, sending)
    if not PLANS[news.adversity]:
        box.put_delivery(replace(_written(news, Sending()), state=DeliveryState.WITHHELD, next_due=None))


def adversity_of(engine: Engine, task: Task) -> str:
    """What goes wrong with a task's callbacks on purpose: a row of PLANS, "" for nothing."""
    scenario = engine.contracts[task.provider].behaviour.scenarios.get(task.scenario)
    return "" if scenario is None else scenario.delivery


def _post(news: _News, sending: Sending) -> None:
    news.box.put_delivery(_written(news, sending))
    news.engine.courier.notice(news.engine, news.box, news.at + sending.after)


def _written(news: _News, sending: Sending) -> Delivery:
    task, number = news.task, news.box.next_number("delivery")
    told, when = _as_told(news, sending.body)
    body = _body(news, told, when, f"d{number}")
    if sending.spoil == "code_type":
        body = wrongly_typed(body)
    url = task.callback_url or ""
    return Delivery(
        id=f"d{number}",
        number=number,
        task=task.id,
        provider=task.provider,
        operation=task.operation,
        event=str(Phase.RUNNING if sending.body == "started" else news.phase),
        url=url,
        host=host_of(url),
        body=news.engine.json.dumps(body),
        created_at=news.at,
        waits=() if sending.extra else waits(news.rules.ladders[news.variants["callback_ladder"]]),
        cause=task.cause,
        adversity=news.adversity,
        spoil=sending.spoil,
        alone=sending.alone,
        next_due=news.at + sending.after,
    )


def _as_told(news: _News, body: str) -> tuple[Task, float]:
    """The task as a callback tells of it, and the moment that it tells of."""
    task, engine = news.task, news.engine
    if body == "forged":
        digits = text("0123456789", 8, news.box.sandbox.seed, "forged", task.id)
        return engine.providers[task.provider].forge(task, digits), news.at
    if body == "contradicting":
        fails = engine.contracts[task.provider].behaviour.scenarios["fails"].fails
        return replace(task, failure=Failure(**(fails or {})) if task.failure is None else None), news.at
    if body == "started":
        return replace(task, ends_at=None), task.starts_at
    return task, news.at


def _body(news: _News, task: Task, when: float, delivery_id: str) -> Any:
    """What the provider says of a task at a moment, checked against the contract."""
    engine = news.engine
    call = Call(
        operation=task.operation,
        params={},
        body=None,
        raw=b"",
        headers={},
        box=news.box,
        now=when,
        variants=news.variants,
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
        engine.on_drift(
            Exchange(
                id=delivery_id,
                at=when,
                provider=task.provider,
                operation=task.operation,
                method=news.rules.method,
                target=task.callback_url or "",
                headers=news.rules.headers,
                body=engine.json.dumps(body),
                task=task.id,
                drift=tuple(Breach(v.place, v.rule, v.expected, v.got) for v in broken),
            )
        )
    return body


def early(engine: Engine, box: Box, task_id: str) -> list[Delivery]:
    """Claim what must go out before the submission of a task is answered."""
    engine.settle(box, engine.now(box))
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
