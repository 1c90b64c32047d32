"""Money: whole thousandths, double entry, and the proof that a ledger balances."""

import random

import pytest

from swapmock.mock_server.core.credits import from_credits, rounded_up, to_credits
from swapmock.mock_server.core.ledger import ROUTES, Account, Entry, Move, NotCovered, apply, prove


@pytest.mark.parametrize(
    ("credits", "thousandths"),
    [(1, 1000), (1.5, 1500), (137.96, 137_960), (0.1 + 0.2, 300), ("2.0005", 2001), (0, 0), (1e12, 10**15)],
)
def test_credits_are_kept_as_whole_thousandths(credits, thousandths):
    assert from_credits(credits) == thousandths


def test_whole_amounts_are_shown_as_integers():
    assert repr(to_credits(3000)) == "3"
    assert repr(to_credits(1500)) == "1.5"
    assert repr(to_credits(0)) == "0"
    assert repr(to_credits(137_960)) == "137.96"
    assert [rounded_up(amount) for amount in (0, 1, 1000, 1001)] == [0, 1000, 1000, 2000]


@pytest.mark.parametrize("move", Move)
def test_a_move_gives_one_account_what_it_takes_from_another(move):
    source, target = ROUTES[move]
    balances = {source: 500}
    apply(balances, Entry(0.0, move, 200))
    assert balances == {source: 300, target: 200}


@pytest.mark.parametrize("move", [move for move in Move if move is not Move.GRANT])
def test_what_is_not_there_cannot_be_moved(move):
    balances = {ROUTES[move][0]: 199}
    with pytest.raises(NotCovered) as short:
        apply(balances, Entry(0.0, move, 200))
    assert (short.value.available, short.value.wanted) == (199, 200)
    assert balances == {ROUTES[move][0]: 199}


def test_only_the_vendor_may_be_overdrawn():
    balances: dict[Account, int] = {}
    apply(balances, Entry(0.0, Move.GRANT, 200))
    assert balances == {Account.VENDOR: -200, Account.AVAILABLE: 200}


def holds(entries, finished=()):
    return {invariant.name: invariant.holds for invariant in prove(entries, finished)}


GRANT = Entry(0.0, Move.GRANT, 10_000)
RESERVED = Entry(1.0, Move.RESERVE, 3000, "t")


def test_a_ledger_that_balances():
    entries = [GRANT, RESERVED, Entry(2.0, Move.SETTLE, 2000, "t"), Entry(2.0, Move.RELEASE, 1000, "t")]
    assert all(holds(entries, ["t"]).values())
    assert all(holds([GRANT, RESERVED]).values())
    assert all(holds([]).values())


@pytest.mark.parametrize(
    ("entries", "finished", "broken"),
    [
        ([RESERVED], [], "never_negative"),
        ([GRANT, RESERVED], ["t"], "one_capture_per_task"),
        ([GRANT, RESERVED, Entry(2.0, Move.SETTLE, 3000, "t")], [], "one_capture_per_task"),
        ([GRANT, RESERVED, Entry(2.0, Move.SETTLE, 1000, "t")], ["t"], "one_capture_per_task"),
        ([GRANT, RESERVED, RESERVED, Entry(2.0, Move.SETTLE, 3000, "t")], ["t"], "one_capture_per_task"),
        ([GRANT, RESERVED, *[Entry(2.0, Move.SETTLE, 1500, "t")] * 2], ["t"], "one_capture_per_task"),
        ([GRANT, Entry(2.0, Move.SETTLE, 1000, "t")], ["t"], "never_negative"),
        ([GRANT, RESERVED, Entry(2.0, Move.SETTLE, 3001, "t")], ["t"], "one_capture_per_task"),
    ],
)
def test_a_ledger_that_does_not(entries, finished, broken):
    assert holds(entries, finished)[broken] is False


SETTLED, RELEASED = Entry(2.0, Move.SETTLE, 2000, "t"), Entry(2.0, Move.RELEASE, 1000, "t")
WHOLE = [GRANT, RESERVED, SETTLED, RELEASED]
HELD = {Account.VENDOR: -10_000, Account.AVAILABLE: 8000, Account.SPENT: 2000, Account.RESERVED: 0}


@pytest.mark.parametrize(
    ("entries", "finished", "held", "name", "detail"),
    [
        (WHOLE, ["t"], HELD | {Account.SPENT: 2001}, "sums_to_zero", "sum 1; spent is not what its entries say"),
        (
            WHOLE,
            ["t"],
            HELD | {Account.SPENT: 1999, Account.AVAILABLE: 8001},
            "sums_to_zero",
            "sum 0; available is not what its entries say; spent is not what its entries say",
        ),
        (WHOLE, ["t"], HELD | {Account.SPENT: 1999}, "sums_to_zero", "sum -1; spent is not what its entries say"),
        ([RESERVED], [], None, "never_negative", "reserve of 3000 at 1.0: 0 available, 3000 wanted"),
        (
            [GRANT, SETTLED, Entry(9.0, Move.REFUND, 1, "t")],
            [],
            None,
            "never_negative",
            "settle of 2000 at 2.0: 0 available, 2000 wanted",
        ),
        ([GRANT], ["t"], None, "one_capture_per_task", "t was reserved 0 times"),
        ([GRANT, RESERVED, RESERVED], [], None, "one_capture_per_task", "t was reserved 2 times"),
        ([GRANT, RESERVED, RELEASED], [], None, "one_capture_per_task", "t was captured before its end"),
        ([*WHOLE, GRANT, Entry(3.0, Move.RESERVE, 2, "u"), Entry(3.0, Move.RELEASE, 1, "u"), Entry(3.0, Move.RELEASE, 1, "u")],
         ["t", "u"], None, "one_capture_per_task", "u was captured more than once"),
        ([GRANT, RESERVED, *[Entry(2.0, Move.SETTLE, 1500, "t")] * 2], ["t"], None, "one_capture_per_task",
         "t was captured more than once"),
        ([GRANT, RESERVED, SETTLED], ["t"], None, "one_capture_per_task", "t reserved 3000, captured 2000"),
        ([GRANT, RESERVED], ["t"], None, "one_capture_per_task", "t reserved 3000, captured 0"),
        ([GRANT, RESERVED], ["t", "a", "b", "c", "d", "e"], None, "one_capture_per_task",
         "t reserved 3000, captured 0; " + "; ".join(f"{name} was reserved 0 times" for name in "abcd")),
    ],
)  # fmt: skip
def test_each_invariant_is_broken_by_something(entries, finished, held, name, detail):
    found = {invariant.name: invariant for invariant in prove(entries, finished, held)}
    assert (found[name].holds, found[name].detail) == (False, detail)
    assert set(found) == {"sums_to_zero", "never_negative", "one_capture_per_task"}


def test_a_proof_of_what_is_right():
    found = {(each.name, each.holds, each.detail) for each in prove(WHOLE, ["t"], HELD)}
    assert found == {
        ("sums_to_zero", True, "sum 0"),
        ("never_negative", True, ""),
        ("one_capture_per_task", True, ""),
    }


def test_no_order_of_moves_makes_or_loses_money():
    dice = random.Random(7)
    balances: dict[Account, int] = {}
    for _ in range(5000):
        entry = Entry(0.0, dice.choice(list(Move)), dice.randrange(1, 5000))
        before = dict(balances)
        try:
            apply(balances, entry)
        except NotCovered:
            assert balances == before
        assert sum(balances.values()) == 0
        assert all(amount >= 0 for account, amount in balances.items() if account is not Account.VENDOR)
    assert balances[Account.SPENT] > 0
