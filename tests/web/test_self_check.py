"""Every answer is checked against the contract; the same bytes once."""

import pytest

from swapmock.contracts import Operation, Violation
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web import finalize
from swapmock.mock_server.web.build import build


@pytest.fixture
def checked(monkeypatch):
    """Which operations' answers were checked."""
    seen = []
    whole = Operation.check_answer

    def check(operation, status, body):
        seen.append(operation.id)
        return whole(operation, status, body)

    monkeypatch.setattr(Operation, "check_answer", check)
    return seen


def test_the_same_answer_is_checked_once(crun, checked):
    found = crun.detect("https://faces.invalid/2.png")
    crun.time.advance(10)
    first = crun.detection(found)
    assert [crun.detection(found) for _ in range(3)] == [first] * 3
    assert checked.count("get_detect_face_result") == 1


def test_another_one_is_checked_again(crun, checked):
    for _ in range(2):
        crun.detection(crun.detect("https://faces.invalid/2.png"))
    assert checked.count("detect_face_image") == 2
    assert checked.count("get_detect_face_result") == 2


def test_what_breaks_the_contract_is_reported_each_time(time, monkeypatch):
    monkeypatch.setattr(Operation, "check_answer", lambda *_: (Violation(("response",), "type"),))
    drifted: list[Exchange] = []
    app = build(Settings(), time, drifted.append).app.test_client()
    for _ in range(3):
        app.get("/api/v1/client/account/balance", headers={"x-api-key": "ak_swapmock000000000000000000000000"})
    assert [exchange.operation for exchange in drifted] == ["get_account_balance"] * 3


def test_what_is_remembered_is_bounded(system, crun, monkeypatch):
    monkeypatch.setattr(finalize, "MOST_PROVEN", 5)
    for _ in range(20):
        crun.detection(crun.detect("https://faces.invalid/1.png"))
        assert len(system.pipeline.finalizer._proven) <= 5
