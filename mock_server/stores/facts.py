"""The log of a sandbox: its changes as facts. Converts a batch of facts, and a snapshot of the whole content, to
bytes and back.

A fact is a mutating method of the port with its arguments: `("schedule", at, work, subject)`. The arguments are
resolved values: applying facts reads no table, no setting and no clock. `FACTS` has one row for each method. The
bytes are JSON. Named tuples, and records that occur in large numbers, are arrays; settings of sandboxes and
faults are objects, as in snapshots. Bytes are texts if they are UTF-8, else a list with their base64.

The names and the order of methods and fields are the format of stored logs. A field with a default may be added
at the end. Every other change needs a new `FORMAT` and a migration."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

from swapmock.mock_server.core import codec
from swapmock.mock_server.core.clock import ClockMode, SandboxClock
from swapmock.mock_server.core.delivery import Attempt, Delivery, DeliveryState, Standing
from swapmock.mock_server.core.faults import FaultRule, Turns
from swapmock.mock_server.core.journal import Breach, Exchange, File, Record, Transfer, Transition
from swapmock.mock_server.core.ledger import Entry, Move
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.sandbox import Sandbox
from swapmock.mock_server.core.state import Due, State
from swapmock.mock_server.core.task import Failure, Task
from swapmock.mock_server.stores.box import MemoryBox

orjson: Any
try:
    import orjson
except ImportError:  # the extra `fast` is not installed
    orjson = None

#: The version of the format. A store with a higher version is refused, a store with a lower one is migrated.
FORMAT = 1

#: The number of records in one piece of a snapshot.
PIECE = 200

#: The name of a method, then its arguments.
Fact = tuple[Any, ...]


class BadFacts(ValueError):
    """The bytes are not a batch or a snapshot of this format."""


# --- JSON


def _plain(value: Any) -> Any:
    """Return a form of `value` that orjson can write."""
    if isinstance(value, bytes):
        return text_of(value)
    if isinstance(value, tuple):
        return [*value]
    if isinstance(value, Mapping):
        return {**value}
    raise TypeError(f"{type(value).__name__} has no place in a log")


def dumps(value: Any) -> bytes:
    """Return a value as JSON bytes."""
    if orjson is not None:
        try:
            written: bytes = orjson.dumps(value, default=_plain)
        except TypeError:  # an integer of more than 64 bits, a text with lone surrogates, or deeper than orjson allows
            pass
        else:
            return written
    return json.dumps(_as_json(value), separators=(",", ":")).encode()


def _as_json(value: Any) -> Any:
    """Return `value` as the standard library writes it in the same way as orjson."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return text_of(value)
    if isinstance(value, Mapping):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return {field.name: _as_json(getattr(value, field.name)) for field in fields(value)}


def loads(raw: bytes) -> Any:
    """Return the value of JSON bytes."""
    if orjson is not None:
        try:
            return orjson.loads(raw)
        except ValueError:
            pass
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadFacts(f"no JSON: {error}") from None


