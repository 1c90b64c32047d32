"""Limits hold against any server: whatever it answers, no more is spent than allowed, and a report says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swapmock.client_checks.clock import ManualClock
from swapmock.client_checks.conformance.budget import Budget, LeftOut, Spending, amount
from swapmock.client_checks.conformance.command import check_target
from swapmock.client_checks.conformance.profile import profile
from swapmock.client_checks.conformance.sender import Sender, _seconds
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.contracts import load
from tests.broken_servers import Ask, Reply
from tests.conformance.test_live import CREATE, ENVIRONMENT, checked, command, standing_in

HUGE = 10**400

Answer = Callable[[Ask, Reply, dict[str, Any]], Reply]


def estimating(price: Any) -> Answer:
    """A service whose estimate says `price`, written as it is."""

    def answer(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation != "estimate_credits" or not reply.is_success:
            return reply
        return reply.with_data(credits=price)

    return answer


def balanced(balance: Any) -> Answer:
    """A service whose balance says `balance`, or what a function makes of the true one."""

    def answer(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation != "get_account_balance" or not reply.is_success:
            return reply
        return reply.with_data(balance=balance(reply.json["data"]["balance"]) if callable(balance) else balance)

    return answer


def free_of_charge(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    """Estimates nothing, and its balance never moves, while its tasks say what they cost."""
    return balanced(1000.0)(ask, estimating(0)(ask, reply, memory), memory)


LIARS: dict[str, Answer] = {
    "estimate NaN": estimating(float("nan")),
    "estimate infinite": estimating(float("inf")),
    "estimate 0": estimating(0),
    "estimate -1000": estimating(-1000),
    "estimate of 400 digits": estimating(HUGE),
    "estimate true": estimating(True),
    "estimate as text": estimating("3"),
    "balance NaN": balanced(float("nan")),
    "balance of 400 digits": balanced(HUGE),
    "balance negative": balanced(-5),
    "balance null": balanced(None),
    "balance as text": balanced(str),
    "balance stands still": balanced(1000.0),
    "balance rises": balanced(lambda true: 2000.0 - true),
    "all for nothing": free_of_charge,
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if number % 3 else name for number, name in enumerate(LIARS)]
)
def test_no_liar_makes_a_run_spend_more(name: str) -> None:
    with standing_in(LIARS[name]) as service:
        result = checked(service, max_credits=7.0)
        assert service.spent <= 7.0
    assert service.spent <= result.spent <= 7.0
    assert result.exit_code != 0
    assert not result.aborted


@pytest.mark.parametrize("name", ["balance NaN", "balance stands still", "all for nothing"])
def test_a_balance_that_says_nothing_ends_the_spending(name: str) -> None:
    with standing_in(LIARS[name]) as service:
        result = checked(service, max_credits=1000.0)
        bought = service.paths().count(CREATE)
    assert bought <= 3
    assert any("nothing more is spent" in why for why in result.left_out.values())


@pytest.mark.parametrize(
    "name",
    ["estimate -1000", "estimate of 400 digits", "balance negative", "balance of 400 digits", "estimate as text"],
)
def test_what_is_no_amount_is_a_finding(name: str) -> None:
    with standing_in(LIARS[name]) as service:
        result = checked(service, max_credits=7.0)
    assert "credits.amount" in {finding.id for finding in result.failing}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), (1.5, 1.5), (0, 0.0), (-1, None), (True, None), ("3", None), (None, None), (HUGE, None), ([3], None),
     (float("nan"), None), (float("inf"), None), (1e13, None)],
)  # fmt: skip
def test_amounts(value: Any, expected: float | None) -> None:
    assert amount(value) == expected


def test_a_charge_is_the_largest_of_what_is_known() -> None:
    spending = Spending()
    spending.saw_balance(100.0)
    spending.charge(1, 3.0)
    assert spending.total == 3.0
    spending.task_says(1, 5.0)
    assert spending.total == 5.0
    spending.saw_balance(88.0)
    spending.saw_balance(200.0)
    assert spending.total == 12.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_budget_refuses_what_is_no_number(value: float) -> None:
    with pytest.raises(LeftOut):
        Budget(10, 10.0).need_credits(value)


@pytest.mark.parametrize(
    ("told", "seconds"), [("17", 17.0), ("²", 10.0), ("-3", 10.0), ("soon", 10.0), ("9" * 400, 10.0), ("Thu, 01 Jan 1970 00:01:00 GMT", 55.0)]
)  # fmt: skip
def test_retry_after_is_read_with_care(told: str, seconds: float) -> None:
    assert _seconds(told, 5.0) == seconds


# --- fail closed


@pytest.mark.parametrize("provider", ["crun", "imgopen"])
def test_what_is_not_declared_free_may_cost(provider: str) -> None:
    """Without its row of costs, an operation still may cost: only a declaration makes it free."""
    contract, facts = load(provider), profile(provider)
    bare = replace(facts, estimates={})
    sent: list[str] = []
    with standing_in() as service:
        from swapmock.client_checks.conformance.target import Target

        target = Target(contract, bare, service.url, {}, True, False, contract.behaviour.defaults)
        sender = Sender(target, Budget(100, 0.0), ManualClock(), read_only=True)
        for operation in contract.operations.values():
            try:
                sender.send(operation.method, sender.url(operation.path), [], b"{}")
                sent.append(operation.id)
            except LeftOut:
                pass
        sender.close()
    assert set(sent) == {
        name for name, operation in contract.operations.items() if operation.spec.get("x-cost") == "free"
    }
    assert {"create_task", "submit_training"} & contract.operations.keys()


def test_training_is_not_sent_read_only() -> None:
    environment = {
        "IMGOPEN_ACCESS_KEY_ID": "openapi-swapmock00000000",
        "IMGOPEN_ACCESS_KEY_SECRET": "secretswapmock000000000000000000",
    }
    limits = {
        "provider": "imgopen",
        "max_credits": 0.0,
        "max_calls": 500,
        "read_only": True,
        "live": True,
        "max_examples": 2,
    }
    with standing_in() as service:
        (result,) = check_target(service.url, limits, environment, clock=ManualClock())
        assert not [path for path in service.paths() if "training" in path.lower()]
    assert result.spent == 0


# --- whatever happens ends in a report


def test_a_mistake_of_ours_still_makes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("swapmock.client_checks.conformance.polling._check_money", broken)
    report = tmp_path / "deep" / "report.json"
    with standing_in() as service:
        result = command(service, "--max-credits", "10", "--max-calls", "200", "--yes", "--json", str(report))
    (target,) = json.loads(report.read_text("utf-8"))["targets"]
    assert result.exit_code == 2
    assert "out of luck" in target["aborted"]
    assert target["spent"] == 3
    assert target["calls"] > 10
    assert "run.aborted" in result.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_tells_what_it_spent(tmp_path: Path, number: int) -> None:
    report = tmp_path / "report.json"
    with standing_in() as service:
        arguments = [
            sys.executable, "-m", "swapmock", "check", service.url, "--provider", "crun", "--max-credits", "100", "--max-calls", "5000",
            "--yes", "--rate", "100", "--poll-interval", "0.1", "--json", str(report),
        ]  # fmt: skip
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": "", **ENVIRONMENT}
        ) as run:
            assert run.stdout is not None
            lines = []
            for line in run.stdout:
                lines.append(line)
                if "image multi" in line and "so far" in line:
                    run.send_signal(number)
                    break
            lines += run.stdout.readlines()
    assert run.returncode == 2, lines
    (target,) = json.loads(report.read_text("utf-8"))["targets"]
    assert target["spent"] >= 3
    assert "interrupted" in target["aborted"]
    assert "not finished" in "".join(lines)


@pytest.mark.parametrize("option", ["--json", "--junit", "--html", "--har", "--ctrf"])
def test_a_report_that_cannot_be_written_is_told_before_the_first_call(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("")
    with standing_in() as service:
        result = command(
            service, "--max-credits", "10", "--max-calls", "20", "--yes", option, str(tmp_path / "file" / "r")
        )
        assert service.asked == []
    assert result.exit_code == 2
    assert "cannot write" in result.output


def test_the_plan_says_what_the_limits_leave_out() -> None:
    with standing_in() as service:
        result = command(service, "--max-credits", "7", "--max-calls", "500", given="n\n")
    assert "will be left out under the limits: flow video single" in " ".join(result.output.split())


def test_progress_is_told_line_by_line_in_a_pipe() -> None:
    with standing_in() as service:
        result = command(service, "--max-credits", "3", "--max-calls", "80", "--yes", "--parts", "flows")
    lines = [line for line in result.output.splitlines() if "so far" in line]
    assert any("image single" in line for line in lines)
    assert any("3 credits so far" in line for line in lines)


def test_a_run_that_a_limit_cut_off_is_not_clean() -> None:
    with standing_in() as service:
        cut = checked(service, max_calls=30)
        allowed = checked(service, max_calls=30, allow_partial=("flow *", "refusal *"))
    assert cut.exit_code == 1
    assert "run.partial" in {finding.id for finding in cut.failing}
    assert allowed.exit_code == 0, list(allowed.failing)


def test_nothing_is_checked_for_an_operation_that_does_not_exist() -> None:
    with pytest.raises(CannotRun, match="did you mean list_models"):
        check_target("emulator", {"provider": "crun", "operations": ("list_model",)}, {})


def test_a_read_only_run_accuses_nothing_that_was_left_out() -> None:
    with standing_in() as service:
        result = checked(service, read_only=True, max_credits=0.0, strict=True)
    assert [(finding.id, finding.operation) for finding in result.failing] == []


def test_a_refusal_alone_can_be_clean() -> None:
    (result,) = check_target(
        "emulator", {"provider": "crun", "parts": ("flows",), "flows": ("refusal key unknown",)}, {}
    )
    assert result.exit_code == 0
    assert result.completed == ["refusal key unknown"]
