"""Whether the parts of a saved state fit each other: what one part names must be in the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin import faults, ledger, scenario_queue
from swapmock.mock_server.admin.clock import END_OF_TIME
from swapmock.mock_server.admin.faults import check_effect, read_match
from swapmock.mock_server.core.call import Call, Problem
from swapmock.mock_server.core.codec import BadRecord, decode, encode
from swapmock.mock_server.core.delivery import Attempt, Delivery, DeliveryState, host_of
from swapmock.mock_server.core.faults import Effect, FaultRule, read_effect, written_effect
from swapmock.mock_server.core.journal import PREFLIGHT, Exchange
from swapmock.mock_server.core.ledger import prove
from swapmock.mock_server.core.state import State
from swapmock.mock_server.core.task import Task

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: Steps from the whole document, and what is wrong there.
Objection = tuple[tuple[str | int, ...], str]

#: Moments may lie a little beyond the last one that a clock can show, for what it brings about.
LAST = END_OF_TIME + 86400.0 * 180

#: The most faces that a file shows.
MOST_FACES = 100

#: What a task may remember -> its shape.
FACTS: Mapping[str, Any] = {
    **dict.fromkeys(("url", "media", "extension", "folder", "caller"), str),
    "text": str | list[str],
    "faces": int | list[tuple[str, int]],
    "more": list[tuple[str, list[tuple[str, int]]]],
    "seed": int,
}


def objections(state: State, shown: float, sizes: Mapping[str, int], engine: Engine) -> Iterator[Objection]:
    """All that is wrong with `state` at the time `shown`, given the `sizes` of the files beside it."""
    parts = [
        _amounts(state, sizes, engine),
        _numbers(state),
        _tasks(state, engine),
        _due(state, shown),
        _ledger(state, shown),
        _journal(state, engine),
        _files(state, sizes),
        _faults(state, engine),
        _queue(state, engine),
        _deliveries(state, engine),
    ]
    for part in parts:
        for place, detail in part:
            yield ("state", *place), detail


def _amounts(state: State, sizes: Mapping[str, int], engine: Engine) -> Iterator[Objection]:
    """A snapshot brings no more into a sandbox than could have come about there."""
    rows = (
        ("tasks", len(state.tasks), "tasks", engine.max_tasks),
        ("tasks", sum(len(task.request) for task in state.tasks.values()), "bytes of tasks", engine.max_tasks_bytes),
        (
            "entries",
            len(state.entries),
            "entries",
            ledger.ENTRIES_PER_TASK * engine.max_tasks + ledger.MAX_MANUAL_ENTRIES,
        ),
        ("files", len(state.files), "files", engine.max_files),
        ("files", sum(sizes.values()), "bytes of files", engine.max_files_bytes),
        ("faults", len(state.faults), "faults", faults.MAX_RULES),
        ("queue", len(state.queue), "queued scenarios", scenario_queue.MAX_QUEUED),
    )
    for name, held, what, most in rows:
        if held > most:
            yield (name,), f"has {held} {what}; a sandbox may hold {most}"


def _is_moment(at: float | None) -> bool:
    return at is None or 0 <= at <= LAST


def _numbers(state: State) -> Iterator[Objection]:
    for name, number in state.numbers.items():
        if number < 0:
            yield ("numbers", name), "should not be negative"
    for name, calls in state.rates.items():
        if list(calls) != sorted(calls) or not all(map(_is_moment, calls)):
            yield ("rates", name), "should be moments in their order"


def _tasks(state: State, engine: Engine) -> Iterator[Objection]:
    for key, task in state.tasks.items():
        place = ("tasks", key)
        if task.id != key:
            yield (*place, "id"), f"should be {key[:60]!r}"
        contract = engine.contracts.get(task.provider)
        if contract is None or task.operation not in contract.operations:
            yield (*place, "operation"), f"{task.provider[:60]!r} has no operation {task.operation[:60]!r}"
            continue
        moments = (task.created_at, task.starts_at, task.starts_at if task.ends_at is None else task.ends_at)
        if list(moments) != sorted(moments) or not all(map(_is_moment, moments)):
            yield place, "should be created, started and ended in this order, from 1970 to 9998"
        if not 0 <= task.charge <= task.reserved:
            yield (*place, "charge"), "should be part of what is reserved"
        wrong = _facts(task)
        if wrong is None and contract.operations[task.operation].callback_requests:
            wrong = _told(task, engine)
        if wrong is not None:
            yield (*place, "facts"), wrong
    for alias, name in state.aliases.items():
        if name not in state.tasks:
            yield ("aliases", alias), f"there is no task {name[:60]!r}"
    for index, token in enumerate(state.tokens):
        if not (token in state.aliases or token in state.tasks or token in state.files):
            yield ("tokens", index), "leads to no task and no file"


def _facts(task: Task) -> str | None:
    """What is wrong with what a task remembers."""
    try:
        for name, value in task.facts.items():
            if name in FACTS:
                decode(FACTS[name], value, (name,))
    except BadRecord as bad:
        return bad.detail
    faces, more = task.facts.get("faces", 0), task.facts.get("more", ())
    counts = [faces if isinstance(faces, int) else len(faces), len(more), *(len(shown) for _, shown in more)]
    if not all(0 <= count <= MOST_FACES for count in counts):
        return f"should have from 0 to {MOST_FACES} faces and files"
    if task.kind == "detection" and not (isinstance(faces, int) and isinstance(task.facts.get("url"), str)):
        return "should have a url and a number of faces"
    return None


def _told(task: Task, engine: Engine) -> str | None:
    """Why the vendor's words for a task could not be found when it has to be told of."""
    tell = engine.providers[task.provider].callback_body
    if tell is None:
        return None
    nobody: Any = SimpleNamespace(
        sandbox=SimpleNamespace(id="", seed=0), add_alias=lambda *_: None, owner=lambda _: "", publish=lambda *_: None
    )
    call = Call(
        operation=task.operation,
        params={},
        body=None,
        raw=b"",
        headers={},
        box=nobody,
        now=task.starts_at if task.ends_at is None else task.ends_at,
        variants=engine.contracts[task.provider].behaviour.defaults,
        base_url="http://localhost",
        exchange=task.cause,
        provider=task.provider,
    )
    try:
        for told in (task, replace(task, failure=None)):  # a callback may be made to tell of a success all the same
            tell(call, replace(engine, store=nobody), told)
    # Whatever a provider stumbles over in a task that was made up is wrong with the task.
    except Exception as error:
        return f"cannot be told: {type(error).__name__} {error}"
    return None


