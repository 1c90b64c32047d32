"""Explains a request, a task or a delivery: everything that led to its result, as one causal chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from swapmock.mock_server.admin import explanations
from swapmock.mock_server.admin.ledger import entry_row
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.records import record_row
from swapmock.mock_server.admin.tasks import delivery_row, task_row
from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.call import Call, Reply
from swapmock.mock_server.core.delivery import Attempt, Delivery
from swapmock.mock_server.core.journal import Exchange, Record, Transition
from swapmock.mock_server.core.ledger import ROUTES, Account, Entry
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.core.timetext import format_timestamp

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

KINDS = ("request", "exchange", "task", "delivery")


def explain(call: Call, engine: Engine) -> Reply:
    """Explain a request, a task or a delivery."""
    name = call.params["id"]
    kind, slash, rest = name.partition("/")
    if slash and kind in KINDS:
        name = rest
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        exchange = next((r for r in box.records() if isinstance(r, Exchange) and r.id == name), None)
        delivery = None if exchange is not None else box.delivery(name)
        task = None if exchange is not None else box.task(delivery.task if delivery is not None else name)
        if exchange is None and task is None and delivery is None:
            gone = f"; the journal has dropped {box.dropped()} records" if box.dropped() else ""
            raise not_found(f"request, task or delivery (see journal and tasks{gone})", name)
        explanation = Explanation(box, engine, now, exchange, task, delivery)
        answer = explanation.document()
    answer["page"] = page_of(answer["subject"], box.sandbox.id, call.own_url)
    if call.params.get("format") == "mermaid":
        return Reply(answer["mermaid"], headers=(("content-type", "text/plain; charset=utf-8"),))
    return Reply(answer)


#: The type of a subject -> the segment of the path of its page.
PAGES = {"request": "requests", "task": "tasks", "delivery": "deliveries"}


def page_of(subject: Mapping[str, str], sandbox: str, admin_url: str) -> str:
    """Return the URL of the inspector's page about a subject of `explain`."""
    parts = (sandbox, PAGES[subject["type"]], subject["id"])
    return f"{admin_url}/__admin/sandboxes/" + "/".join(quote(part, safe="") for part in parts)


