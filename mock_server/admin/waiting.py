"""Waits until a condition holds in a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin.clock import read_status, words_of
from swapmock.mock_server.admin.faults import check_known
from swapmock.mock_server.admin.records import FILTERS
from swapmock.mock_server.admin.wire import invalid, not_found
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Phase
from swapmock.mock_server.core.timetext import parse_duration

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The real seconds to wait if the request has no `timeout`, and the longest `timeout`.
DEFAULT_TIMEOUT, MAX_TIMEOUT = 10.0, 300.0

#: Condition -> its fields that a request may also give at the top level.
TOP_LEVEL_FIELDS: Mapping[str, tuple[str, ...]] = {
    "requests": ("operation", "count"),
    "task": ("status",),
    "delivery": ("status",),
}

#: The real seconds between two checks: the shortest, the longest, and the fraction of the time waited so far. The pause
#: grows because many requests may wait at the same time.
MIN_PAUSE, MAX_PAUSE, PAUSE_SHARE = 0.01, 0.1, 0.05

#: Checks an open box at a sandbox time. Returns the answer's `detail` (None: the condition does not hold) and a
#: sentence about the current state.
Condition = Callable[[Box, float], tuple[Any, str]]


def wait(call: Call, engine: Engine) -> Reply:
    """Wait until a condition holds, and return it."""
    name, wanted = _condition(call.body)
    check = CONDITIONS[name](wanted, engine)
    start, timeout = engine.time.now(), parse_duration(call.body.get("timeout", DEFAULT_TIMEOUT))
    if timeout > MAX_TIMEOUT:
        raise invalid(("timeout",), f"should be at most {MAX_TIMEOUT:g} seconds", "maximum")
    sandbox_id = call.box.sandbox.id
    found: Any = None
    seen, state = None, ""
    while True:
        try:
            here = engine.store.open(sandbox_id)
        except KeyError:
            raise not_found("sandbox", sandbox_id) from None
        with here as box:
            now, due = engine.now(box), box.next_due()
            # Every change adds a record to the journal.
            if seen is None or box.latest() is not seen or (due is not None and due <= now):
                engine.catch_up(box, now)
                found, state = check(box, now)
                seen = box.latest()
        waited = engine.time.now() - start
        if found is not None:
            return Reply({"met": True, "waited": round(waited, 3), "detail": found})
        if waited >= timeout:
            raise Problem("timed_out", message=f"after {timeout:g} s: {state}")
        if call.has_left is not None and call.has_left():
            raise Problem("timed_out", message=f"the client closed the connection after {waited:.3f} s: {state}")
        pause = min(max(MIN_PAUSE, PAUSE_SHARE * waited), MAX_PAUSE)
        engine.time.pause(min(pause, max(0.001, timeout - waited)))


def _condition(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the fields of the condition in `body`. Fields from the top level are added to the
    condition."""
    top_level = {name: body[name] for name in ("operation", "count", "status") if name in body}
    names = [name for name in CONDITIONS if name in body]
    if not names and "operation" in top_level:
        names = ["requests"]
    if len(names) != 1:
        raise invalid((), "should have exactly one of requests, task, delivery", "oneOf")
    name = names[0]
    misplaced = [field for field in top_level if field not in TOP_LEVEL_FIELDS[name]]
    if misplaced:
        raise invalid((misplaced[0],), f"is not a field of {name!r}")
    wanted = {**top_level, **body.get(name, {})}
    if name == "task" and "status" not in wanted:
        raise invalid(("task", "status"), "is missing", "required")
    return name, wanted


def _requests(wanted: Mapping[str, Any], engine: Engine) -> Condition:
    contracts = engine.contracts
    if "provider" in wanted:
        check_known(wanted["provider"], contracts, ("requests", "provider"), "provider")
    if "operation" in wanted:
        providers = [wanted["provider"]] if "provider" in wanted else list(contracts)
        operations = [name for provider in providers for name in contracts[provider].operations]
        check_known(wanted["operation"], operations, ("requests", "operation"), "operation")
    count = wanted.get("count", 1)
    tests = [
        (FILTERS[name], str(value) if name == "code" else value) for name, value in wanted.items() if name in FILTERS
    ]

    def check(box: Box, now: float) -> tuple[Any, str]:
        exchanges = [record for record in box.records() if isinstance(record, Exchange)]
        found = [record.id for record in exchanges if all(read(record) == value for read, value in tests)]
        return (found if len(found) >= count else None), f"{len(found)} of {count} requests arrived"

    return check


def _task(wanted: Mapping[str, Any], engine: Engine) -> Condition:
    def check(box: Box, now: float) -> tuple[Any, str]:
        task = box.task(wanted["id"])
        if task is None:
            return None, f"there is no task {wanted['id'][:100]!r}"
        status = read_status(wanted["status"], task, engine)
        if status is None:
            known = ", ".join(sorted({*map(str, Phase), *map(str, words_of(task, engine).values())}))
            raise invalid(("task", "status"), f"a {task.kind} has no status {wanted['status']!r}; known: {known}")
        phase = task.phase(now)
        return ({"task": task.id, "status": phase.value} if phase is status else None), f"task {task.id} is {phase}"

    return check


def _delivery(wanted: Mapping[str, Any], engine: Engine) -> Condition:
    def check(box: Box, now: float) -> tuple[Any, str]:
        named = [
            delivery
            for delivery in box.deliveries()
            if wanted.get("id", delivery.id) == delivery.id and wanted.get("task", delivery.task) == delivery.task
        ]
        over = [item for item in named if (item.state == wanted["status"] if "status" in wanted else item.is_over)]
        states = ", ".join(f"{item.id} is {item.state}" for item in named) or "there is no such delivery"
        return ([{"delivery": item.id, "status": item.state.value} for item in over] or None), states

    return check


CONDITIONS: Mapping[str, Callable[[Mapping[str, Any], Engine], Condition]] = {
    "requests": _requests,
    "task": _task,
    "delivery": _delivery,
}
