"""What is to become of a submission: read off magic values, queued outcomes, the sandbox's scenario, and the media."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.call import Call, Problem, texts
from swapmock.mock_server.core.credits import to_credits
from swapmock.mock_server.core.faces import count_in
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.task import Failure, Schedule, schedule

if TYPE_CHECKING:
    from swapmock.contracts import Behaviour
    from swapmock.contracts.behaviour import Scenario, Timeline
    from swapmock.mock_server.engine.engine import Engine


def scenario_for(call: Call, engine: Engine, kind: str = "", model: str = "", *, needs_faces: bool = True) -> Scenario:
    """The scenario that the body's magic values, a queued outcome or the sandbox ask for, in this order; raises the
    Problem that a magic value names. A picture without a face is a failure only where the job `needs_faces`."""
    behaviour: Behaviour = engine.contracts[call.provider].behaviour
    if b".invalid" in call.raw:
        asked = _magic_scenario(call, engine, behaviour, needs_faces)
        if asked is not None:
            return behaviour.scenarios[asked]
    queued = call.box.first_queued(call.provider, kind, call.operation, model)
    if queued is not None:
        call.queued = queued.id
        return _in_other_words(behaviour.scenarios[queued.scenario], queued)
    return behaviour.scenarios[call.box.sandbox.scenario or "fine"]


def _in_other_words(scenario: Scenario, queued: Queued) -> Scenario:
    """The scenario, failing with the code and message that the queued outcome names."""
    if scenario.fails is None:
        return scenario
    named = {name: value for name in ("code", "message") if (value := getattr(queued, name)) is not None}
    return scenario._replace(fails={**scenario.fails, **named})


def _magic_scenario(call: Call, engine: Engine, behaviour: Behaviour, needs_faces: bool) -> str | None:
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
        if row.faces == 0 and needs_faces and call.variants["no_face"] == "failed":
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
    if ".invalid" in url:
        row = magic(behaviour, "url", url)
        if row is not None and row.faces is not None:
            return int(row.faces)
    known = behaviour.pictures.get(url)
    return count_in(url) if known is None else known


def course(now: float, timeline: Timeline, scenario: Scenario) -> Schedule:
    failure = None if scenario.fails is None else Failure(**scenario.fails)
    return schedule(now, timeline, scenario, failure)
