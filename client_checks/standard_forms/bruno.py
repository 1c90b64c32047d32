"""A Bruno collection: a folder for each flow, a file for each request."""

from __future__ import annotations

import json
import textwrap

from swapmock.client_checks.standard_forms import postman
from swapmock.client_checks.standard_forms.requests import MOST, Flow, Request, Source, slug, with_names


def files(source: Source, base_url: str) -> dict[str, str]:
    """Return the text of each file by its path in the collection. The environment `local` has `base_url` and the
    credentials."""
    about = source.contract.document["info"]
    title = f"Flows of the {about['title']}"
    values = {"baseUrl": base_url, **{key: "" if source.is_live else value for key, value in source.inputs().items()}}
    listed = "\n".join(f"  {key}: {value}" for key, value in values.items())
    found = {
        "bruno.json": json.dumps({"version": "1", "name": title, "type": "collection"}, indent=2) + "\n",
        "environments/local.bru": f"vars {{\n{listed}\n}}\n",
    }
    for place, flow in enumerate((flow for flow in source.flows() if flow.requests), 1):
        found[f"{flow.id}/folder.bru"] = f"meta {{\n  name: {flow.name}\n  seq: {place}\n}}\n"
        for number, request in enumerate(flow.requests, 1):
            found[f"{flow.id}/{number:02d}_{slug(request.title)[:60]}.bru"] = _file(flow, number, request)
    return found


def _file(flow: Flow, number: int, request: Request) -> str:
    name, text = _name(flow, number, request), postman.body(request)
    method = request.operation.method.lower()
    kind = "none" if text is None else "json" if request.body is not None else "text"
    query = [f"  {key}: {_variables(value)}" for key, value in request.query.items()]
    blocks = [
        _block("meta", [f"  name: {name}", "  type: http", f"  seq: {number}"]),
        _block(method, [f"  url: {postman.url(request)}", f"  body: {kind}", "  auth: none"]),
        _block("params:query", query) if query else "",
        _block("headers", [f"  {key}: {value}" for key, value in postman.headers(request).items()]),
        _block(f"body:{kind}", [textwrap.indent(text, "  ")]) if text is not None else "",
        _block(
            "script:pre-request", ['  bru.setVar("unique", `run-${Date.now()}-${Math.floor(Math.random() * 1e9)}`);']
        )
        if number == 1
        else "",
        _block("script:post-response", [f"  {line}" for line in _script(name, request)]),
        _block("tests", [f"  {line}" for line in _tests(request)]),
    ]
    return "\n".join(block for block in blocks if block)


def _name(flow: Flow, number: int, request: Request) -> str:
    return postman.title(flow, number, request).replace(":", "")


def _block(name: str, lines: list[str]) -> str:
    return f"{name} {{\n" + "\n".join(lines) + "\n}\n" if lines else ""


def _variables(value: object) -> str:
    return str(with_names(str(value), lambda name: f"{{{{{name}}}}}"))


def _script(name: str, request: Request) -> list[str]:
    lines = ["const body = res.getBody();"]
    if request.until is not None:
        pointer, _ = request.until
        lines += [
            'const asked = Number(bru.getVar("asked") || 0) + 1;',
            f"const word = {postman.reach(pointer)};",
            f"if (word !== undefined && !{json.dumps(list(request.ended))}.includes(word) && asked < {MOST}) {{",
            '  bru.setVar("asked", asked);',
            '  bru.setVar("waiting", true);',
            f"  bru.setNextRequest({json.dumps(name)});",
            "} else {",
            '  bru.setVar("asked", 0);',
            '  bru.setVar("waiting", false);',
            "}",
        ]
    lines += [
        f"if ({postman.reach(pointer)} !== undefined) bru.setVar({json.dumps(key)}, {postman.reach(pointer)});"
        for key, pointer in request.saves.items()
    ]
    return lines


def _tests(request: Request) -> list[str]:
    envelope = request.operation.contract.behaviour.envelope
    lines = [
        "const body = res.getBody();",
        f'test("HTTP {request.status}", () => expect(res.getStatus()).to.equal({request.status}));',
    ]
    if envelope is not None and request.code is not None:
        lines.append(
            f"test({json.dumps('code ' + str(request.code))}, () => expect(body[{json.dumps(envelope.code)}]).to.eql({json.dumps(request.code)}));"
        )
    if request.until is not None:
        pointer, word = request.until
        lines.append('if (!bru.getVar("waiting")) {')
        lines.append(
            f'  test("it has ended as it should", () => expect({postman.reach(pointer)}).to.eql({json.dumps(word)}));'
        )
        lines.append("}")
    return lines
