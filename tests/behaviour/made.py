"""Observations put together by hand, for rules that are tried without a client."""

from swapmock.client_checks.behaviour.conditions import Condition, corpus
from swapmock.client_checks.behaviour.declaration import Declaration
from swapmock.client_checks.behaviour.judge import judge_case
from swapmock.client_checks.behaviour.model import (
    CallbackAttempt,
    Claim,
    Exchange,
    Meaning,
    Observations,
    Role,
    Run,
    Task,
)
from swapmock.client_checks.behaviour.rule import all_rules

ONE_JOB = Declaration(command=("client",), jobs=1, verdict="claim", deadline=300.0, resume="again")


def condition(name: str) -> Condition:
    return next(one for one in corpus() if one.name == name)


def exchange(number: int, role: Role, meaning: Meaning, **more) -> Exchange:
    at = more.pop("at", float(number))
    given = {
        "number": number,
        "run": 1,
        "at": at,
        "answered": at + 0.1,
        "role": role,
        "operation": role.value,
        "method": "POST" if role in (Role.CREATE, Role.DETECT) else "GET",
        "target": f"/{role.value}",
        "headers": {},
        "body": None,
        "status": 200,
        "answer_headers": {},
        "answer": {},
        "answer_text": "",
        "meaning": meaning,
    }
    return Exchange(**{**given, **more})


def task(name: str, phase: str = "succeeded", charge: float = 3.0, **more) -> Task:
    given = {
        "id": name,
        "operation": "create_task",
        "role": Role.CREATE,
        "model": "image-face-swap",
        "created": 1.0,
        "ends": 7.0,
        "phase": phase,
        "charge": charge,
        "reserved": 3.0,
        "callback_url": None,
        "body": {},
        "business_id": None,
    }
    return Task(**{**given, **more})


def attempt(task: str, status: int | None = 200, **more) -> CallbackAttempt:
    given = {
        "delivery": "d1",
        "number": 1,
        "event": "succeeded",
        "at": 8.0,
        "seconds": 0.1,
        "answer": "",
        "failure": "",
    }
    return CallbackAttempt(**{**given, "task": task, "status": status, "fault": "", "body": {}, **more})


def run(number: int = 1, ended: str = "exit", status: int | None = 0, **more) -> Run:
    return Run(number, 0.0, more.get("finished", 100.0), ended, status, more.get("stdout", ""), more.get("stderr", ""))


def claim(outcome: str, number: int = 1) -> Claim:
    return Claim(outcome, 50.0, number)


def observed(case: str, provider: str = "crun", declaration: Declaration = ONE_JOB, **seen) -> Observations:
    return Observations(case, provider, declaration, condition(case), runs=seen.pop("runs", [run()]), **seen)


def verdict(rule: str, case: Observations) -> str:
    """The verdict of one rule on a case, `not_exercised` where it says nothing."""
    found = judge_case(case, [all_rules()[rule]])
    return found[0].verdict.value if found else "not_exercised"
