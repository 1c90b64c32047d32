"""Decides the outcome of a submission: by magic values, queued outcomes, the sandbox's scenario, and the media."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.call import Call, Problem, still_holds, texts
from swapmock.mock_server.core.credits import Millicredits, from_credits, to_credits
from swapmock.mock_server.core.faces import count_in
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.task import Failure, Task, schedule

if TYPE_CHECKING:
    from swapmock.contracts import Behaviour
    from swapmock.contracts.behaviour import Scenario, Timeline
    from swapmock.mock_server.engine.engine import Engine


def scenario_for(call: Call, engine: Engine, kind: str = "", model: str = "", *, needs_faces: bool = True) -> Scenario:
    """Return the scenario that the body's magic values, a queued outcome or the sandbox ask for, in this order.

    `kind` and `model` are those of the task. A picture without a face gives a failure only if the job
    `needs_faces`. Raises the Problem that a magic value names."""
    behaviour: Behaviour = engine.contracts[call.provider].behaviour
    if call.may_be_magic and b".invalid" in call.raw.lower():
        asked = _magic_scenario(call, engine, behaviour, needs_faces, is_task=bool(kind))
        if asked is not None:
            return behaviour.scenarios[asked]
    queued = call.box.first_queued(call.provider, kind, call.operation, model)
    # A scenario that this provider does not have stays in the queue for a task of another provider.
    if queued is not None and queued.scenario in behaviour.scenarios:
        call.queued = queued.id
        return _in_other_words(behaviour.scenarios[queued.scenario], queued)
    standing = call.box.sandbox.scenario
    return behaviour.scenarios["fine"] if standing is None else behaviour.scenario(standing)


def _in_other_words(scenario: Scenario, queued: Queued) -> Scenario:
    """Return the scenario, failing with the code and message of the queued outcome."""
    if scenario.fails is None:
        return scenario
    named = {name: value for name in ("code", "message") if (value := getattr(queued, name)) is not None}
    return scenario._replace(fails={**scenario.fails, **named})


def _magic_scenario(
    call: Call, engine: Engine, behaviour: Behaviour, needs_faces: bool, *, is_task: bool
) -> str | None:
    """Return the scenario that a magic value asks for; None without one. `is_task` says whether the call makes a
    task: other calls do not count for a temporary magic value."""
    for place, text in texts(call.body, engine.contracts[call.provider].callback_fields):
        row = magic(behaviour, place, text)
        if row is None or (row.scenario is not None and not is_task):
            continue
        if row.times is not None and row.fault is None and not still_holds(call.box, text, row.times):
            continue
        if row.refuse is not None:
            available = to_credits(engine.available(call.box))
            errors = [f"{place}: refused because of the magic value {text}"]
            raise Problem(row.refuse, errors=errors, details={"balance": available})
        if row.scenario is not None:
            return str(row.scenario)
        if row.faces == 0 and needs_faces and call.variants.get("no_face", "failed") == "failed":
            return "no_face"
    return None


def magic(behaviour: Behaviour, place: str, text: str) -> Any:
    """Return the row of the magic value in `text`; None for an ordinary text. Raises Problem `invalid` with the list
    of magic values if `text` is a misspelt one; `place` says where it is in the request."""
    try:
        return behaviour.magic_for(text)
    except ValueError as error:
        raise Problem("invalid", errors=[f"{place}: {error}"]) from None


def faces_in(url: str, behaviour: Behaviour) -> int:
    """Return how many faces the media at `url` shows."""
    if ".invalid" in url.lower():
        row = magic(behaviour, "url", url)
        if row is not None and row.faces is not None:
            return int(row.faces)
    known = behaviour.pictures.get(url)
    return count_in(url) if known is None else known


def has_media(engine: Engine, task: Task) -> bool:
    """Return whether a success of `task` has files; its scenario may say that it has none."""
    return task.scenario == "fine" or engine.contracts[task.provider].behaviour.scenario(task.scenario).media


def unused_id(box: Box, make: Callable[[], str]) -> str:
    """Return the first id from `make` that no task in the sandbox `box` has."""
    while True:
        made = make()
        if box.task(made) is None:
            return made


def accept_task(
    call: Call,
    engine: Engine,
    *,
    task_id: str,
    kind: str,
    scenario: Scenario,
    timeline: Timeline,
    price: Millicredits,
    model: str = "",
    callback_url: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Task:
    """Make a task with the outcome of `scenario` on `timeline`, reserve its `price`, and return it.

    A task that fails costs nothing, unless its scenario says that it is charged. Raises the Problem
    `insufficient_credits`."""
    failure = None if scenario.fails is None else Failure(**scenario.fails)
    starts_at, ends_at = schedule(call.now, timeline, scenario)
    task = Task(
        id=task_id,
        kind=kind,
        provider=call.provider,
        operation=call.operation,
        model=model,
        request=call.raw if call.whole is None else call.whole,
        created_at=call.now,
        starts_at=starts_at,
        ends_at=ends_at,
        submitted_at=call.machine_time_before(ends_at),
        failure=failure,
        reserved=price,
        charge=price if failure is None or scenario.charged else 0,
        scenario=scenario.name,
        callback_url=callback_url,
        cause=call.exchange,
        facts=facts or {},
    )
    engine.submit(call, task)
    engine.long_tasks.note(task.id, task.request)
    return task


def submit_task(
    call: Call,
    engine: Engine,
    *,
    task_id: str,
    kind: str,
    timeline: str,
    credits: float | str = 0,
    model: str = "",
    callback_url: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Task:
    """Accept a task: choose its scenario, reserve its price, and return it.

    `timeline` is a row of `timelines`. `credits` is the listed price of `model`, which settings may replace.
    `facts` is what the task stores. General code reads there, to draw the files of a provider that serves any:
    `faces` of the first file, as (URL, number) from left to right; its `extension`; extension and faces of each
    file in `more`; and the `folder` of the links. If the files of this kind of task are the faces of one picture,
    `url` is that picture and `faces` is their number.

    Raises the Problem that a magic value names, and `insufficient_credits`."""
    behaviour = engine.contracts[call.provider].behaviour
    scenario = scenario_for(call, engine, kind, model)
    return accept_task(
        call,
        engine,
        task_id=task_id,
        kind=kind,
        scenario=scenario,
        timeline=behaviour.timelines[timeline],
        price=engine.price(call.provider, model, from_credits(str(credits))),
        model=model,
        callback_url=callback_url,
        facts=facts,
    )
