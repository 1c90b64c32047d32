"""Double entry: every movement of credits takes from one account what it gives to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from swapmock.mock_server.core.credits import Millicredits


class Account(StrEnum):
    """`vendor` is the world outside and goes negative; the other three never do."""

    VENDOR = "vendor"
    AVAILABLE = "available"
    RESERVED = "reserved"
    SPENT = "spent"


class Move(StrEnum):
    GRANT = "grant"
    RESERVE = "reserve"
    SETTLE = "settle"
    RELEASE = "release"
    REFUND = "refund"
    WITHDRAW = "withdraw"


#: From which account a move takes, and to which it gives.
ROUTES: Mapping[Move, tuple[Account, Account]] = {
    Move.GRANT: (Account.VENDOR, Account.AVAILABLE),
    Move.RESERVE: (Account.AVAILABLE, Account.RESERVED),
    Move.SETTLE: (Account.RESERVED, Account.SPENT),
    Move.RELEASE: (Account.RESERVED, Account.AVAILABLE),
    Move.REFUND: (Account.SPENT, Account.AVAILABLE),
    Move.WITHDRAW: (Account.AVAILABLE, Account.VENDOR),
}


class Entry(NamedTuple):
    """`amount` moved at `at` (sandbox time) because of `task` and the exchange `cause`; either may be empty."""

    at: float
    move: Move
    amount: Millicredits
    task: str = ""
    cause: str = ""


class NotCovered(Exception):
    """The account that a move takes from holds less than the amount."""

    def __init__(self, available: Millicredits, wanted: Millicredits) -> None:
        super().__init__(f"{available} available, {wanted} wanted")
        self.available = available
        self.wanted = wanted


def apply(balances: dict[Account, Millicredits], entry: Entry) -> None:
    """Post `entry` to `balances`, or raise NotCovered and leave them as they are."""
    source, target = ROUTES[entry.move]
    held, amount = balances.get(source, 0), entry.amount
    if held < amount and source is not Account.VENDOR:
        raise NotCovered(held, amount)
    balances[source] = held - amount
    balances[target] = balances.get(target, 0) + amount


@dataclass(frozen=True, slots=True)
class Invariant:
    name: str
    holds: bool
    detail: str = ""


def prove(
    entries: Iterable[Entry], finished: Iterable[str], held: Mapping[Account, Millicredits] | None = None
) -> tuple[Invariant, ...]:
    """What must be true of a whole ledger. `finished` names the priced tasks that are over, `held` has the balances that
    are kept beside the entries (None: those that follow from the entries).

    The accounts sum to zero, and hold what the entries say. No account but the vendor's is ever negative. Each finished
    task was reserved once and its reservation captured once (settled and released to the last thousandth), no unfinished
    one was.
    """
    balances: dict[Account, Millicredits] = {}
    overdrawn = ""
    reserved: dict[str, list[Millicredits]] = {}
    captured: dict[str, list[tuple[Move, Millicredits]]] = {}
    for entry in entries:
        try:
            apply(balances, entry)
        except NotCovered as problem:
            overdrawn = overdrawn or f"{entry.move} of {entry.amount} at {entry.at}: {problem}"
        if entry.move is Move.RESERVE:
            reserved.setdefault(entry.task, []).append(entry.amount)
        elif entry.move in (Move.SETTLE, Move.RELEASE):
            captured.setdefault(entry.task, []).append((entry.move, entry.amount))
    over = dict.fromkeys(finished)  # in their order, so that the detail is the same every time
    faults = [_capture_fault(task, reserved.get(task, []), captured.get(task, []), task in over) for task in
              dict.fromkeys((*reserved, *captured, *over))]  # fmt: skip
    wrong = [fault for fault in faults if fault]
    return (
        _sum_invariant(balances, balances if held is None else held),
        Invariant("never_negative", not overdrawn, overdrawn),
        Invariant("one_capture_per_task", not wrong, "; ".join(wrong[:5])),
    )


def _sum_invariant(balances: Mapping[Account, Millicredits], held: Mapping[Account, Millicredits]) -> Invariant:
    total = sum(held.values())
    wrong = [account.value for account in Account if held.get(account, 0) != balances.get(account, 0)]
    detail = f"sum {total}" + "".join(f"; {name} is not what its entries say" for name in wrong)
    return Invariant("sums_to_zero", total == 0 and not wrong, detail)


def _capture_fault(
    task: str, reserved: list[Millicredits], captured: list[tuple[Move, Millicredits]], over: bool
) -> str:
    moves = [move for move, _ in captured]
    if len(reserved) != 1:
        return f"{task} was reserved {len(reserved)} times"
    if not over:
        return f"{task} was captured before its end" if captured else ""
    if moves.count(Move.SETTLE) > 1 or moves.count(Move.RELEASE) > 1:
        return f"{task} was captured more than once"
    total = sum(amount for _, amount in captured)
    return "" if total == reserved[0] else f"{task} reserved {reserved[0]}, captured {total}"
