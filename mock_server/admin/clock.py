"""A sandbox's clock: read it, change its mode, move it forward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin.wire import invalid, not_found
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.clock import END_OF_TIME, ClockMode, SandboxClock
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Phase, Task
from swapmock.mock_server.core.timetext import format_timestamp, parse_duration, parse_timestamp

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine
    from swapmock.mock_server.engine.tasks import Fired

#: The highest rate of a scaled clock.
FASTEST = 1e6


def read_clock(given: str | Mapping[str, Any], real: float) -> SandboxClock:
    """Return a new clock at the real time `real`. `given` is `frozen`, `scaled(10)` and the like, or an object with
    `mode`, `rate` and `start`. Raises Problem `invalid` for a wrong rate or start."""
    if isinstance(given, str):
        given = {"mode": given}
    mode, rate = _read_mode(given, ("clock",))
    try:
        start = parse_timestamp(given["start"]) if "start" in given else None
    except ValueError as error:
        raise invalid(("clock", "start"), str(error)) from None
    if start is not None and not 0 <= start <= END_OF_TIME:
        raise invalid(("clock", "start"), "should be from 1970 to 9998")
    return SandboxClock.make(mode, real, rate, start)


def _read_mode(given: Mapping[str, Any], place: tuple[str, ...]) -> tuple[ClockMode, float]:
    """Return the mode and the rate of a clock. The mode may contain the rate: `scaled(10)`."""
    name, _, rate_text = given["mode"].removesuffix(")").partition("(")
    rate = float(rate_text or given.get("rate", 1.0))
    if not 0.0 < rate <= FASTEST:
        raise invalid(place, f"the rate should be above 0 and at most {FASTEST:g}", "maximum")
    return ClockMode(name), rate


def clock_row(clock: SandboxClock, now: float, next_due: float | None = None) -> dict[str, Any]:
    """Return a clock as answers show it: at the sandbox time `now`, with the next time at which something is due."""
    return {
        "mode": clock.mode.value,
        "rate": clock.rate,
        "now": now,
        "now_iso": format_timestamp(now),
        "next_due": next_due,
    }


def get_clock(call: Call, engine: Engine) -> Reply:
    """Return the sandbox's clock."""
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        return Reply(clock_row(box.clock, now, box.next_due()))


def change_clock(call: Call, engine: Engine) -> Reply:
    """Change the mode of the sandbox's clock."""
    if "start" in call.body:
        raise invalid(("start",), "only the clock of a new sandbox has a start; POST clock/advance moves this clock")
    mode, rate = _read_mode(call.body, ())
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        box.clock = box.clock.switched(engine.time.now(), mode, rate)
        engine.clock_moved(box)
        return Reply(clock_row(box.clock, engine.now(box), box.next_due()))


def advance_clock(call: Call, engine: Engine) -> Reply:
    """Move the sandbox's clock forward, and return what happened."""
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
        raise not_found("sandbox", box.sandbox.id) from None  # another request deleted it
    with box:
        now = engine.now(box)
        engine.clock_moved(box)
    rows = [_fired_row(item) for item in fired]
    return Reply({"before": before, "now": now, "now_iso": format_timestamp(now), "fired": rows})


def _fired_row(fired: Fired) -> dict[str, Any]:
    row = {name: value for name, value in fired._asdict().items() if value not in ("", None)}
    return {"at": fired.at, "at_iso": format_timestamp(fired.at), **row}


def advance_until_idle(box: Box, engine: Engine) -> list[Fired]:
    """Move the clock to each due time in turn until nothing is due. Return what happened."""
    fired: list[Fired] = []
    while True:
        with box:
            due = box.next_due()
        if due is None:
            return fired
        fired += engine.advance(box, due)


def _target(body: Mapping[str, Any], box: Box, now: float, engine: Engine) -> float | None:
    """Return the sandbox time that the request asks for; None for `until: idle`. Raises Problem `invalid`."""
    try:
        if "by" in body:
            return _checked(now + parse_duration(body["by"]), "by")
        if "to" in body:
            target = _checked(parse_timestamp(body["to"]), "to")
            if target < now:
                raise invalid(("to",), f"is in the past: the clock shows {format_timestamp(now)}")
            return target
    except ValueError as error:
        raise invalid(tuple(body), str(error)) from None
    if body["until"] == "idle":
        return None
    return _time_of_status(body["until"], box, now, engine)


def _checked(target: float, field: str) -> float:
    if target > END_OF_TIME:
        raise invalid((field,), "should not be after the year 9998")
    return target


def _time_of_status(until: Mapping[str, str], box: Box, now: float, engine: Engine) -> float:
    """Return the sandbox time at which a task enters a status. Raises Problem `conflict` if the task never enters
    it."""
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
    """Return the vendor's status words by phase, for tasks of this kind; empty if the vendor uses numbers that
    depend on the tool."""
    return engine.contracts[task.provider].behaviour.status_words.get(task.kind, {})


def read_status(word: str, task: Task, engine: Engine) -> Phase | None:
    """Return the phase that a status word means; None for an unknown word. The words of the task's kind are tried
    first, then the names of phases, then the words of every vendor."""
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