def text_of(raw: bytes) -> str | list[str]:
    """Return bytes as a text if they are UTF-8, else as a list with their base64."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return [base64.b64encode(raw).decode("ascii")]


def bytes_of(value: Any) -> bytes:
    """Return the bytes from which `text_of` made `value`."""
    return value.encode() if isinstance(value, str) else base64.b64decode(value[0], validate=True)


# --- records


_TASK = (
    "id", "kind", "provider", "operation", "model", "request", "created_at", "starts_at", "ends_at", "failure",
    "reserved", "charge", "scenario", "callback_url", "base_url", "cause", "asker", "facts", "submitted_at",
)  # fmt: skip
_EXCHANGE = (
    "id", "at", "provider", "operation", "method", "target", "headers", "body", "status", "code", "answer_headers",
    "answer", "task", "problem", "violations", "drift", "fault", "scenario", "delay", "base_url", "transfer",
)  # fmt: skip
_DELIVERY = (
    "id", "number", "task", "provider", "operation", "event", "url", "host", "body", "created_at", "waits", "cause",
    "callback_fault", "corruption", "alone", "state", "next_due", "retries", "attempts", "claim", "leased_until",
    "before_redelivery",
)  # fmt: skip

#: A function that returns the stored values of a record in one step, five times faster than reading named fields.
task_values, exchange_values = attrgetter(*_TASK), attrgetter(*_EXCHANGE)
delivery_values = attrgetter(*_DELIVERY)


def _task(values: list[Any]) -> Task:
    row = dict(zip(_TASK, values, strict=False))
    row["request"] = bytes_of(row["request"])
    if row["failure"] is not None:
        row["failure"] = Failure(**row["failure"])
    return Task(**row)


def _exchange(values: list[Any]) -> Exchange:
    row = dict(zip(_EXCHANGE, values, strict=False))
    row["body"], row["answer"] = bytes_of(row["body"]), bytes_of(row["answer"])
    row["answer_headers"] = tuple([(name, value) for name, value in row["answer_headers"]])
    if row["violations"]:
        row["violations"] = tuple([_breach(*each) for each in row["violations"]])
    if row["drift"]:
        row["drift"] = tuple([_breach(*each) for each in row["drift"]])
    if row.get("transfer") is not None:
        row["transfer"] = Transfer(*row["transfer"])
    return Exchange(**{**row, "violations": row["violations"] or (), "drift": row["drift"] or ()})


def _breach(place: list[str | int], *more: Any) -> Breach:
    return Breach(tuple(place), *more)


#: The places of the values of an attempt that are bytes. The first version of the format had only the first of them.
_ATTEMPT_BYTES = tuple(Attempt._fields.index(name) for name in ("answer", "request_head", "answer_head"))


def _attempt(row: list[Any]) -> Attempt:
    for place in _ATTEMPT_BYTES:
        if place < len(row):
            row[place] = bytes_of(row[place])
    return Attempt(*row)


def _delivery(values: list[Any]) -> Delivery:
    row = dict(zip(_DELIVERY, values, strict=False))
    row["body"], row["waits"] = bytes_of(row["body"]), tuple(row["waits"])
    row["state"] = DeliveryState(row["state"])
    row["attempts"] = tuple([_attempt(each) for each in row["attempts"]])
    before = row["before_redelivery"]
    if before is not None:
        row["before_redelivery"] = Standing(DeliveryState(before[0]), before[1])
    return Delivery(**row)


def _entry(row: list[Any]) -> Entry:
    at, move, *more = row
    return Entry(at, _MOVES[move], *more)


#: The members by their texts: three times faster than a call of the enumeration.
_MOVES = {str(move): move for move in Move}


def _record(row: list[Any]) -> Record:
    """Return a record. Its kind follows from the number of values in the first version: an exchange had 20, an
    attempt 14, a transition 5."""
    if len(row) >= 20:
        return _exchange(row)
    return _attempt(row) if len(row) >= 14 else Transition(*row)


def record_values(record: Record) -> tuple[Any, ...]:
    """Return the values of a record as they are stored."""
    values: tuple[Any, ...] = exchange_values(record) if isinstance(record, Exchange) else record
    return values


def _sandbox(row: Any) -> Sandbox:
    made: Sandbox = codec.decode(Sandbox, row)
    return made


def _clock(row: list[Any]) -> SandboxClock:
    return SandboxClock(ClockMode(row[0]), *row[1:])


def _rule(row: Any) -> FaultRule:
    made: FaultRule = codec.decode(FaultRule, row)
    return made


# --- methods


def _apply_take_due(box: MemoryBox, now: float, times: int) -> None:
    for _ in range(times):
        MemoryBox.take_due(box, now)


def _apply_recovered(box: MemoryBox, real: float) -> None:
    box.recovered = real


def _apply_sandbox(box: MemoryBox, row: Any) -> None:
    box.sandbox = _sandbox(row)


def _apply_clock(box: MemoryBox, row: Any) -> None:
    box.clock = _clock(row)


def _apply_publish(box: MemoryBox, token: str, order: int) -> None:
    box.tokens[token] = order


def _apply_unpublish(box: MemoryBox, token: str) -> None:
    box.tokens.pop(token, None)


#: Method -> the function that applies its stored arguments to a box.
FACTS: Mapping[str, Callable[..., Any]] = {
    "numbers": MemoryBox.set_numbers,
    "task": lambda box, row: MemoryBox.add_task(box, _task(row)),
    "replace_task": lambda box, row, due: MemoryBox.replace_task(box, _task(row), is_scheduled=due),
    "alias": MemoryBox.add_alias,
    "schedule": MemoryBox.schedule,
    "enter_next_phase": MemoryBox.enter_next_phase,
    "take_due": _apply_take_due,
    "delivery": lambda box, row: MemoryBox.put_delivery(box, _delivery(row)),
    "claim": MemoryBox.lease,
    "post": lambda box, row: MemoryBox.post(box, _entry(row)),
    "rate": MemoryBox.count_call,
    "record": lambda box, row: MemoryBox.record(box, _record(row)),
    "transfer": lambda box, name, row: MemoryBox.set_transfer(box, name, Transfer(*row)),
    "forget_records": MemoryBox.forget_records,
    "fault": lambda box, row: MemoryBox.put_fault(box, _rule(row)),
    "drop_fault": MemoryBox.drop_fault,
    "turns": lambda box, rule, row: MemoryBox.set_turns(box, rule, Turns(*row)),
    "enqueue": lambda box, row: MemoryBox.enqueue(box, Queued(*row)),
    "dequeue": MemoryBox.dequeue,
    "file": lambda box, row: MemoryBox.put_file(box, File(**row)),
    "forget_files": MemoryBox.forget_files,
    "sandbox": _apply_sandbox,
    "clock": _apply_clock,
    "publish": _apply_publish,
    "unpublish": _apply_unpublish,
    "withdraw": lambda box: box.tokens.clear(),
    "recovered": _apply_recovered,
}

#: Returns the bytes of facts, in their order.
write_batch: Callable[[Sequence[Fact]], bytes] = dumps


def apply_batch(box: MemoryBox, raw: bytes) -> None:
    """Apply the facts of a batch to a box with the content before the batch. Raises BadFacts."""
    try:
        for verb, *arguments in loads(raw):
            FACTS[verb](box, *arguments)
    except BadFacts:
        raise
    except Exception as error:
        raise BadFacts(f"a fact cannot be applied: {type(error).__name__}: {error}") from error


# --- snapshots


class Held(NamedTuple):
    """The whole content of a box at one position of its log. `tokens` are those of public links, with their position
    in the order of all publications."""

    sandbox: Sandbox
    clock: SandboxClock
    tokens: Mapping[str, int]
    state: State
    recovered: float | None = None


class Part(NamedTuple):
    """A collection of a State that is written in pieces. `add` adds the stored rows of a piece."""

    items: Callable[[State], Iterable[Any]]
    add: Callable[[State, list[Any]], None]


def _keyed(name: str, read: Callable[[Any], Any], key: str) -> Callable[[State, list[Any]], None]:
    def add(state: State, rows: list[Any]) -> None:
        getattr(state, name).update([(getattr(item, key), item) for item in map(read, rows)])

    return add


def _listed(name: str, read: Callable[[Any], Any]) -> Callable[[State, list[Any]], None]:
    return lambda state, rows: getattr(state, name).extend(map(read, rows))


PARTS: Mapping[str, Part] = {
    "tasks": Part(lambda s: map(task_values, s.tasks.values()), _keyed("tasks", _task, "id")),
    "aliases": Part(lambda s: s.aliases.items(), lambda s, rows: s.aliases.update(rows)),
    "due": Part(lambda s: s.due, _listed("due", lambda row: Due(*row))),
    "entries": Part(lambda s: s.entries, _listed("entries", _entry)),
    "journal": Part(lambda s: map(record_values, s.journal), _listed("journal", _record)),
    "deliveries": Part(lambda s: map(delivery_values, s.deliveries), _listed("deliveries", _delivery)),
    "files": Part(lambda s: s.files.values(), _keyed("files", lambda row: File(**row), "name")),
    "queue": Part(lambda s: s.queue, _listed("queue", lambda row: Queued(*row))),
    "faults": Part(lambda s: map(codec.encode, s.faults.values()), _keyed("faults", _rule, "id")),
    "rates": Part(lambda s: s.rates.items(), lambda s, rows: s.rates.update(rows)),
}


def write_snapshot(held: Held) -> Iterator[bytes]:
    """Yield the pieces of a snapshot one after the other, so that they are never all in memory."""
    state = held.state
    head = {
        "sandbox": codec.encode(held.sandbox),
        "clock": held.clock,
        "recovered": held.recovered,
        "numbers": state.numbers,
        "scheduled": state.scheduled,
        "recorded": state.recorded,
        "turns": state.turns,
    }
    yield dumps(["head", head])
    for name, part in PARTS.items():
        yield from _pieces(name, part.items(state))
    yield from _pieces("tokens", held.tokens.items())


def _pieces(name: str, items: Iterable[Any]) -> Iterator[bytes]:
    left = iter(items)
    while chunk := [*islice(left, PIECE)]:
        yield dumps([name, chunk])


def read_snapshot(pieces: Iterable[bytes]) -> Held:
    """Return the content of a snapshot. Raises BadFacts."""
    state, head, tokens = State(), None, dict[str, int]()
    try:
        for raw in pieces:
            name, rows = loads(raw)
            if name == "head":
                head = rows
            elif name == "tokens":
                tokens.update(rows)
            else:
                PARTS[name].add(state, rows)
        if head is None:
            raise BadFacts("a snapshot without its head")
        state.numbers, state.scheduled, state.recorded = head["numbers"], head["scheduled"], head["recorded"]
        state.turns = {name: Turns(*turns) for name, turns in head["turns"].items()}
        return Held(_sandbox(head["sandbox"]), _clock(head["clock"]), tokens, state, head["recovered"])
    except BadFacts:
        raise
    except Exception as error:
        raise BadFacts(f"a snapshot cannot be read: {type(error).__name__}: {error}") from error
