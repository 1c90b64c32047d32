"""Writes a plan as a test for pytest."""

from __future__ import annotations

from collections.abc import Iterator
from pprint import pformat
from typing import Any

from swapmock.mock_server.inspector.snippets.plan import Ending, Given, OfInbox, Plan, Step, in_paragraphs

#: The widest line of values, in characters.
WIDTH = 96


class Code(str):
    """Code that is written unquoted in place of a value."""

    def __repr__(self) -> str:
        return str(self)


def pytest_text(plan: Plan) -> str:
    """Return the module. It starts its own emulator and needs `swapmock`, `requests` and `pytest`."""
    body = list(_body(plan))
    uses_pytest = any("pytest." in line for line in body)
    head = [f'"""Repeats {plan.title}, on a frozen clock."""', ""]
    head += ["import pytest"] if uses_pytest else []
    head += ["import requests", "", "from swapmock import Emulator", "", ""]
    return "\n".join([*head, f"def {plan.name}():", *(f"    {line}".rstrip() for line in body), ""])


def _body(plan: Plan) -> Iterator[str]:
    yield from _assigned("options", plan.options)
    yield "with Emulator() as emulator, emulator.sandbox(**options) as sandbox:"
    yield from (f"    {line}" for line in _within(plan))


def _within(plan: Plan) -> Iterator[str]:
    if plan.answers:
        yield from _assigned("receiver", list(map(dict, plan.answers)))
        yield "sandbox.answer_callbacks(*receiver)"
    if plan.uses_inbox:
        yield 'inbox = sandbox.inbox()["url"]'
    yield from in_paragraphs(plan, _step, _ending)


def _assigned(name: str, value: Any) -> Iterator[str]:
    text = pformat(value, width=WIDTH - len(name) - 3, sort_dicts=False)
    first, *more = text.split("\n")
    yield f"{name} = {first}"
    yield from (" " * (len(name) + 3) + line for line in more)


def _step(number: int, step: Step, is_used: bool) -> Iterator[str]:
    if step.wait > 0.0:
        yield f"sandbox.advance({round(step.wait, 6)!r})"
    for what, argument in step.set_up:
        if what == "fault":
            rest = {name: value for name, value in argument.items() if name != "effect"}
            yield from _assigned("effect", argument["effect"])
            yield "sandbox.add_fault(effect, " + ", ".join(f"{name}={value!r}" for name, value in rest.items()) + ")"
        elif what == "queue":
            rest = {name: value for name, value in argument.items() if name != "scenario"}
            yield f"sandbox.queue({argument['scenario']!r}" + "".join(f", {n}={v!r}" for n, v in rest.items()) + ")"
        else:
            yield "sandbox.change(" + ", ".join(f"{name}={value!r}" for name, value in argument.items()) + ")"
    yield f"url = {_url(step)}"
    yield f"headers = {_headers(step)}"
    more = ""
    if step.json is not None:
        yield from _assigned("body", _filled(step.json))
        more = ", json=body"
    elif step.raw is not None:
        yield from _assigned("body", step.raw)
        more = ", data=body"
    sent = f"requests.request({step.exchange.method!r}, url, headers=headers{more}, timeout=30)"
    if step.exchange.status == 0:
        yield "with pytest.raises(requests.ConnectionError):"
        yield f"    {sent}"
        return
    yield f"answer = {sent}"
    yield f"assert answer.status_code == {step.exchange.status}, answer.content[:500]"
    if is_used:
        yield f"answer_{number} = answer.json()"
    if step.has_code:
        yield f'assert answer.json()["code"] == {step.code!r}'


def _url(step: Step) -> str:
    if step.is_url and isinstance(step.target[0], Given):
        return _given(step.target[0])
    if not any(isinstance(part, Given) for part in step.target):
        return f"sandbox.base_url + {''.join(map(str, step.target))!r}"
    return " + ".join(["sandbox.base_url", *(_given(p) if isinstance(p, Given) else repr(p) for p in step.target)])


def _given(given: Given) -> str:
    return f"answer_{given.step}" + "".join(f"[{step!r}]" for step in given.place)


def _headers(step: Step) -> str:
    if step.credential != "own":
        return repr(dict(step.headers))
    own = f"sandbox.headers({step.exchange.provider!r})"
    return f"{{**{own}, **{dict(step.headers)!r}}}" if step.headers else own


def _filled(value: Any) -> Any:
    if isinstance(value, Given):
        return Code(_given(value))
    if isinstance(value, OfInbox):
        return Code("inbox")
    if isinstance(value, dict):
        return {name: _filled(item) for name, item in value.items()}
    return [_filled(item) for item in value] if isinstance(value, list) else value


def _ending(ending: Ending) -> Iterator[str]:
    if ending.wait > 0.0:
        yield f"sandbox.advance({round(ending.wait, 6)!r})"
    if ending.place is None:
        yield "task = sandbox.tasks(limit=1000)[-1]"
    else:
        yield f"task = sandbox.task({_given(Given(ending.step, ending.place))})"
    yield f'assert task["phase"] == {ending.status!r}'
    if ending.attempts is not None and ending.attempts:
        yield '(delivery, *_) = sandbox.deliveries(task=task["id"])'
        yield f'assert [attempt["status"] for attempt in delivery["attempts"]] == {list(ending.attempts)!r}'
        yield f'assert delivery["state"] == {ending.state!r}'
