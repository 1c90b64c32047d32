"""Arazzo 1.0.1: every flow as a workflow of the contract's operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swapmock.client_checks.conformance.pointer import NAME
from swapmock.client_checks.standard_forms.requests import MOST, WAIT, Flow, Request, Source, names_in

VERSION = "1.0.1"


def document(source: Source, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the description. `files` maps each contract's name to the path of its OpenAPI document."""
    flows = [flow for flow in source.flows() if flow.requests]
    used = dict.fromkeys(request.operation.contract.name for flow in flows for request in flow.requests)
    about = source.contract.document["info"]
    return {
        "arazzo": VERSION,
        "info": {
            "title": f"Flows of the {about['title']}",
            "summary": "What a client does from the first request to the end of a task",
            "version": str(about["version"]),
            "description": "Made by swapmock from the contract. Polls are repeated until the task has ended.",
        },
        "sourceDescriptions": [{"name": name, "url": files[name], "type": "openapi"} for name in used],
        "workflows": [_workflow(source, flow) for flow in flows],
    }


def _workflow(source: Source, flow: Flow) -> dict[str, Any]:
    steps = [_Step(flow, number, request) for number, request in enumerate(flow.requests, 1)]
    known = {name: step for step in steps for name in step.request.saves}
    needed = {
        name
        for step in steps
        for part in (step.request.headers, step.request.path, step.request.query, step.request.body)
        for name in names_in(part if not isinstance(part, Mapping) else dict(part))
        if name not in known
    }
    workflow: dict[str, Any] = {
        "workflowId": flow.id,
        "summary": flow.about,
        "description": " ".join((flow.about.capitalize() + ".", *dict.fromkeys(flow.notes))),
        "inputs": {
            "type": "object",
            "required": sorted(needed),
            "properties": {name: _input(source, name) for name in sorted(needed)},
        },
        "steps": [step.written(known) for step in steps],
    }
    outputs = {name: f"$steps.{step.id}.outputs.{name}" for name, step in known.items()}
    return {**workflow, "outputs": outputs} if outputs else workflow


def _input(source: Source, name: str) -> dict[str, Any]:
    value = source.inputs().get(name)
    if value is None:
        return {"type": "string", "description": "a text that no other run has"}
    about = {"type": "string", "description": "a credential", "format": "password"}
    return about if source.is_live else {**about, "default": value}


class _Step:
    def __init__(self, flow: Flow, number: int, request: Request) -> None:
        self.request = request
        self.id = f"{flow.id}_{number}"  # some tools require a name that is unique in the whole document

    def written(self, known: Mapping[str, _Step]) -> dict[str, Any]:
        request, operation = self.request, self.request.operation
        places = {str(parameter["name"]): str(parameter["in"]) for parameter in operation.parameters}
        given = [(name, "path", value) for name, value in request.path.items()]
        given += [(name, places.get(name, "query"), value) for name, value in request.query.items()]
        given += [(name, "header", value) for name, value in request.headers.items()]
        step: dict[str, Any] = {
            "stepId": self.id,
            "description": f"{operation.spec['summary']}: {request.title}",
            "operationId": f"$sourceDescriptions.{operation.contract.name}.{operation.id}",
        }
        if given:
            step["parameters"] = [
                {"name": name, "in": place, "value": _expression(value, known)} for name, place, value in given
            ]
        if request.body is not None:
            step["requestBody"] = {"contentType": "application/json", "payload": _expression(request.body, known)}
        elif request.content is not None:
            step["requestBody"] = {"contentType": "application/json", "payload": request.content}
        step["successCriteria"] = [{"condition": text} for text in self._conditions()]
        if request.until is not None:
            pointer, _ = request.until
            others = [word for word in request.ended if word != request.until[1]]
            going_on = [{"condition": f"$response.body#{pointer} != {_literal(word)}"} for word in others]
            step["onFailure"] = [
                {"name": "again", "type": "retry", "retryAfter": WAIT, "retryLimit": MOST, "criteria": going_on}
            ]
        if request.saves:
            step["outputs"] = {name: f"$response.body#{pointer}" for name, pointer in request.saves.items()}
        return step

    def _conditions(self) -> list[str]:
        envelope = self.request.operation.contract.behaviour.envelope
        found = [f"$statusCode == {self.request.status}"]
        if envelope is not None and self.request.code is not None:
            found.append(f"$response.body#/{envelope.code} == {_literal(self.request.code)}")
        if self.request.until is not None:
            pointer, word = self.request.until
            found.append(f"$response.body#{pointer} == {_literal(word)}")
        return found


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _expression(value: Any, known: Mapping[str, _Step]) -> Any:
    """Return `value` with runtime expressions in place of its `$names`."""

    def of(name: str) -> str:
        return f"$steps.{known[name].id}.outputs.{name}" if name in known else f"$inputs.{name}"

    if isinstance(value, str):
        whole = NAME.fullmatch(value)
        return of(whole[1]) if whole else NAME.sub(lambda match: f"{{{of(match[1])}}}", value)
    if isinstance(value, Mapping):
        return {key: _expression(one, known) for key, one in value.items()}
    return [_expression(one, known) for one in value] if isinstance(value, list) else value
