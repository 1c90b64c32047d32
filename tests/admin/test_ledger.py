"""Money: invariants that are proved, grants and refunds. Each provider's charges: `tests/third_provider/test_every_provider.py`."""

import pytest

from swapmock.contracts import load
from tests.control import PICTURE


def moves(box):
    return [(row["move"], row["amount"]) for row in box.ok("GET", "/ledger")["entries"]]


@pytest.mark.parametrize("flag", ["1", "true", ""])
def test_the_proof(box, flag):
    task = box.swapped()
    box.advance(until="idle")
    ledger = box.ok("GET", "/ledger", proof=flag)
    assert ledger["proof"]["holds"] is True
    assert {i["name"]: i["holds"] for i in ledger["proof"]["invariants"]} == {
        "sums_to_zero": True,
        "never_negative": True,
        "one_capture_per_task": True,
    }
    for row in ledger["entries"][1:]:
        assert row["cause"]["request"]["id"] == row["request"] == "x1"
        assert row["cause"]["request"]["operation"] == "create_task"
        assert row["cause"]["task"] == {"id": task, "model": "image-face-swap", "scenario": "fine"}
    assert ledger["entries"][0]["cause"] == {"request": None, "task": None}


def test_without_asking_there_is_no_proof(box):
    assert "proof" not in box.ok("GET", "/ledger")
    assert "proof" not in box.ok("GET", "/ledger", proof=0)
    assert box.pointers("GET", "/ledger", proof="perhaps") == ["/query/proof"]


def test_what_it_would_have_cost_live(box):
    box.swapped()
    box.swapped("https://errors.invalid/fails")
    box.imgopen("tool/face/detection", {"imageUrl": PICTURE, "businessTaskId": "1"})
    box.advance(until="idle")
    cost = box.ok("GET", "/ledger", proof=1)["cost"]
    by_model = {row["model"]: row["credits"] for row in cost["by_model"]}
    assert by_model["image-face-swap"] == 3
    assert cost["credits"] == sum(by_model.values())
    money = load("crun").behaviour.rest["money"]
    assert cost["money"][money["currency"]] == pytest.approx(3 * money["per_credit"])


def test_grant_and_balance(box):
    assert box.ok("POST", "/ledger/grant", {"amount": 0.125})["available"] == 1000.125
    assert box.ok("PATCH", "", {"balance": 7})["balance"]["available"] == 7
    assert moves(box)[1:] == [("grant", 0.125), ("withdraw", 993.125)]
    for body in ({}, {"amount": 0}, {"amount": -1}, {"amount": "1"}, {"amount": 1e15}):
        assert box.pointers("POST", "/ledger/grant", body) == ["/amount"]
    assert box.ok("GET", "/ledger", proof=1)["proof"]["holds"]


def test_refund(box):
    task = box.swapped()
    box.refused(409, "POST", "/ledger/refund", {"task": task})
    box.advance(until="idle")
    assert box.pointers("POST", "/ledger/refund", {"task": task, "amount": 4}) == ["/amount"]
    assert box.ok("POST", "/ledger/refund", {"task": task, "amount": 1}) == {
        "available": 998,
        "reserved": 0,
        "spent": 2,
    }
    assert box.ok("POST", "/ledger/refund", {"task": task}) == {"available": 1000, "reserved": 0, "spent": 0}
    box.refused(409, "POST", "/ledger/refund", {"task": task})
    box.refused(404, "POST", "/ledger/refund", {"task": "nobody"})
    assert box.ok("GET", "/ledger", proof=1)["proof"]["holds"]
    assert moves(box)[-2:] == [("refund", 1), ("refund", 2)]
