"""What is to become of a submission: read off magic values, the sandbox's scenario, and the media themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mock_server.core.call import Call, Problem
from mock_server.core.course import Course, plan
from mock_server.core.credits import to_credits
from mock_server.core.faces import count_in
from mock_server.core.task import Failure

if TYPE_CHECKING:
    from contracts import Behaviour
    from contracts.behaviour import Scenario, Timeline
    from mock_server.engine import Engine


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every `(place, text)` of a body in its order, but for the callback URL, which is no medium."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, item in value.items():
            if place or name != "callback_url":
                yield from texts(item, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, f"{place}.{index}")


def scenario_for(call: Call, engine: Engine) -> Scenario:
    """The scenario that the body's magic values or the sandbox ask for; raises the Problem that a magic value names."""
    behaviour: Behaviour = engine.contracts["crun"].behaviour
    asked = None
    if b".invalid" in call.raw:
        asked = _magic_scenario(call, engine, behaviour)
    return behaviour.scenarios[asked or call.box.sandbox.scenario or "fine"]


def _magic_scenario(call: Call, engine: Engine, behaviour: Behaviour) -> str | None:
    for place, text in texts(call.body):
        row = magic(behaviour, place, text)
        if row is None:
            continue
        if row.refuse is not None:
            available = to_credits(engine.available(call.box))
            errors = [f"{place}: refused because of the magic value {text}"]
            raise Problem(row.refuse, errors=errors, details={"balance": available})
        if row.scenario is not None:
            return str(row.scenario)
        if row.faces == 0 and call.variants["no_face"] == "failed":
            return "no_face"
    return None


def magic(behaviour: Behaviour, place: str, text: str) -> Any:
    """The magic value's row, None for an ordinary text; a misspelt magic value is refused with the list."""
    try:
        return behaviour.magic_for(text)
    except ValueError as error:
        raise Problem("invalid", errors=[f"{place}: {error}"]) from None


def faces_in(url: str, behaviour: Behaviour) -> int:
    """How many faces the media at `url` shows."""
    row = magic(behaviour, "url", url)
    return row.faces if row is not None and row.faces is not None else count_in(url)


def course(now: float, timeline: Timeline, scenario: Scenario) -> Course:
    failure = None if scenario.fails is None else Failure(**scenario.fails)
    return plan(now, timeline, scenario, failure)
