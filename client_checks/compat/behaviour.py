"""Compares what behaviour.yaml and the tables beside it say: codes, states, callbacks, times, limits, prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.compat.change import Change, Party
from swapmock.client_checks.compat.source import Version

#: How a task goes on, by phase; the words for the phases are the provider's.
EDGES = (("queued", "running"), ("running", "succeeded"), ("running", "failed"))


def behaviour_changes(old: Version, new: Version) -> Iterator[Change]:
    """Every change of the tables that somebody can see."""
    yield from _codes(old, new)
    yield from _refusals(old, new)
    yield from _states(old, new)
    yield from _callback_rules(old, new)
    yield from _amounts(old, new, "limits", "value", Party.WRITER)
    yield from _amounts(old, new, "lifetimes", "seconds", Party.READER)
    yield from _timelines(old, new)
    yield from _variants(old, new)
    yield from _credentials(old, new)
    yield from _prices(old, new)
    yield from _singles(old, new)


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


def _refusals(old: Version, new: Version) -> Iterator[Change]:
    """How problems are said: the code and the HTTP status, what stands beside them, and the wording."""
    before, after = _rows(old, "refusals", "problem"), _rows(new, "refusals", "problem")
    for problem in before.keys() - after.keys():
        yield Change("refusals", problem, "is not refused any more")
    for problem, row in after.items():
        if problem not in before:
            yield Change("refusals", problem, f"is refused now, with {row.get('code')}", Party.READER)
            continue
        was = before[problem]
        if str(was["code"]) != str(row["code"]):
            yield Change("codes", problem, f"refused with {row['code']} instead of {was['code']}", Party.READER)
        if was.get("message") != row.get("message"):
            what = f"{was.get('message')!r} became {row.get('message')!r}"
            yield Change("wording", problem, what)
        for field in ("http", "errors", "data"):
            if was.get(field, "null") != row.get(field, "null"):
                what = f"{field} {_or_none(was.get(field))} became {_or_none(row.get(field))}"
                yield Change("refusals", problem, what, Party.READER)


def _timelines(old: Version, new: Version) -> Iterator[Change]:
    before, after = _rows(old, "timelines", "name"), _rows(new, "timelines", "name")
    for name in before.keys() | after.keys():
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            yield Change("timelines", name, "timeline is new" if was is None else "timeline is gone")
            continue
        for field in ("queued", "running"):
            if was.get(field) != now.get(field):
                what = f"{field} {_or_none(was.get(field))} s became {_or_none(now.get(field))} s"
                slower = (now.get(field) or 0) > (was.get(field) or 0)
                yield Change("timelines", name, what, Party.READER if slower else None)


def _credentials(old: Version, new: Version) -> Iterator[Change]:
    """The form of a key, and the headers that show it."""
    before, after = old.behaviour.get("credential_form") or {}, new.behaviour.get("credential_form") or {}
    for field in sorted({*before, *after} - {"evidence", "source"}):
        if before.get(field) != after.get(field):
            what = f"{field} {_or_none(before.get(field))} became {_or_none(after.get(field))}"
            yield Change("auth", f"credential_form {field}", what, Party.WRITER)


#: Single rows whose change somebody sees, and who.
SINGLES = {"prefix": ("paths", Party.WRITER), "order": ("refusals", Party.READER), "pictures": ("fields", Party.READER),
           "descriptions": ("wording", None), "detection_price": ("prices", Party.WRITER)}  # fmt: skip


def _singles(old: Version, new: Version) -> Iterator[Change]:
    for name, (area, party) in SINGLES.items():
        was, now = (_without_sources(side.behaviour.get(name)) for side in (old, new))
        if was != now:
            yield Change(area, name, f"{_or_none(was)} became {_or_none(now)}"[:300], party)


def _without_sources(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_sources(one) for key, one in value.items() if key not in ("evidence", "source")}
    return value


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


def _told(schedule: Mapping[str, Any]) -> str:
    """A retry schedule in words, with every interval: two may take the same time in all."""
    tries, seconds = _reach(schedule)
    return f"{tries} retries within {seconds:.12g} s (after {', '.join(f'{one:g}' for one in schedule['intervals'])})"


def _reach(schedule: Mapping[str, Any]) -> tuple[int, float]:
    """How often and for how long a receiver that is down is tried again."""
    intervals, retries, then = list(schedule["intervals"]), int(schedule["retries"]), schedule.get("then", "stop")
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
    for name in before.keys() | after.keys():
        if name not in before or name not in after:
            yield Change("variants", f"variant {name}", "is new" if name not in before else "is gone")
            continue
        if before[name]["default"] != after[name]["default"]:
            what = f"default {before[name]['default']} became {after[name]['default']}"
            yield Change("states", f"variant {name}", what, Party.READER)
        if before[name].get("choices") != after[name].get("choices"):
            what = f"choices {before[name].get('choices')} became {after[name].get('choices')}"
            yield Change("variants", f"variant {name}", what)
        for field in ("takes_map", "waives"):
            if before[name].get(field) != after[name].get(field):
                yield Change("variants", f"variant {name}", f"{field} changed")


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
