"""A sandbox's clock: read it, switch it, move it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin.wire import invalid, not_found
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.clock import ClockMode, SandboxClock
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Phase, Task
from swapmock.mock_server.core.timetext import format_timestamp, parse_duration, parse_timestamp

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine
    from swapmock.mock_server.engine.tasks import Fired

#: No sandbox can be moved past this moment (the end of the year 9998): time stamps end there.
END_OF_TIME = 253_370_764_800.0

#: The most times that a clock runs as fast as real time.
FASTEST = 1e6


def read_clock(given: str | Mapping[str, Any], real: float) -> SandboxClock:
    """A new clock, as `frozen`, `scaled(10)` or `{mode, rate, start}` describe it."""
    if isinstance(given, str):
        given = {"mode": given}
    mode, rate = _mode(given, ("clock",))
    try:
        start = parse_timestamp(given["start"]) if "start" in given else None
    except ValueError as error:
        raise invalid(("clock", "start"), str(error)) from None
    if start is not None and not 0 <= start <= END_OF_TIME:
        raise invalid(("clock", "start"), "should be from 1970 to 9998")
    return SandboxClock.make(mode, real, rate, start)


def _mode(given: Mapping[str, Any], place: tuple[str, ...]) -> tuple[ClockMode, float]:
    """Mode and rate; the mode may bring its rate along: `scaled(10)`."""
    name, _, brought = given["mode"].removesuffix(")").partition("(")
    rate = float(brought or given.get("rate", 1.0))
    if not 0.0 < rate <= FASTEST:
        raise invalid(place, f"the rate should be above 0 and at most {FASTEST:g}", "maximum")
    return ClockMode(name), rate


def shown(clock: SandboxClock, now: float, next_due: float | None = None) -> dict[str, Any]:
    return {
        "mode": clock.mode.value,
        "rate": clock.rate,
        "now": now,
        "now_iso": format_timestamp(now),
        "next_due": next_due,
    }


def get_clock(call: Call, engine: Engine) -> Reply:
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        return Reply(shown(box.clock, now, box.next_due()))


def change_clock(call: Call, engine: Engine) -> Reply:
    if "start" in call.body:
        raise invalid(("start",), "only a new sandbox's clock can be set; use clock/advance to move this one")
    mode, rate = _mode(call.body, ())
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        box.clock = box.clock.switched(engine.time.now(), mode, rate)
        engine.clock_moved(box)
        return Reply(shown(box.clock, engine.now(box), box.next_due()))


def advance_clock(call: Call, engine: Engine) -> Reply:
    box = call.box
    with box:
        before = engine.now(box)
        fired = engine.catch_up(box, before)
        target = _target(call.body, box, before, engine)
    try:
        fired += advance_until_idle(box, engine) if target is None else engine.advance(box, target)
    except KeyError:
        if box.sandbox.id in engine.store.ids():
            raise
        raise not_found("sandbox", box.sandbox.id) from None  # deleted on the way
    with box:
        now = engine.now(box)
        engine.clock_moved(box)
    rows = [_row(item) for item in fired]
    return Reply({"before": before, "now": now, "now_iso": format_timestamp(now), "fired": rows})


def _row(fired: Fired) -> dict[str, Any]:
    row = {name: value for name, value in fired._asdict().items() if value not in ("", None)}
    return {"at": fired.at, "at_iso": format_timestamp(fired.at), **row}


def advance_until_idle(box: Box, engine: Engine) -> list[Fired]:
    """Move on from one due moment to the next until nothing is due any more."""
    fired: list[Fired] = []
    while True:
        with box:
            due = box.next_due()
        if due is None:
            return fired
        fired += engine.advance(box, due)


def _target(body: Mapping[str, Any], box: Box, now: float, engine: Engine) -> float | None:
    """The sandbox time to move to; None for `until: idle`."""
    try:
        if "by" in body:
            return _possible(now + parse_duration(body["by"]), "by")
        if "to" in body:
            target = _possible(parse_timestamp(body["to"]), "to")
            if target < now:
                raise invalid(("to",), f"the clock is past that: it shows {format_timestamp(now)}")
            return target
    except ValueError as error:
        raise invalid(tuple(body), str(error)) from None
    if body["until"] == "idle":
        return None
    return _when(body["until"], box, now, engine)


def _possible(target: float, field: str) -> float:
    if target > END_OF_TIME:
        raise invalid((field,), "past the year 9998")
    return target


def _when(until: Mapping[str, str], box: Box, now: float, engine: Engine) -> float:
    """When a task enters a status; Problem `conflict` if it never will."""
    task = box.task(until["task"])
    if task is None:
        raise invalid(("until", "task"), f"no task {until['task'][:100]!r} in this sandbox")
    wanted = read_status(until["status"], task, engine)
    if wanted is None:
        known = ", ".join(sorted({*map(str, Phase), *words_of(task, engine).values()}))
        raise invalid(
            ("until", "status"), f"a {task.kind} of {task.provider} has no status {until['status']!r}; known: {known}"
        )
    if task.phase(now) is wanted:
        return now
    at = {Phase.QUEUED: task.created_at, Phase.RUNNING: task.starts_at}.get(wanted, task.ends_at)
    if at is None or at < now or task.phase(at) is not wanted:
        end = (
            "never ends"
            if task.ends_at is None
            else f"is {task.phase(task.ends_at)} from {format_timestamp(task.ends_at)}"
        )
        raise Problem(
            "conflict", message=f"task {task.id} will not be {until['status']}: it {end} (scenario {task.scenario})"
        )
    return at


def words_of(task: Task, engine: Engine) -> Mapping[str, Any]:
    """The vendor's words for the phases of a task; none where it has numbers that differ from tool to tool."""
    return engine.contracts[task.provider].behaviour.status_words.get(task.kind, {})


def read_status(word: str, task: Task, engine: Engine) -> Phase | None:
    """The phase that a status names: in the words for tasks of this kind, in ours, or in those of any vendor."""
    tables = [contract.behaviour.status_words for contract in engine.contracts.values()]
    known: dict[str, str] = {}
    for words in (
        words_of(task, engine),
        {phase: phase for phase in map(str, Phase)},
        *(w for t in tables for w in t.values()),
    ):
        for phase, said in words.items():
            if isinstance(said, str):
                known.setdefault(said, phase)
    return Phase(known[word]) if word in known else None
