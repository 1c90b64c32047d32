"""Double-entry bookkeeping: every movement of credits takes from one account what it gives to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from swapmock.mock_server.core.credits import Millicredits


class Account(StrEnum):
    """The accounts. `vendor` is the world outside and may become negative; the other three never do."""

    VENDOR = "vendor"
    AVAILABLE = "available"
    RESERVED = "reserved"
    SPENT = "spent"


class Move(StrEnum):
    """The kinds of movement of credits."""

    GRANT = "grant"
    RESERVE = "reserve"
    SETTLE = "settle"
    RELEASE = "release"
    REFUND = "refund"
    WITHDRAW = "withdraw"


#: The account that a move takes from, and the one that it gives to.
ROUTES: Mapping[Move, tuple[Account, Account]] = {
    Move.GRANT: (Account.VENDOR, Account.AVAILABLE),
    Move.RESERVE: (Account.AVAILABLE, Account.RESERVED),
    Move.SETTLE: (Account.RESERVED, Account.SPENT),
    Move.RELEASE: (Account.RESERVED, Account.AVAILABLE),
    Move.REFUND: (Account.SPENT, Account.AVAILABLE),
    Move.WITHDRAW: (Account.AVAILABLE, Account.VENDOR),
}


class Entry(NamedTuple):
    """`amount` was moved at `at` (sandbox time) because of `task` and the exchange `cause`; either may be empty."""

    at: float
    move: Move
    amount: Millicredits
    task: str = ""
    cause: str = ""


class NotCovered(Exception):
    """The account that a move takes from has less than the amount."""

    def __init__(self, available: Millicredits, wanted: Millicredits) -> None:
        super().__init__(f"{available} available, {wanted} wanted")
        self.available = available
        self.wanted = wanted


def apply(balances: dict[Account, Millicredits], entry: Entry) -> None:
    """Post `entry` to `balances`. Raises NotCovered and leaves them unchanged if the account does not cover it."""
    source, target = ROUTES[entry.move]
    held, amount = balances.get(source, 0), entry.amount
    if held < amount and source is not Account.VENDOR:
        raise NotCovered(held, amount)
    balances[source] = held - amount
    balances[target] = balances.get(target, 0) + amount


@dataclass(frozen=True, slots=True)
class Invariant:
    """One property of a ledger, and whether it holds."""

    name: str
    holds: bool
    detail: str = ""


def prove(
    entries: Iterable[Entry], finished: Iterable[str], held: Mapping[Account, Millicredits] | None = None
) -> tuple[Invariant, ...]:
    """Check what must be true of a whole ledger.

    `finished` names the priced tasks that have ended. `held` has the balances that are stored beside the entries
    (None: those computed from the entries).

    The accounts sum to zero and match the entries. No account except the vendor's is ever negative. The credits
    of each finished task were reserved once, and the reservation was used up once (settled and released to the
    last thousandth). Those of an unfinished task were not used up."""
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
    over = dict.fromkeys(finished)  # in a fixed order, so that the detail is always the same
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
