"""Reads what the pages show, in limited amounts.

A sandbox is open only while references to records are copied. Rows are made afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from swapmock.mock_server.admin import records
from swapmock.mock_server.admin.clock import clock_row
from swapmock.mock_server.admin.ledger import balance, entry_row
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.tasks import status_of
from swapmock.mock_server.core.delivery import Attempt, Delivery, read_head
from swapmock.mock_server.core.journal import Exchange, Record, Transition
from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.core.timetext import format_timestamp
from swapmock.mock_server.inspector import words
from swapmock.mock_server.inspector.languages import Translate

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The number of rows in a list, and the most rows that a page can skip.
PAGE, MOST_SKIPPED = 50, 100_000

#: The most characters of a target that a list shows.
LONGEST_TARGET = 160


class Overview(NamedTuple):
    """A sandbox in a list."""

    id: str
    clock: Mapping[str, Any]
    balance: Mapping[str, Any]
    counts: Mapping[str, int]
    labels: Mapping[str, str]


def overview(box: Box, engine: Engine) -> Overview:
    """Return the figures of a closed sandbox."""
    with box:
        now = engine.now(box)
        clock = clock_row(box.clock, now, box.next_due())
        return Overview(box.sandbox.id, clock, balance(box), dict(box.counts()), box.sandbox.labels)


def sandboxes(
    engine: Engine, skip: int, elsewhere: Callable[[Sequence[str]], Mapping[str, Any]]
) -> tuple[list[Overview], int]:
    """Return a page of the sandboxes, without the first `skip`, and how many there are. `elsewhere` returns the
    figures of those in other processes."""
    ids = engine.store.ids()
    shown = ids[skip : skip + PAGE]
    found: dict[str, Overview] = {}
    absent = []
    for name in shown:
        try:
            found[name] = overview(engine.store.open(name), engine)
        except HeldElsewhere:
            absent.append(name)
        except KeyError:
            continue  # another request deleted it
    if absent:
        found |= {name: Overview(**figures) for name, figures in elsewhere(absent).items()}
    return [found[name] for name in shown if name in found], len(ids)


def catch_up(box: Box, engine: Engine) -> None:
    """Do the due work of a sandbox, while other threads may open it in between."""
    engine.run_due_in_batches(box.sandbox.id)


class Held(NamedTuple):
    """The records of a journal, oldest first, and how many older ones it has dropped."""

    records: Sequence[Record]
    dropped: int

    @property
    def numbered(self) -> Iterable[tuple[int, Record]]:
        """Return the records with their numbers, newest first."""
        count = len(self.records)
        return ((self.dropped + index + 1, self.records[index]) for index in range(count - 1, -1, -1))

    def exchange(self, name: str) -> tuple[int, Exchange] | None:
        """Return the exchange with this id and its number; None if there is none."""
        for number, record in self.numbered:
            if isinstance(record, Exchange) and record.id == name:
                return number, record
        return None


def journal(box: Box, engine: Engine) -> Held:
    """Return the journal of a closed sandbox."""
    catch_up(box, engine)
    with box:
        return Held(box.records(), box.dropped())


#: Filters of the list of exchanges, as parameters of its URL.
FILTERS = ("provider", "operation", "method", "status", "code", "task", "problem", "fault")


def exchanges(
    held: Held, filters: Mapping[str, str], before: int | None, result: str, text: str
) -> tuple[list[tuple[int, Exchange]], bool]:
    """Return a page of the exchanges that pass the filters, newest first, and whether there are more.

    `before` is the number before which the page begins. `result` is a tone of `words`, or `unmatched`, or "" for
    all; `text` is a part of the target or of a body."""
    needle, found = text.encode(), list[tuple[int, Exchange]]()
    wanted = [(records.FILTERS[name], value) for name, value in filters.items()]
    for number, record in held.numbered:
        if not isinstance(record, Exchange) or (before is not None and number >= before):
            continue
        if any(str(read(record)) != value for read, value in wanted):
            continue
        if result == "unmatched":
            if record.operation:
                continue
        elif result and words.exchange_tone(record) != result:
            continue
        if text and text not in record.target and needle not in record.body and needle not in record.answer:
            continue
        if len(found) == PAGE:
            return found, True
        found.append((number, record))
    return found, False


def exchange_item(number: int, exchange: Exchange, engine: Engine, mask: Mask, _: Translate) -> dict[str, Any]:
    """Return an exchange as a row of a list. `mask` hides secrets, `_` translates."""
    target = mask.text(exchange.target)
    tone = words.exchange_tone(exchange)
    return {
        "number": number,
        "id": exchange.id,
        "at": exchange.at,
        "method": exchange.method,
        "target": target if len(target) <= LONGEST_TARGET else target[: LONGEST_TARGET - 1] + "…",
        "operation": exchange.operation,
        "provider": exchange.provider,
        "status": exchange.status,
        "code": exchange.code,
        "task": exchange.task,
        "fault": mask.text(exchange.fault),
        "scenario": exchange.scenario,
        "transfer": None if exchange.transfer is None else exchange.transfer._asdict(),
        "tone": tone,
        "headline": mask.text(words.exchange_headline(exchange, engine.contracts[exchange.provider], engine, _)),
    }


def task_item(task: Task, now: float, engine: Engine, mask: Mask, _: Translate) -> dict[str, Any]:
    """Return a task as a row of a list, at the sandbox time `now`. `mask` hides secrets, `_` translates."""
    phase = task.phase(now)
    return {
        "id": task.id,
        "provider": task.provider,
        "kind": task.kind,
        "model": task.model or task.operation,
        "phase": phase.value,
        "status": status_of(task, now, engine),
        "tone": words.PHASE_TONES[phase],
        "scenario": task.scenario,
        "created_at": task.created_at,
        "starts_at": task.starts_at,
        "ends_at": task.ends_at,
        "credits": task.credits_at(now) / 1000,
        "cause": task.cause,
        "has_callback": task.callback_url is not None,
        "headline": mask.text(words.task_headline(task, now, _)),
    }


def delivery_item(delivery: Delivery, mask: Mask, _: Translate) -> dict[str, Any]:
    """Return a delivery as a row of a list. `mask` hides secrets, `_` translates."""
    tone, _meaning = words.DELIVERY_WORDS[delivery.state]
    return {
        "id": delivery.id,
        "task": delivery.task,
        "provider": delivery.provider,
        "event": delivery.event,
        "url": mask.text(delivery.url),
        "state": delivery.state.value,
        "tone": tone,
        "created_at": delivery.created_at,
        "next_due": delivery.next_due,
        "attempts": delivery.attempts,
        "callback_fault": delivery.callback_fault,
        "headline": mask.text(words.delivery_headline(delivery, _)),
    }


def ledger_page(box: Box, engine: Engine, skip: int) -> tuple[list[dict[str, Any]], int, dict[str, Any]]:
    """Return a page of the entries in the ledger of `box`, newest first, without the newest `skip` ones; how many
    there are; and the balance."""
    catch_up(box, engine)
    with box:
        entries, total, held = box.newest_entries(PAGE, skip), box.counts()["ledger"], balance(box)
    return [entry_row(number, entry) for number, entry in entries], total, held


#: The most bytes that are shown of a body that is not text.
SHOWN_BYTES = 64


def is_binary(body: bytes) -> bool:
    """Return whether a body is not text: its beginning is not UTF-8, or contains a zero byte."""
    head = body[:1024]
    if b"\0" in head:
        return True
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start < len(head) - 4  # otherwise a character is cut at the end
    return False


def binary_text(body: bytes) -> str:
    """Return the beginning of a body that is not text, in hexadecimal digits."""
    more = " …" if len(body) > SHOWN_BYTES else ""
    return f"[{len(body)} B] {body[:SHOWN_BYTES].hex(' ')}{more}"


def pretty(body: bytes, engine: Engine, mask: Mask) -> str:
    """Return a body as text without secrets: JSON with indentation, other text unchanged."""
    if is_binary(body):
        return binary_text(body)
    value = mask.value(records.readable(body, engine))
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def raw_request(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, mask: Mask) -> str:
    """Return a request with `method`, `target`, `headers` and `body` as it came over the wire. `mask` hides secrets."""
    return _raw(f"{method} {mask.text(target)} HTTP/1.1", mask.headers(list(headers)), body, mask)


def raw_message(head: bytes, body: bytes, mask: Mask) -> str:
    """Return a message of a delivery as it went over the wire, "" if it has no `head`. `mask` hides secrets."""
    line, headers = read_head(head)
    return _raw(mask.text(line), mask.headers(headers), body, mask) if head else ""


def _raw(line: str, headers: Iterable[tuple[str, str]], body: bytes, mask: Mask) -> str:
    text = binary_text(body) if is_binary(body) else mask.text(body.decode("utf-8", "replace"))
    return "\n".join([line, *(f"{name}: {value}" for name, value in headers), "", text])


def marks(held: Held, tasks: Iterable[str]) -> dict[str, list[tuple[float, str, str]]]:
    """Return what happened to each of `tasks`: sandbox time, kind (`request`, `callback`, `missed`) and id, oldest
    first."""
    found: dict[str, list[tuple[float, str, str]]] = {task: [] for task in tasks}
    for record in held.records:
        if record.task not in found or isinstance(record, Transition):
            continue
        if isinstance(record, Attempt):
            kind = "missed" if record.failure else "callback"
            found[record.task].append((record.at, kind, record.delivery))
        else:
            found[record.task].append((record.at, "request", record.id))
    return found


def clock_text(at: float) -> str:
    """Return a sandbox time as a time of day with milliseconds."""
    return format_timestamp(at)[11:-1]
