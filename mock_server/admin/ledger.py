"""The ledger: entries, balances, proof, grants and refunds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.wire import invalid, not_found
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.credits import from_credits, to_credits
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ledger import ROUTES, Account, Entry, Move, NotCovered, prove
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.core.timetext import format_timestamp

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The values of a query parameter that mean yes.
TRUE = ("1", "true", "")

#: The most entries from grants, withdrawals and refunds. `--max-tasks` limits the entries of tasks.
MAX_MANUAL_ENTRIES = 100_000

#: The most entries of one task without refunds: reserve, settle, release.
ENTRIES_PER_TASK = 3


def balance(box: Box) -> dict[str, Any]:
    """Return the credits by account."""
    accounts = (Account.AVAILABLE, Account.RESERVED, Account.SPENT)
    return {account.value: to_credits(box.balance(account)) for account in accounts}


def entry_row(number: int, entry: Entry) -> dict[str, Any]:
    """Return a ledger entry as answers show it; `number` counts from 1."""
    source, target = ROUTES[entry.move]
    return {
        "number": number,
        "at": entry.at,
        "at_iso": format_timestamp(entry.at),
        "move": entry.move.value,
        "from": source.value,
        "to": target.value,
        "amount": to_credits(entry.amount),
        "task": entry.task or None,
        "request": entry.cause or None,
    }


def get_ledger(call: Call, engine: Engine) -> Reply:
    """Return the ledger. The sandbox is open only while its records are copied, because a copied record does not
    change."""
    engine.run_due_in_batches(call.box.sandbox.id)
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        entries, records, held, mask = box.entries(), box.records(), balance(box), Mask(engine, box.sandbox)
        tasks = {task.id: task for task in box.tasks()}
        accounts = {account: box.balance(account) for account in Account}
    rows: Iterator[dict[str, Any]] = (entry_row(number, entry) for number, entry in enumerate(entries, 1))
    answer = {"balance": held, "entries": rows, "cost": _cost(tasks.values(), engine)}
    if call.params.get("proof", "0") in TRUE:
        exchanges = {record.id: record for record in records if isinstance(record, Exchange)}
        answer["entries"] = ({**row, "cause": _cause(row, exchanges, tasks, mask)} for row in rows)
        invariants = prove(
            entries, [task.id for task in tasks.values() if task.reserved and task.is_over(now)], accounts
        )
        answer["proof"] = {
            "holds": all(invariant.holds for invariant in invariants),
            "invariants": [{"name": i.name, "holds": i.holds, "detail": i.detail} for i in invariants],
        }
    return Reply(engine.json.write_large(answer, 2, lambda value: value))


def _cause(
    row: Mapping[str, Any], exchanges: Mapping[str, Exchange], tasks: Mapping[str, Task], mask: Mask
) -> dict[str, Any]:
    """Return the request and the task that caused an entry."""
    exchange, task = exchanges.get(row["request"]), tasks.get(row["task"])
    return {
        "request": None
        if exchange is None
        else {
            "id": exchange.id,
            "operation": exchange.operation,
            "method": exchange.method,
            "target": mask.text(exchange.target),
        },
        "task": None if task is None else {"id": task.id, "model": task.model, "scenario": task.scenario},
    }


def _cost(tasks: Iterable[Task], engine: Engine) -> dict[str, Any]:
    """Return what the tasks would have cost at the live services, by the price list."""
    by_model: dict[tuple[str, str], int] = {}
    for task in tasks:
        if task.reserved:
            key = (task.provider, task.model or task.operation)
            by_model[key] = by_model.get(key, 0) + task.charge
    money: dict[str, float] = {}
    for (provider, _), amount in by_model.items():
        price = engine.contracts[provider].behaviour.money
        if price is not None:
            currency = price.currency
            money[currency] = round(money.get(currency, 0.0) + to_credits(amount) * price.per_credit, 6)
    rows = [{"provider": p, "model": m, "credits": to_credits(amount)} for (p, m), amount in by_model.items()]
    return {"credits": to_credits(sum(by_model.values())), "money": money, "by_model": rows}


def count_manual_entry(box: Box) -> None:
    """Count one manual entry. Raises Problem `conflict` if the ledger has MAX_MANUAL_ENTRIES."""
    if box.next_number("entry by hand") > MAX_MANUAL_ENTRIES:
        raise Problem(
            "conflict",
            message=f"the ledger has {MAX_MANUAL_ENTRIES} manual entries, which is the limit; reset the sandbox",
        )


def grant_credits(call: Call, engine: Engine) -> Reply:
    """Add credits to the balance."""
    with call.box as box:
        count_manual_entry(box)
        box.post(Entry(engine.now(box), Move.GRANT, from_credits(call.body["amount"])))
        return Reply(balance(box))


def refund_task(call: Call, engine: Engine) -> Reply:
    """Return the charge of a task, or a part of it, to the balance: at most the part that was not refunded before."""
    with call.box as box:
        now = engine.now(box)
        engine.catch_up(box, now)
        task, entries = box.task(call.body["task"]), box.entries()
    if task is None:
        raise not_found("task", call.body["task"])
    spent_before = _charge_left(task.id, entries)
    with call.box as box:
        spent = spent_before + _charge_left(task.id, box.entries()[len(entries) :])
        wanted = from_credits(call.body["amount"]) if "amount" in call.body else spent
        if spent == 0:
            raise Problem(
                "conflict",
                message=f"task {task.id} has no charge left: it was not charged, or the whole charge was refunded",
            )
        if wanted > spent:
            raise invalid(("amount",), f"only {to_credits(spent)} credits of the charge are left")
        count_manual_entry(box)
        try:
            box.post(Entry(now, Move.REFUND, wanted, task.id))
        except NotCovered as short:
            raise Problem("conflict", message=str(short)) from None
        return Reply(balance(box))


def _charge_left(task_id: str, entries: Iterable[Entry]) -> int:
    signs = {Move.SETTLE: 1, Move.REFUND: -1}
    return sum(signs.get(entry.move, 0) * entry.amount for entry in entries if entry.task == task_id)


def set_available(box: Box, now: float, wanted: int) -> None:
    """Grant or withdraw credits so that `wanted` millicredits are available."""
    difference = wanted - box.balance(Account.AVAILABLE)
    if difference > 0:
        box.post(Entry(now, Move.GRANT, difference))
    elif difference < 0:
        box.post(Entry(now, Move.WITHDRAW, -difference))
