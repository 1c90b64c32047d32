"""Checks amounts, counters, rate windows, fault rules and queue of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin import faults, ledger, scenario_queue
from swapmock.mock_server.admin.consistency.report import Inconsistency, Snapshot, number_of, quoted
from swapmock.mock_server.admin.faults import check_effect, read_match
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.faults import Effect, FaultRule, read_effect, written_effect

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


def check_amounts(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that a snapshot has no more than a sandbox of this server may have."""
    state, engine = snapshot.state, snapshot.engine
    rows = (
        ("tasks", len(state.tasks), "tasks", engine.max_tasks),
        ("tasks", sum(len(task.request) for task in state.tasks.values()), "bytes of tasks", engine.max_tasks_bytes),
        ("entries", len(state.entries), "entries", ledger.ENTRIES_PER_TASK * engine.max_tasks + ledger.MAX_MANUAL_ENTRIES),
        ("files", len(state.files), "files", engine.max_files),
        ("files", sum(snapshot.sizes.values()), "bytes of files", engine.max_files_bytes),
        ("faults", len(state.faults), "faults", faults.MAX_RULES),
        ("queue", len(state.queue), "queued scenarios", scenario_queue.MAX_QUEUED),
    )  # fmt: skip
    for name, held, what, most in rows:
        if held > most:
            yield (name,), f"has {held} {what}; a sandbox may hold {most}"


def check_numbers(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that counters are not negative, and that a rate window belongs to a limit and has times in order."""
    state = snapshot.state
    for name, number in state.numbers.items():
        if number < 0:
            yield ("numbers", name), "should not be negative"
    if state.scheduled < 0:
        yield ("scheduled",), "should not be negative"
    for name, calls in state.rates.items():
        if name != "calls" and (not name.startswith("fault ") or name.removeprefix("fault ") not in _limited(snapshot)):
            yield ("rates", name), "there is no such rate limit"
        if list(calls) != sorted(calls) or not snapshot.is_past(*calls):
            yield ("rates", name), "should be times in their order, not after the time that the clock shows"


def _limited(snapshot: Snapshot) -> set[str]:
    """Return the names under which faults count calls: fault rules, magic values, the header `Prefer`."""
    behaviours = [contract.behaviour for contract in snapshot.engine.contracts.values()]
    magic = {f"magic {value}" for behaviour in behaviours for value in behaviour.magic}
    return {*snapshot.state.faults, *magic, "prefer"}


def check_faults(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that the admin API would accept each fault rule, and that its counters are possible."""
    state, engine = snapshot.state, snapshot.engine
    schema = engine.admin_contract.validator({"$ref": "#/components/schemas/FaultRule"})
    for key, rule in state.faults.items():
        place = ("faults", key)
        raw = _as_posted(rule)
        broken = schema.violations(raw, "body")
        for violation in broken:
            yield (*place, *violation.place[1:]), f"breaks {violation.rule}"
        if rule.id != key:
            yield (*place, "id"), f"should be {quoted(key)}"
        if not broken:
            yield from ((place, detail) for detail in _refused(raw, rule.effect, engine))
    for key, turns in state.turns.items():
        known = state.faults.get(key)
        most = turns.matched if known is None or known.times is None else min(turns.matched, known.times)
        if known is None or not 0 <= turns.struck <= most:
            yield ("turns", key), "should count how often a fault rule of the snapshot matched and was applied"


def _as_posted(rule: FaultRule) -> dict[str, Any]:
    """Return a rule in the form in which a client posts it."""
    match = {name: value for name, value in encode(rule.match).items() if value not in (None, {})}
    effect = written_effect(rule.effect)
    return {"id": rule.id, "match": match, "moment": rule.moment.value, "times": rule.times, "effect": effect}


def _refused(raw: Mapping[str, Any], effect: Effect, engine: Engine) -> Iterator[str]:
    try:
        check_effect(raw["effect"], read_match(raw["match"], engine).provider, engine)
    except Problem as problem:
        yield "; ".join(found["detail"] for found in problem.details["errors"])
    if read_effect(raw["effect"]) != effect:
        yield "has an effect that no request can ask for"


def check_queue(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that the admin API would accept each queued scenario, and that its id was given out."""
    seen: set[str] = set()
    for index, item in enumerate(snapshot.state.queue):
        if item.id in seen or not 1 <= number_of(item.id, "q") <= snapshot.number("queue"):
            yield ("queue", index, "id"), "should be used once, not above the number in `numbers`"
        seen.add(item.id)
        try:
            scenario_queue.check_queued(item, snapshot.engine)
        except Problem as problem:
            for found in problem.details["errors"]:
                yield ("queue", index, *found["pointer"].split("/")[1:]), found["detail"]
