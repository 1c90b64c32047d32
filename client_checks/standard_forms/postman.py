"""A Postman collection (schema 2.1): a folder for each flow, with tests in every request."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from swapmock.client_checks.standard_forms.requests import MOST, Flow, Request, Source, with_names

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def document(source: Source, base_url: str) -> dict[str, Any]:
    """Return the collection. `base_url` is the value of its variable baseUrl."""
    about = source.contract.document["info"]
    values = {name: "" if source.is_live else value for name, value in source.inputs().items()}
    return {
        "info": {
            "name": f"Flows of the {about['title']}",
            "description": "Made by swapmock from the contract. Polls are repeated until the task has ended.",
            "schema": SCHEMA,
        },
        "item": [_folder(flow) for flow in source.flows() if flow.requests],
        "variable": [{"key": name, "value": value} for name, value in {"baseUrl": base_url, **values}.items()],
    }


def _folder(flow: Flow) -> dict[str, Any]:
    items = [_item(flow, number, request) for number, request in enumerate(flow.requests, 1)]
    description = " ".join((flow.about.capitalize() + ".", *dict.fromkeys(flow.notes)))
    return {"name": flow.name, "description": description, "item": items}


def title(flow: Flow, number: int, request: Request) -> str:
    """Return the name of a request. It is unique, so that a repeated request can name itself as the next one."""
    return f"{flow.name} {number}: {request.title}"


def url(request: Request, variable: str = "{{baseUrl}}") -> str:
    """Return the request's URL with `{{name}}` for each variable. `variable` replaces the base URL."""
    path = request.operation.path
    for name, value in request.path.items():
        path = path.replace(f"{{{name}}}", quote(str(value), safe="/$"))
    query = "&".join(f"{name}={quote(str(value), safe='/$')}" for name, value in request.query.items())
    return str(with_names(variable + path + (f"?{query}" if query else ""), lambda name: f"{{{{{name}}}}}"))


def body(request: Request) -> str | None:
    """Return the request's body as text with `{{name}}` for each variable; None without a body."""
    if request.body is not None:
        return json.dumps(with_names(request.body, lambda name: f"{{{{{name}}}}}"), indent=2, ensure_ascii=False)
    return request.content


def headers(request: Request) -> dict[str, str]:
    """Return the request's headers with `{{name}}` for each variable."""
    found = {name: str(with_names(value, lambda key: f"{{{{{key}}}}}")) for name, value in request.headers.items()}
    return {**found, "Content-Type": "application/json"} if body(request) is not None else found


def _item(flow: Flow, number: int, request: Request) -> dict[str, Any]:
    name, text = title(flow, number, request), body(request)
    asked: dict[str, Any] = {
        "method": request.operation.method,
        "url": url(request),
        "header": [{"key": key, "value": value} for key, value in headers(request).items()],
    }
    if text is not None:
        asked["body"] = {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    events = [_event("test", _tests(name, request))]
    if number == 1:
        events.insert(
            0, _event("prerequest", ['pm.collectionVariables.set("unique", pm.variables.replaceIn("{{$guid}}"));'])
        )
    return {"name": name, "event": events, "request": asked}


def _event(kind: str, lines: list[str]) -> dict[str, Any]:
    return {"listen": kind, "script": {"type": "text/javascript", "exec": lines}}


def _tests(name: str, request: Request) -> list[str]:
    envelope = request.operation.contract.behaviour.envelope
    lines = ["const body = pm.response.json();", *(_repeating(name, request) if request.until else [])]
    lines.append(f'pm.test("HTTP {request.status}", () => pm.response.to.have.status({request.status}));')
    if envelope is not None and request.code is not None:
        code = json.dumps(request.code)
        lines.append(
            f"pm.test({json.dumps('code ' + str(request.code))}, () => pm.expect(body[{json.dumps(envelope.code)}]).to.eql({code}));"
        )
    if request.until is not None:
        pointer, word = request.until
        lines.append(
            f'pm.test("it has ended as it should", () => pm.expect({reach(pointer)}).to.eql({json.dumps(word)}));'
        )
    lines += [
        f"pm.collectionVariables.set({json.dumps(key)}, {reach(pointer)});" for key, pointer in request.saves.items()
    ]
    return lines


def _repeating(name: str, request: Request) -> list[str]:
    """Return the lines of JavaScript that send the request again until the task has ended."""
    assert request.until is not None  # the caller has checked this
    pointer, _ = request.until
    return [
        'const asked = Number(pm.collectionVariables.get("asked") || 0) + 1;',
        f"const word = {reach(pointer)};",
        f"if (word !== undefined && !{json.dumps(list(request.ended))}.includes(word) && asked < {MOST}) {{",
        '  pm.collectionVariables.set("asked", asked);',
        f"  pm.execution.setNextRequest({json.dumps(name)});",
        "  return;",
        "}",
        'pm.collectionVariables.set("asked", 0);',
    ]


def reach(pointer: str) -> str:
    """Return JavaScript that reads the value of a JSON pointer in `body`; undefined if there is none."""
    return "body" + "".join(
        f"?.[{json.dumps(int(step) if step.isdigit() else step)}]" for step in pointer.split("/")[1:]
    )