def _due(state: State, shown: float) -> Iterator[Objection]:
    """What a task has still to go through is due exactly once, at its time; all else is over."""
    wanted = set()
    for task in state.tasks.values():
        if task.starts_at > shown:
            wanted.add((task.starts_at, "start", task.id))
        elif task.ends_at is not None and task.ends_at > shown:
            wanted.add((task.ends_at, "end", task.id))
    numbers = set()
    for index, item in enumerate(state.due):
        if (item.at, item.work, item.subject) not in wanted:
            yield ("due", index), f"no task has {item.work[:20]!r} ahead of it at that time"
        wanted.discard((item.at, item.work, item.subject))
        if item.number in numbers or not 1 <= item.number <= state.scheduled:
            yield ("due", index, "number"), "should be its own, from 1 to `scheduled`"
        numbers.add(item.number)
    for at, work, name in sorted(wanted):
        yield ("due",), f"the {work} of task {name} at {at} is missing"


def _ledger(state: State, shown: float) -> Iterator[Objection]:
    for index, entry in enumerate(state.entries):
        if entry.amount <= 0 or not _is_moment(entry.at):
            yield ("entries", index), "should move an amount above 0 at a moment from 1970 to 9998"
        if entry.task and entry.task not in state.tasks:
            yield ("entries", index, "task"), f"there is no task {entry.task[:60]!r}"
        if entry.cause and not _is_exchange(entry.cause):
            yield ("entries", index, "cause"), "should be the id of an exchange"
    finished = [task.id for task in state.tasks.values() if task.reserved and task.is_over(shown)]
    for invariant in prove(state.entries, finished):
        if not invariant.holds:
            yield ("entries",), f"{invariant.name} does not hold: {invariant.detail}"


def _is_exchange(name: str) -> bool:
    return re.fullmatch(r"x\d{1,15}", name) is not None


def _journal(state: State, engine: Engine) -> Iterator[Objection]:
    if state.recorded < len(state.journal):
        yield ("recorded",), "should count at least the records that are here"
    for index, record in enumerate(state.journal):
        place = ("journal", index)
        if not _is_moment(record.at):
            yield (*place, "at"), "should be from 1970 to 9998"
        if isinstance(record, Exchange):
            contract = engine.contracts.get(record.provider)
            is_known = record.operation in ("", PREFLIGHT)
            if contract is None or not (is_known or record.operation in contract.operations):
                yield (*place, "operation"), f"{record.provider[:60]!r} has no operation {record.operation[:60]!r}"
            if not _is_exchange(record.id):
                yield (*place, "id"), "should be the id of an exchange"
            if any(not breach.place for breach in (*record.violations, *record.drift)):
                yield (*place, "violations"), "should each have a place"
        elif isinstance(record, Attempt):
            yield from ((place, text) for text in _attempt(record))