class Explanation:
    """Everything in an open box that concerns one request, task or delivery."""

    def __init__(
        self,
        box: Box,
        engine: Engine,
        now: float,
        exchange: Exchange | None,
        task: Task | None,
        delivery: Delivery | None,
    ) -> None:
        self.box, self.engine, self.now = box, engine, now
        self.mask = Mask(engine, box.sandbox)
        self.exchange, self.delivery = exchange, delivery
        self.task = task if task is not None or exchange is None else box.task(exchange.task)
        self._records = list(box.records())
        self.cause = exchange or next(
            (r for r in self._records if isinstance(r, Exchange) and self.task and r.id == self.task.cause), None
        )
        self.contract = engine.contracts[(exchange or self.cause or self.task or delivery).provider]  # type: ignore[union-attr]

    def document(self) -> dict[str, Any]:
        """Return the answer of `explain` as a JSON object."""
        about = self.exchange or self.cause
        answer: dict[str, Any] = {"subject": self._subject(), "summary": self._summary()}
        if about is not None:
            answer.update(self._exchange_part(about))
        if self.task is not None:
            answer["task"] = task_row(self.task, self.now, self.engine, self.mask)
            deliveries = [d for d in self.box.deliveries() if d.task == self.task.id]
            answer["deliveries"] = [delivery_row(delivery, self.engine, self.mask) for delivery in deliveries]
        answer["ledger"] = [entry_row(number, entry) for number, entry in self._entries()]
        answer["state"] = {"before": self._state(before=True), "after": self._state(before=False)}
        answer["chain"] = self._chain()
        answer = dict(self.mask.value(answer))
        answer["mermaid"] = self._mermaid(answer["chain"])
        return answer

    def _subject(self) -> dict[str, Any]:
        if self.exchange is not None:
            return {"type": "request", "id": self.exchange.id}
        if self.delivery is not None:
            return {"type": "delivery", "id": self.delivery.id}
        return {"type": "task", "id": self.task.id if self.task is not None else ""}

    def _summary(self) -> str:
        if self.exchange is not None:
            return explanations.exchange_summary(self.exchange, self.contract, self.engine)
        if self.delivery is not None:
            return explanations.delivery_summary(self.delivery)
        return explanations.task_summary(self.task, self.now, self.engine) if self.task is not None else ""

    def _exchange_part(self, exchange: Exchange) -> dict[str, Any]:
        number = self._records.index(exchange) + self.box.dropped() + 1
        operation = self.contract.operations.get(exchange.operation)
        return {
            "request": record_row(number, exchange, self.engine, self.mask),
            "operation": None
            if operation is None
            else {
                "id": operation.id,
                "method": operation.method,
                "path": operation.path,
                "evidence": dict(operation.evidence),
            },
            "nearest_operation": None
            if operation is not None
            else explanations.nearest_operation(exchange, self.contract),
            "credential": explanations.credential(exchange, self.box, self.contract),
            "violations": explanations.violations(exchange, self.contract, self.engine),
            "fault": exchange.fault or None,
            "scenario": self.task.scenario if self.task is not None and self.task.cause == exchange.id else None,
            "sandbox": self.box.sandbox.id,
        }

    def _entries(self) -> list[tuple[int, Entry]]:
        task_id = self.task.id if self.task is not None else None
        cause = self.exchange.id if self.exchange is not None else None
        return [
            (number, entry)
            for number, entry in enumerate(self.box.entries(), 1)
            if (task_id is not None and entry.task == task_id) or (cause is not None and entry.cause == cause)
        ]

    def _state(self, *, before: bool) -> dict[str, Any]:
        """Return balance and task immediately before or after the request."""
        about = self.exchange or self.cause
        if about is None:
            return {}
        accounts = {account.value: 0 for account in (Account.AVAILABLE, Account.RESERVED, Account.SPENT)}
        for entry in self.box.entries():
            own = entry.cause == about.id and entry.at == about.at and entry.move.value == "reserve"
            if entry.at > about.at or (before and own) or (entry.at == about.at and self._is_later(entry, about)):
                continue
            source, target = ROUTES[entry.move]
            for account, sign in ((source, -1), (target, 1)):
                if account.value in accounts:
                    accounts[account.value] += sign * entry.amount
        state: dict[str, Any] = {"at": about.at, "balance": {name: amount / 1000 for name, amount in accounts.items()}}
        created_here = self.task is not None and self.task.cause == about.id
        state["task"] = None if self.task is None or (before and created_here) else self.task.phase(about.at).value
        return state

    def _is_later(self, entry: Entry, about: Exchange) -> bool:
        """Return whether `entry`, posted at the same sandbox time, belongs to a later request."""
        return entry.cause.startswith("x") and entry.cause != about.id and int(entry.cause[1:]) > int(about.id[1:])

    def _is_relevant(self, record: Record) -> bool:
        """Return whether a record belongs to the explained request or task."""
        if record is self.exchange or record is self.cause:
            return True
        if self.task is None:
            return False
        if isinstance(record, Exchange) and self.exchange is not None:
            return False
        return record.task == self.task.id

    def _chain(self) -> list[dict[str, Any]]:
        """Return the events in order: the request, violations and faults, ledger entries, transitions, attempts of
        callbacks."""
        events: list[tuple[float, int, dict[str, Any]]] = []

        def add(at: float, rank: int, what: str, text: str, **more: Any) -> None:
            events.append((at, rank, {"at": at, "at_iso": format_timestamp(at), "what": what, "text": text, **more}))

        for record in self._records:
            if not self._is_relevant(record):
                continue
            if isinstance(record, Exchange):
                add(record.at, 0, "request", f"{record.method} {record.target}", request=record.id)
                for text in explanations.steps(record, self.contract, self.engine):
                    add(record.at, 1, "step", text, request=record.id)
                add(record.at, 3, "answer", explanations.answer_text(record), request=record.id)
            elif isinstance(record, Transition):
                text = f"task {record.task}: {record.before} -> {record.after}"
                add(record.at, 4, "transition", text, task=record.task, cause=record.cause)
            elif isinstance(record, Attempt):
                add(
                    record.at,
                    6,
                    "delivery",
                    explanations.attempt_text(record),
                    delivery=record.delivery,
                    cause=record.cause,
                )
        if self.task is not None and (text := explanations.drawn(self.task, self.engine)):
            add(self.task.created_at, 1, "step", text, task=self.task.id)
        for _, entry in self._entries():
            rank = 2 if entry.move.value == "reserve" else 5
            text = f"{entry.move.value} {entry.amount / 1000:g} credits"
            add(entry.at, rank, "ledger", text, task=entry.task or None, cause=entry.cause or None)
        events.sort(key=lambda event: (event[0], event[1]))
        return [event for _, _, event in events]

    def _mermaid(self, chain: list[dict[str, Any]]) -> str:
        lines = [
            "sequenceDiagram",
            "    participant C as client",
            "    participant S as swapmock",
            "    participant R as receiver",
        ]
        arrows = {"request": "C->>S", "answer": "S-->>C", "delivery": "S->>R"}
        for event in chain:
            text = _plain(event["text"])
            arrow = arrows.get(event["what"])
            lines.append(f"    {arrow}: {text}" if arrow is not None else f"    Note over S: {text}")
        return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return text for a Mermaid diagram: `;` and `#` have a meaning there and are escaped."""
    return " ".join(text.split())[:200].replace("#", "\0").replace(";", "#59;").replace("\0", "#35;")
