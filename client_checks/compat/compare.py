"""Compares two versions of a contract, area by area."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from swapmock.client_checks.compat.change import Change, Party
from swapmock.client_checks.compat.schemas import Comparison
from swapmock.client_checks.compat.source import Version

METHODS = ("get", "put", "post", "delete", "patch")

#: How a task goes on, by phase; the words for the phases are the provider's.
EDGES = (("queued", "running"), ("running", "succeeded"), ("running", "failed"))


def compare(old: Version, new: Version) -> list[Change]:
    """Every change from `old` to `new`, those that break somebody first."""
    found = [
        *_operations(old, new),
        *_codes(old, new),
        *_states(old, new),
        *_callback_rules(old, new),
        *_amounts(old, new, "limits", "value", Party.WRITER),
        *_amounts(old, new, "lifetimes", "seconds", Party.READER),
        *_variants(old, new),
        *_prices(old, new),
    ]
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda change: (change.breaks is None, change.area, change.place))


# --- paths and fields


def operations(version: Version) -> dict[str, tuple[str, str, Mapping[str, Any]]]:
    """operationId -> (method, path, specification)."""
    found: dict[str, tuple[str, str, Mapping[str, Any]]] = {}
    for path, item in version.document["paths"].items():
        for method in METHODS:
            if method in item:
                spec = {
                    **item[method],
                    "parameters": [*item.get("parameters", ()), *item[method].get("parameters", ())],
                }
                found[str(spec.get("operationId", f"{method} {path}"))] = (method.upper(), path, spec)
    return found


def _operations(old: Version, new: Version) -> Iterator[Change]:
    before, after = operations(old), operations(new)
    comparison = Comparison(old, new)
    for name, (method, path, _) in before.items():
        if name not in after:
            yield Change("paths", name, f"{method} {path} is gone", Party.WRITER)
    for name, (method, path, spec) in after.items():
        if name not in before:
            yield Change("paths", name, f"{method} {path} is new")
            continue
        was_method, was_path, was = before[name]
        if (was_method, was_path) != (method, path):
            yield Change("paths", name, f"{was_method} {was_path} became {method} {path}", Party.WRITER)
        yield from _parameters(old, new, comparison, name, was, spec)
        yield from _request(old, new, comparison, name, was, spec)
        yield from _answers(old, new, comparison, name, was, spec)
        yield from _callbacks(old, new, comparison, name, was, spec)


def _parameters(
    old: Version, new: Version, comparison: Comparison, name: str, was: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[Change]:
    before = {(p["in"], p["name"]): p for p in map(old.resolve, was["parameters"])}
    after = {(p["in"], p["name"]): p for p in map(new.resolve, spec["parameters"])}
    for key in before.keys() - after.keys():
        yield Change("fields", f"{name} {' '.join(key)}", "parameter is gone", Party.WRITER)
    for key, parameter in after.items():
        place = f"{name} {' '.join(key)}"
        if key not in before:
            needed = bool(parameter.get("required"))
            what = f"{'required' if needed else 'optional'} parameter is new"
            yield Change("fields", place, what, Party.WRITER if needed else None)
            continue
        if bool(before[key].get("required")) != bool(parameter.get("required")):
            needed = bool(parameter.get("required"))
            what = f"parameter is {'required' if needed else 'optional'} now"
            yield Change("fields", place, what, Party.WRITER if needed else None)
        yield from comparison.compare(before[key]["schema"], parameter["schema"], place, Party.WRITER)


def _content(version: Version, holder: Any) -> Any:
    """The JSON schema of a request body or an answer; None without one."""
    content = (version.resolve(holder or {}) or {}).get("content", {})
    return content.get("application/json", {}).get("schema")


def _request(
    old: Version, new: Version, comparison: Comparison, name: str, was: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[Change]:
    before, after = _content(old, was.get("requestBody")), _content(new, spec.get("requestBody"))
    if (before is None) != (after is None):
        what = "a JSON body is wanted now" if before is None else "no JSON body is wanted any more"
        yield Change("fields", f"{name} request", what, Party.WRITER)
    elif before is not None:
        yield from _models(old, new, name, before, after)
        yield from comparison.compare(before, after, f"{name} request", Party.WRITER)


def _models(old: Version, new: Version, name: str, before: Any, after: Any) -> Iterator[Change]:
    """The values of a discriminator: which of them there are, and which form each has."""
    was = old.resolve(before).get("discriminator", {}).get("mapping", {})
    now = new.resolve(after).get("discriminator", {}).get("mapping", {})
    for value in was:
        if value not in now:
            yield Change("fields", f"{name} request", f"{value} is gone", Party.WRITER)
        elif was[value].rsplit("/", 1)[-1] != now[value].rsplit("/", 1)[-1]:
            what = f"{value} has the form {now[value].rsplit('/', 1)[-1]} now"
            yield Change("fields", f"{name} request", what, Party.WRITER)
    for value in now:
        if value not in was:
            yield Change("fields", f"{name} request", f"{value} is new")


def _answers(
    old: Version, new: Version, comparison: Comparison, name: str, was: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[Change]:
    before = {str(status): answer for status, answer in was["responses"].items()}
    after = {str(status): answer for status, answer in spec["responses"].items()}
    for status in before.keys() - after.keys():
        broken = Party.READER if status.startswith("2") else None
        yield Change("fields", f"{name} answer {status}", "HTTP status is gone", broken)
    for status, answer in after.items():
        if status not in before:
            yield Change("fields", f"{name} answer {status}", "HTTP status is new")
            continue
        left, right = _content(old, before[status]), _content(new, answer)
        if left is not None and right is not None:
            yield from comparison.compare(left, right, f"{name} answer {status}", Party.READER)
        elif left is not None or right is not None:
            yield Change("fields", f"{name} answer {status}", "its body became another kind", Party.READER)


def _callbacks(
    old: Version, new: Version, comparison: Comparison, name: str, was: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[Change]:
    before, after = _callback_bodies(old, was), _callback_bodies(new, spec)
    for callback in before.keys() - after.keys():
        yield Change("callbacks", f"{name} {callback}", "callback is gone", Party.RECEIVER)
    for callback, schema in after.items():
        if callback not in before:
            yield Change("callbacks", f"{name} {callback}", "callback is new")
            continue
        for change in comparison.compare(before[callback], schema, f"{name} {callback}", Party.RECEIVER):
            yield replace(change, area="callbacks")


def _callback_bodies(version: Version, spec: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, callback in spec.get("callbacks", {}).items():
        for item in version.resolve(callback).values():
            for method in METHODS:
                schema = _content(version, item.get(method, {}).get("requestBody"))
                if schema is not None:
                    found[name] = schema
    return found


# --- what behaviour.yaml says


def _rows(version: Version, table: str, key: str) -> dict[str, Mapping[str, Any]]:
    return {str(row[key]): row for row in version.behaviour.get(table, ())}


def _codes(old: Version, new: Version) -> Iterator[Change]:
    before, after = _rows(old, "body_codes", "code"), _rows(new, "body_codes", "code")
    for code in before.keys() - after.keys():
        yield Change("codes", code, "body code is gone")
    for code, row in after.items():
        if code not in before:
            yield Change("codes", code, f"body code is new: {row.get('meaning', '')}", Party.READER)
            continue
        was = before[code]
        if type(was["code"]) is not type(row["code"]):
            what = f"code is {type(row['code']).__name__} now, it was {type(was['code']).__name__}"
            yield Change("codes", code, what, Party.READER)
        for field, broken in (("http", True), ("retryable", not row.get("retryable")), ("charged", row.get("charged"))):
            if was.get(field) != row.get(field):
                what = f"{field} {was.get(field)} became {row.get(field)}"
                yield Change("codes", code, what, Party.READER if broken else None)
    refusals, refusals_now = _rows(old, "refusals", "problem"), _rows(new, "refusals", "problem")
    for problem in refusals.keys() & refusals_now.keys():
        if str(refusals[problem]["code"]) != str(refusals_now[problem]["code"]):
            what = f"refused with {refusals_now[problem]['code']} instead of {refusals[problem]['code']}"
            yield Change("codes", problem, what, Party.READER)


def _states(old: Version, new: Version) -> Iterator[Change]:
    before, after = old.behaviour.get("status_words", {}), new.behaviour.get("status_words", {})
    for kind in before.keys() | after.keys():
        was, now = before.get(kind, {}), after.get(kind, {})
        for phase in was.keys() | now.keys():
            if was.get(phase) == now.get(phase):
                continue
            what = f"{phase} is {now.get(phase, 'no state any more')!r}, it was {was.get(phase, 'no state')!r}"
            yield Change("states", f"{kind} {phase}", what, Party.READER)
        for start, end in _edges(was) ^ _edges(now):
            gone = (start, end) in _edges(was)
            what = f"edge {start} -> {end} is {'gone' if gone else 'new'}"
            yield Change("states", f"{kind} {start} -> {end}", what, Party.READER)


def _edges(words: Mapping[str, Any]) -> set[tuple[Any, Any]]:
    return {(words[start], words[end]) for start, end in EDGES if start in words and end in words}


def _callback_rules(old: Version, new: Version) -> Iterator[Change]:
    before, after = old.behaviour.get("callbacks") or {}, new.behaviour.get("callbacks") or {}
    if not before or not after:
        if before or after:
            what = f"rules of callbacks are {'gone' if before else 'new'}"
            yield Change("callbacks", "callbacks", what, Party.RECEIVER if before else None)
        return
    for field in ("method", "headers"):
        if before.get(field) != after.get(field):
            what = f"{field} {before.get(field)} became {after.get(field)}"
            yield Change("callbacks", field, what, Party.RECEIVER)
    was, now = before.get("acknowledged", {}), after.get("acknowledged", {})
    for field in ("statuses", "code"):
        if was.get(field) != now.get(field):
            what = f"{field} {was.get(field)} became {now.get(field)}"
            wider = was.get(field) is not None and now.get(field) is None
            yield Change("callbacks", f"acknowledged {field}", what, None if wider else Party.RECEIVER)
    yield from _schedules(before, after)


def _schedules(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    was = {row["name"]: row for row in before.get("ladders", ())}
    now = {row["name"]: row for row in after.get("ladders", ())}
    for name in was.keys() - now.keys():
        yield Change("callbacks", f"ladder {name}", "ladder is gone", Party.RECEIVER)
    for name, row in now.items():
        if name not in was:
            yield Change("callbacks", f"ladder {name}", "ladder is new")
        elif _reach(was[name]) != _reach(row) or was[name]["intervals"] != row["intervals"]:
            (tries, seconds), (tries_now, seconds_now) = _reach(was[name]), _reach(row)
            what = f"{_told(was[name])} became {_told(row)}"
            shorter = tries_now < tries or seconds_now < seconds
            yield Change("callbacks", f"ladder {name}", what, Party.RECEIVER if shorter else None)


def _told(ladder: Mapping[str, Any]) -> str:
    """A ladder in words: every interval, for two may take the same time in all."""
    tries, seconds = _reach(ladder)
    return f"{tries} retries within {seconds:.12g} s (after {', '.join(f'{one:g}' for one in ladder['intervals'])})"


def _reach(ladder: Mapping[str, Any]) -> tuple[int, float]:
    """How often and for how long a receiver that is down is tried again."""
    intervals, retries, then = list(ladder["intervals"]), int(ladder["retries"]), ladder.get("then", "stop")
    waits: list[float] = []
    while intervals and len(waits) < retries:
        if len(waits) >= len(intervals) and then == "stop":
            break
        waits.append(
            intervals[len(waits) % len(intervals)]
            if then == "restart"
            else intervals[min(len(waits), len(intervals) - 1)]
        )
    return len(waits), float(sum(waits))


def _amounts(old: Version, new: Version, table: str, field: str, party: Party) -> Iterator[Change]:
    before, after = _rows(old, table, "name"), _rows(new, table, "name")
    for name in before.keys() | after.keys():
        was, now = before.get(name, {}).get(field), after.get(name, {}).get(field)
        if was == now:
            continue
        what = f"{table.removesuffix('s')} {_or_none(was)} became {_or_none(now)}"
        less = now is not None and (was is None or now < was)
        yield Change("limits", name, what, party if less else None)


def _variants(old: Version, new: Version) -> Iterator[Change]:
    before, after = _rows(old, "variants", "name"), _rows(new, "variants", "name")
    for name in before.keys() & after.keys():
        if before[name]["default"] != after[name]["default"]:
            what = f"default {before[name]['default']} became {after[name]['default']}"
            yield Change("states", f"variant {name}", what, Party.READER)


def _prices(old: Version, new: Version) -> Iterator[Change]:
    before, after = _priced(old), _priced(new)
    for name in before.keys() - after.keys():
        yield Change("prices", name, "is gone", Party.WRITER)
    for name, row in after.items():
        if name not in before:
            yield Change("prices", name, f"is new, for {row['price']:g} credits")
            continue
        was = before[name]
        if was["price"] != row["price"]:
            broken = Party.WRITER if row["price"] > was["price"] else None
            yield Change("prices", name, f"{was['price']:g} credits became {row['price']:g}", broken)
        if was.get("prices") != row.get("prices"):
            yield Change("prices", name, "its price by input changed", Party.WRITER)
        for field in [field for field in row.get("required", ()) if field not in was.get("required", ())]:
            yield Change("fields", name, f"{field} is required now", Party.WRITER)
    money, money_now = old.behaviour.get("money", {}), new.behaviour.get("money", {})
    if money.get("per_credit") != money_now.get("per_credit"):
        was_cost, cost = money.get("per_credit"), money_now.get("per_credit")
        dearer = was_cost is not None and cost is not None and cost > was_cost
        yield Change("prices", "one credit", f"{was_cost} became {cost}", Party.WRITER if dearer else None)


def _priced(version: Version) -> dict[str, Mapping[str, Any]]:
    """Every row with a price of the models' and tools' tables, by name."""
    found = {}
    for table in ("models", "tools"):
        rows = version.tables.get(table, {}).get(table, ()) if isinstance(version.tables.get(table), Mapping) else ()
        for row in rows:
            name = row.get("name") or row.get("operation")
            if name is not None and "price" in row:
                found[str(name)] = row
    return found


def _or_none(value: Any) -> str:
    return "none" if value is None else f"{value:.12g}" if isinstance(value, int | float) else str(value)