def _attempt(attempt: Attempt) -> Iterator[str]:
    if not all(map(_is_moment, (attempt.due, attempt.sent, attempt.next_due))):
        yield "should be due and sent from 1970 to 9998"


def _files(state: State, sizes: Mapping[str, int]) -> Iterator[Objection]:
    for name, file in state.files.items():
        if file.name != name:
            yield ("files", name, "name"), f"should be {name[:60]!r}"
        if file.size != sizes.get(name):
            yield ("files", name, "size"), f"does not fit the bytes under `files`: {sizes.get(name)}"
        if not _is_moment(file.expires_at) or not _is_moment(file.link_expires_at):
            yield ("files", name), "should expire from 1970 to 9998"
    for name in sizes.keys() - state.files.keys():
        yield ("files",), f"the bytes of {name[:60]!r} belong to no file"


def _faults(state: State, engine: Engine) -> Iterator[Objection]:
    schema = engine.admin_contract.validator({"$ref": "#/components/schemas/FaultRule"})
    for key, rule in state.faults.items():
        place = ("faults", key)
        raw = _as_posted(rule)
        broken = schema.violations(raw, "body")
        for violation in broken:
            yield (*place, *violation.place[1:]), f"breaks {violation.rule}"
        if rule.id != key:
            yield (*place, "id"), f"should be {key[:60]!r}"
        if not broken:
            yield from ((place, text) for text in _refused(raw, rule.effect, engine))
    for key, turns in state.turns.items():
        if key not in state.faults or not 0 <= turns.struck <= turns.matched:
            yield ("turns", key), "should count the matches and strikes of a fault that is here"


def _as_posted(rule: FaultRule) -> dict[str, Any]:
    match = {name: value for name, value in encode(rule.match).items() if value not in (None, {})}
    effect = written_effect(rule.effect)
    return {"id": rule.id, "match": match, "moment": rule.moment.value, "times": rule.times, "effect": effect}


def _refused(raw: Mapping[str, Any], effect: Effect, engine: Engine) -> Iterator[str]:
    try:
        check_effect(raw["effect"], read_match(raw["match"], engine).provider, engine)
    except Problem as problem:
        yield "; ".join(found["detail"] for found in problem.details["errors"])
    if read_effect(raw["effect"]) != effect:
        yield "has an effect that cannot be written"


def _queue(state: State, engine: Engine) -> Iterator[Objection]:
    for index, item in enumerate(state.queue):
        wanted = engine.contracts if item.provider is None else [item.provider]
        for name in wanted:
            contract = engine.contracts.get(name)
            if contract is None or item.scenario not in contract.behaviour.scenarios:
                yield ("queue", index, "scenario"), f"{name[:60]!r} has no scenario {item.scenario[:60]!r}"
    if len({item.id for item in state.queue}) < len(state.queue):
        yield ("queue",), "an id stands twice"


def _deliveries(state: State, engine: Engine) -> Iterator[Objection]:
    for index, delivery in enumerate(state.deliveries):
        yield from ((("deliveries", index, *place), text) for place, text in _delivery(delivery, state, engine))
    for what in ("id", "number"):
        if len({getattr(delivery, what) for delivery in state.deliveries}) < len(state.deliveries):
            yield ("deliveries",), f"a delivery's {what} stands twice"


def _delivery(delivery: Delivery, state: State, engine: Engine) -> Iterator[Objection]:
    contract = engine.contracts.get(delivery.provider)
    if contract is None or contract.behaviour.callbacks is None or delivery.operation not in contract.operations:
        yield ("operation",), f"{delivery.provider[:60]!r} has no operation {delivery.operation[:60]!r} that calls back"
    if delivery.task not in state.tasks:
        yield ("task",), f"there is no task {delivery.task[:60]!r}"
    if delivery.host != host_of(delivery.url):
        yield ("host",), "should be that of the url"
    if (delivery.state is DeliveryState.PENDING) is (delivery.next_due is None):
        yield ("next_due",), "is for what is pending, and for that alone"
    moments = (delivery.created_at, delivery.next_due, *(a.at for a in delivery.attempts))
    if not all(map(_is_moment, moments)) or any(text for a in delivery.attempts for text in _attempt(a)):
        yield (), "should be made, due and sent from 1970 to 9998"
    if not 0 <= delivery.retries <= len(delivery.waits) or not all(0 <= wait <= 1e9 for wait in delivery.waits):
        yield ("waits",), "should be seconds, and `rung` one of their numbers"
