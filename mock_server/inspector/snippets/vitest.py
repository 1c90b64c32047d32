"""Writes a plan as a test for Vitest, with the npm package `swapmock`."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from swapmock.mock_server.inspector.snippets.plan import Ending, Given, OfInbox, Plan, Step, in_paragraphs


def vitest_text(plan: Plan) -> str:
    """Return the module. `useSwapmock` starts an emulator, or uses the one at SWAPMOCK_URL."""
    name = plan.name.removeprefix("test_").replace("_", " ")
    head = [
        f"// Repeats {plan.title}, on a frozen clock.",
        'import { expect, test } from "vitest";',
        'import { useSwapmock } from "swapmock/vitest";',
        "",
        f"const swapmock = useSwapmock({{ sandbox: {_text(dict(plan.options))} }});",
        "",
        f"test({_text(name)}, async () => {{",
        "  const sandbox = swapmock.sandbox;",
    ]
    return "\n".join([*head, *(f"  {line}".rstrip() for line in _within(plan)), "});", ""])


def _text(value: Any) -> str:
    """Return a value as TypeScript. JSON is valid TypeScript, except for line separators, which are escaped with
    everything beyond ASCII."""
    if isinstance(value, Given):
        return _given(value)
    if isinstance(value, OfInbox):
        return "inbox"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)}: {_text(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value)


def _given(given: Given) -> str:
    return f"answer{given.step}" + "".join(f"[{json.dumps(step)}]" for step in given.place)


def _within(plan: Plan) -> Iterator[str]:
    if plan.answers:
        yield f"await sandbox.answerCallbacks({_text(list(map(dict, plan.answers)))});"
    if plan.uses_inbox:
        yield "const inbox = (await sandbox.inbox()).url;"
    yield from in_paragraphs(plan, _step, _ending)


def _step(number: int, step: Step, is_used: bool) -> Iterator[str]:
    if step.wait > 0.0:
        yield f"await sandbox.advance({{ by: {round(step.wait, 6)!r} }});"
    for what, argument in step.set_up:
        rest = {name: value for name, value in argument.items() if name not in ("effect", "scenario")}
        if what == "fault":
            yield f"await sandbox.addFault({_text(argument['effect'])}, {_text(rest)});"
        elif what == "queue":
            yield f"await sandbox.queue({_text(argument['scenario'])}, {_text(rest)});"
        else:
            yield f"await sandbox.change({_text(argument)});"
    options = f"method: {_text(step.exchange.method)}, headers: {_headers(step)}{_sent_body(step)}"
    call = f"fetch({_url(step)}, {{ {options} }})"
    if step.exchange.status == 0:
        yield f"await expect({call}).rejects.toThrow();"
        return
    yield f"const response{number} = await {call};"
    yield f"expect(response{number}.status).toBe({step.exchange.status});"
    if is_used or step.has_code:
        yield f"const answer{number} = (await response{number}.json()) as any;"
    if step.has_code:
        yield f'expect(answer{number}["code"]).toBe({_text(step.code)});'


def _sent_body(step: Step) -> str:
    if step.json is not None:
        return f", body: JSON.stringify({_text(step.json)})"
    if step.raw is None:
        return ""
    if step.raw.isascii():
        return f", body: {_text(step.raw.decode())}"
    return f', body: Buffer.from({_text(b64encode(step.raw).decode())}, "base64")'


def _url(step: Step) -> str:
    if step.is_url and isinstance(step.target[0], Given):
        return _given(step.target[0])
    return " + ".join(["sandbox.baseUrl", *map(_text, step.target)])


def _headers(step: Step) -> str:
    headers = dict(step.headers)
    if step.json is not None:
        headers["content-type"] = "application/json"
    own = f"...sandbox.headers({_text(step.exchange.provider)})"
    parts = [own] if step.credential == "own" else []
    parts += [f"{_text(name)}: {_text(value)}" for name, value in headers.items()]
    return "{ " + ", ".join(parts) + " }" if parts else "{}"


def _ending(ending: Ending) -> Iterator[str]:
    if ending.wait > 0.0:
        yield f"await sandbox.advance({{ by: {round(ending.wait, 6)!r} }});"
    yield "const tasks = await sandbox.tasks({ limit: 1000 });"
    if ending.place is None:
        yield "const task = tasks[tasks.length - 1];"
    else:
        yield f"const task = tasks.find((one) => one.id === {_given(Given(ending.step, ending.place))})!;"
    yield f"expect(task.phase).toBe({_text(ending.status)});"
    if ending.attempts is not None and ending.attempts:
        yield "const [delivery] = (await sandbox.deliveries({ task: task.id })) as any[];"
        yield f"expect(delivery.attempts.map((one: any) => one.status)).toEqual({_text(list(ending.attempts))});"
        yield f"expect(delivery.state).toBe({_text(ending.state)});"
