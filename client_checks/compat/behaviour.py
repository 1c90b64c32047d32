"""Compares behaviour.yaml and the tables beside it: codes, states, callbacks, times, limits, prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from swapmock.client_checks.compat.change import Change, Party
from swapmock.client_checks.compat.source import Version

#: The phases of a task in order; the status words for them belong to the provider.
EDGES = (("queued", "running"), ("running", "succeeded"), ("running", "failed"))

#: `(value before, value now)` -> the party that the change breaks, or None.
Verdict = Callable[[Any, Any], Party | None]


def always(party: Party | None) -> Verdict:
    """Return a rule: every change breaks `party`; with None, it breaks nobody."""
    return lambda _before, _now: party


def more(party: Party) -> Verdict:
    """Return a rule: a larger number breaks `party`."""
    return lambda before, now: party if (now or 0) > (before or 0) else None


def less(party: Party) -> Verdict:
    """Return a rule: a smaller number breaks `party`, and so does a number that was missing before."""
    return lambda before, now: party if now is not None and (before is None or now < before) else None


def turned(to: bool, party: Party) -> Verdict:
    """Return a rule: a flag that changes to the value `to` breaks `party`."""
    return lambda _before, now: party if bool(now) is to else None


def _itself(value: Any) -> Any:
    return value


def _type_name(value: Any) -> str:
    return type(value).__name__


class FieldRule(NamedTuple):
    """What is reported when the `field` of a row changes. `what` makes the sentence from the values before and now,
    as text. `area` is by default that of the table. `read` returns the part of the value that is compared."""

    field: str
    breaks: Verdict
    what: str = "{field} {before} became {now}"
    area: str = ""
    read: Callable[[Any], Any] = _itself


class TableRule(NamedTuple):
    """How a table of behaviour.yaml is compared. Rows are matched by their field `key` and reported at `place`.

    `new` and `gone` are the sentence for a row that only one version has, and whom it breaks. If both are None,
    such a row is compared as one whose fields are absent."""

    table: str
    key: str
    area: str
    fields: tuple[FieldRule, ...]
    new: tuple[str, Party | None] | None = None
    gone: tuple[str, Party | None] | None = None
    place: str = "{key}"


TABLES = (
    TableRule(
        "body_codes", "code", "codes",
        new=("body code is new: {meaning}", Party.READER), gone=("body code is gone", None),
        fields=(
            FieldRule("code", always(Party.READER), "code is {now} now, it was {before}", read=_type_name),
            FieldRule("http", always(Party.READER)),
            FieldRule("retryable", turned(False, Party.READER)),
            FieldRule("charged", turned(True, Party.READER)),
        ),
    ),
    # Error responses: the code and the HTTP status, additional members, and the wording.
    TableRule(
        "refusals", "problem", "refusals",
        new=("is refused now, with {code}", Party.READER), gone=("is not refused any more", None),
        fields=(
            FieldRule("code", always(Party.READER), "refused with {now} instead of {before}", "codes", read=str),
            FieldRule("message", always(None), "{before!r} became {now!r}", "wording"),
            FieldRule("http", always(Party.READER)),
            FieldRule("errors", always(Party.READER)),
            FieldRule("data", always(Party.READER)),
        ),
    ),
    TableRule("limits", "name", "limits", (FieldRule("value", less(Party.WRITER), "limit {before} became {now}"),)),
    TableRule("lifetimes", "name", "limits", (FieldRule("seconds", less(Party.READER), "lifetime {before} became {now}"),)),
    TableRule(
        "timelines", "name", "timelines",
        new=("timeline is new", None), gone=("timeline is gone", None),
        fields=(
            FieldRule("queued", more(Party.READER), "{field} {before} s became {now} s"),
            FieldRule("running", more(Party.READER), "{field} {before} s became {now} s"),
        ),
    ),
    TableRule(
        "variants", "name", "variants", place="variant {key}",
        new=("is new", None), gone=("is gone", None),
        fields=(
            FieldRule("default", always(Party.READER), area="states"),
            FieldRule("choices", always(None)),
            FieldRule("takes_map", always(None), "{field} changed"),
            FieldRule("waives", always(None), "{field} changed"),
        ),
    ),
)  # fmt: skip


def behaviour_changes(old: Version, new: Version) -> Iterator[Change]:
    """Yield every change of the tables that a client can notice."""
    for rule in TABLES:
        yield from _table(rule, old, new)
    yield from _states(old, new)
    yield from _callback_rules(old, new)
    yield from _credentials(old, new)
    yield from _prices(old, new)
    yield from _singles(old, new)


def _rows(version: Version, table: str, key: str) -> dict[str, Mapping[str, Any]]:
    return {str(row[key]): row for row in version.behaviour.get(table, ())}


def _table(rule: TableRule, old: Version, new: Version) -> Iterator[Change]:
    before, now = _rows(old, rule.table, rule.key), _rows(new, rule.table, rule.key)
    for key in sorted(before.keys() | now.keys()):
        place = rule.place.format(key=key)
        for there, told, rows in ((before, rule.new, now), (now, rule.gone, before)):
            if key not in there and told is not None:
                what, party = told
                yield Change(rule.area, place, what.format_map(defaultdict(str, rows[key])), party)
                break
        else:
            for field in rule.fields:
                yield from _field(rule, field, place, before.get(key, {}), now.get(key, {}))


def _field(
    rule: TableRule, field: FieldRule, place: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    # An explicit null differs from a missing field.
    if field.read(old.get(field.field, "null")) == field.read(new.get(field.field, "null")):
        return
    before, now = old.get(field.field), new.get(field.field)
    texts = {"before": _or_none(field.read(before)), "now": _or_none(field.read(now))}
    what = field.what.format(field=field.field, **texts)
    yield Change(field.area or rule.area, place, what, field.breaks(before, now))


def _credentials(old: Version, new: Version) -> Iterator[Change]:
    """Yield changes in the form of a key and in the headers that carry it."""
    before, after = old.behaviour.get("credential_form") or {}, new.behaviour.get("credential_form") or {}
    for field in sorted({*before, *after} - {"evidence", "source"}):
        if before.get(field) != after.get(field):
            what = f"{field} {_or_none(before.get(field))} became {_or_none(after.get(field))}"
            yield Change("auth", f"credential_form {field}", what, Party.WRITER)


#: Single rows whose change a client can notice, and which party it breaks.
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
        yield Change("callbacks", f"ladder {name}", "retry schedule is gone", Party.RECEIVER)
    for name, row in now.items():
        if name not in was:
            yield Change("callbacks", f"ladder {name}", "retry schedule is new")
        elif _without_sources(was[name]) != _without_sources(row):
            (tries, seconds), (tries_now, seconds_now) = _reach(was[name]), _reach(row)
            what = f"{_described(was[name])} became {_described(row)}"
            shorter = tries_now < tries or seconds_now < seconds
            yield Change("callbacks", f"ladder {name}", what, Party.RECEIVER if shorter else None)


def _described(schedule: Mapping[str, Any]) -> str:
    """Return a retry schedule as text, with every interval: two schedules may take the same time in total."""
    tries, seconds = _reach(schedule)
    spaced = ", ".join(f"{one:g}" for one in schedule["intervals"])
    others = {key: value for key, value in _without_sources(schedule).items() if key not in ("name", "intervals")}
    more = ", ".join(f"{key} {value}" for key, value in others.items())
    return f"{tries} retries within {seconds:.12g} s (after {spaced}; {more})"


def _reach(schedule: Mapping[str, Any]) -> tuple[int, float]:
    """Return how often, and for how many seconds, a receiver that is down is tried again."""
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


def _prices(old: Version, new: Version) -> Iterator[Change]:
    before, after = priced(old), priced(new)
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


def priced(version: Version) -> dict[str, Mapping[str, Any]]:
    """Return every row with a price in the tables of models and tools, by name."""
    found = {}
    for table in ("models", "tools"):
        rows = version.tables.get(table, {}).get(table, ()) if isinstance(version.tables.get(table), Mapping) else ()
        for row in rows:
            name = row.get("name") or row.get("operation")
            if name is not None and "price" in row:
                found[str(name)] = row
    return found


def _or_none(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "none" if value is None else f"{value:.12g}" if is_number else str(value)
