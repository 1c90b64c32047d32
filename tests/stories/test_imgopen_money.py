"""Credits: reserved with the submission, charged or returned at the end."""

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.ledger import Account
from tests.stories.imgopen_jobs import job

TOOLS = {row["operation"]: row for row in load("imgopen").tables["tools"]["tools"]}


def books(system):
    """Credits that are available, reserved and spent on the default account, once all due work is done."""
    with system.engine.store.open("default") as box:
        system.engine.catch_up(box, system.engine.now(box))
        return tuple(box.balance(account) / 1000 for account in (Account.AVAILABLE, Account.RESERVED, Account.SPENT))


@pytest.mark.parametrize("operation", TOOLS)
def test_a_price_is_reserved_and_settled(imgopen, system, time, operation):
    path, body = job(operation)
    price = TOOLS[operation]["price"] * (2 if operation == "img_expand" else 1)
    imgopen.data(path, body)
    if TOOLS[operation]["mode"] in ("sync", "detection_mode", "flux_mode"):
        assert books(system) == (1000 - price, 0, price)
    else:
        assert books(system) == (1000 - price, price, 0)
    time.advance(1000)
    assert books(system) == (1000 - price, 0, price)


@pytest.mark.parametrize("operation", ["face_detection", "face_fusion", "sd_text2image"])
@pytest.mark.parametrize(("name", "cost"), [("fails", 0), ("moderated", 0), ("fails_charged", 1)])
def test_a_failure_costs_nothing_unless_it_says_so(imgopen, system, time, operation, name, cost):
    imgopen.call(*job(operation, url=f"https://errors.invalid/{name}"))
    time.advance(1000)
    spent = TOOLS[operation]["price"] * cost
    assert books(system) == (1000 - spent, 0, spent)


def test_every_picture_costs(imgopen, system):
    path, body = job("sd_text2image")
    imgopen.data(path, {**body, "n_iter": 2, "batch_size": 4})
    assert books(system) == (992, 8, 0)


def test_a_refusal_costs_nothing(imgopen, system):
    imgopen.refused(*job("face_fusion", url="https://errors.invalid/429"))
    imgopen.refused("tool/face/fusion", {})
    assert books(system) == (1000, 0, 0)


@pytest.mark.parametrize("settings", [{"balance": 3}], indirect=True)
def test_what_is_not_covered_is_not_made(imgopen, system):
    imgopen.data(*job("face_fusion", own_id="first"))
    assert imgopen.refused(*job("face_fusion", own_id="second"))["code"] == "402"
    assert imgopen.refused("tool/face/fusion/queryTask", {"businessTaskId": "second"})["code"] == "404"
    assert books(system) == (1, 2, 0)


@pytest.mark.parametrize("settings", [{"variants": {"imgopen": {"repeated_id": "same_task"}}}], indirect=True)
def test_the_same_task_costs_once(imgopen, system):
    for _ in range(3):
        imgopen.data(*job("face_fusion"))
    assert books(system) == (998, 2, 0)
