"""Checks the contracts: valid OpenAPI 3.1, examples that match, rows that agree.

Needs openapi-spec-validator (the extra `checks`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from swapmock.contracts import folder, lint_document, load, read_yaml
from swapmock.contracts.behaviour import LEVELS
from swapmock.contracts.model import Contract, Operation, Violation, json_body
from swapmock.contracts.requirements import findings, handler_findings


def lint_all(handled: Mapping[str, Callable[[Contract], Collection[str]]]) -> list[str]:
    """Return one line for each mistake in the contracts with these names; no lines if all is correct.

    `handled` maps each name to a function that returns which of the contract's operations have a handler."""
    found = []
    for name, handlers in handled.items():
        try:
            contract = load(name)
            found += [f"{name}: {finding}" for finding in lint(contract)]
            found += [f"{name}: {finding}" for finding in handler_findings(contract, handlers(contract))]
        except (ValueError, yaml.YAMLError, OSError) as error:
            found.append(f"{name}: {' '.join(str(error).split())}")
        except (LookupError, TypeError, AttributeError) as error:  # a file has the wrong form
            found.append(f"{name}: {type(error).__name__}: {' '.join(str(error).split())}")
    return found


def lint(contract: Contract) -> Iterator[str]:
    """Yield one line for each mistake in `contract`: document, evidence, rows, examples, and what a provider must
    have."""
    yield from _document(contract)
    yield from lint_document.findings(contract.document)
    yield from _repeated_keys(contract)
    yield from findings(contract)
    yield from _evidence(contract.document, "openapi.yaml")
    yield from _tables(contract)
    for known in contract.operations.values():
        yield from _documented_examples(known)
    for title, operation, exchange in examples(contract):
        if operation is None:
            yield f"examples: {title}: no operation at {exchange['request']['method']} {exchange['request']['path']}"
            continue
        for violation in check_example(operation, exchange):
            yield f"examples: {title}: {'/'.join(map(str, violation.place))} breaks {violation.rule}"


def _document(contract: Contract) -> Iterator[str]:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    try:
        for error in OpenAPIV31SpecValidator(contract.document).iter_errors():
            where = "/".join(map(str, getattr(error, "absolute_path", ())))
            yield f"openapi.yaml: {where}: {error.message if hasattr(error, 'message') else error}"
    except Exception as error:  # the validator follows references and may raise any error
        yield f"openapi.yaml: cannot be validated: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _repeated_keys(contract: Contract) -> Iterator[str]:
    """Yield a line for each key that occurs twice in a file of the contract's folder."""
    home = contract.folder or folder(contract.name)
    for path in sorted([*home.glob("*.yaml"), *(home / "examples").glob("*.yaml")]):
        for finding in lint_document.repeated_keys(path.read_text("utf-8")):
            yield f"{path.name}: {finding}"


def _evidence(node: Any, place: str) -> Iterator[str]:
    """Yield a line for each `x-evidence` without a known level or a source, and for each `x-guessed` without its keyword."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "x-guessed":
                yield from (
                    f"{place}: x-guessed names {word}, which is not there" for word in value if word not in node
                )
            if name == "x-evidence":
                if value.get("level") not in LEVELS:
                    yield f"{place}: evidence level {value.get('level')!r} is none of {', '.join(LEVELS)}"
                if not value.get("source"):
                    yield f"{place}: evidence without a source"
            else:
                yield from _evidence(value, f"{place}/{name}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _evidence(item, f"{place}/{index}")


def _tables(contract: Contract) -> Iterator[str]:
    """Yield a line for each row of behaviour.yaml that refers to a missing row or has wrong evidence."""
    rules = contract.behaviour
    for operation in contract.operations.values():
        if not operation.evidence:
            yield f"openapi.yaml: {operation.id} has no x-evidence"
        yield from _cost(operation)
    for magic in rules.magic.values():
        if magic.refuse is not None and magic.refuse not in rules.refusals:
            yield f"behaviour.yaml: magic value {magic.value} names the unknown refusal {magic.refuse}"
        if magic.scenario is not None and magic.scenario not in rules.scenarios:
            yield f"behaviour.yaml: magic value {magic.value} names the unknown scenario {magic.scenario}"
    for variant in rules.variants.values():
        if variant.default not in variant.choices:
            yield f"behaviour.yaml: the default of variant {variant.name} is none of its choices"
    schedules = {} if rules.callbacks is None else rules.callbacks.schedules
    tables = (rules.body_codes, rules.refusals, rules.timelines, rules.scenarios, rules.variants, schedules)
    rows: dict[str, tuple[Any, Any]] = {
        str(name): (row.evidence, row.source) for table in tables for name, row in table.items()
    }
    for table in (rules.lifetimes, rules.limits):
        rows.update((name, (row.get("evidence"), row.get("source"))) for name, row in table.items())
    for name, (level, source) in rows.items():
        if level not in LEVELS:
            yield f"behaviour.yaml: {name}: evidence level {level!r} is none of {', '.join(LEVELS)}"
        elif not source and level != "invented":
            yield f"behaviour.yaml: {name}: evidence without a source"


def _cost(operation: Operation) -> Iterator[str]:
    """Yield a line for each operation of a vendor that neither says whether it may cost nor has a price in the
    catalogue, or whose two statements disagree."""
    said, is_listed = operation.spec.get("x-cost"), operation.id in operation.contract.models_by_operation
    if operation.contract.behaviour.rest.get("is_control_plane"):
        return
    if said not in ("free", "priced") and not (said is None and is_listed):
        yield f"openapi.yaml: {operation.id}: x-cost is {said!r}, should be free or priced (until then it may cost)"
    if said == "free" and is_listed:
        yield f"openapi.yaml: {operation.id}: x-cost says free, but its row in {operation.contract.name} has a price"


def _documented_examples(operation: Operation) -> Iterator[str]:
    """Yield a line for each wrong example in openapi.yaml."""
    if operation.json_request is not None:
        for name, example in operation.json_request.get("examples", {}).items():
            for violation in operation.check_body(operation.normalize(example["value"])):
                yield f"{operation.id}: request example {name}: {violation.pointer} breaks {violation.rule}"
    for request in operation.callback_requests:
        for name, example in request.get("examples", {}).items():
            for violation in operation.check_callback(example["value"]):
                yield f"{operation.id}: callback example {name}: {violation.pointer} breaks {violation.rule}"
    for status, answer in operation.spec["responses"].items():
        content = json_body(operation.contract.resolve(answer).get("content", {})) or {}
        for name, example in content.get("examples", {}).items():
            for violation in operation.check_answer(status, example["value"]):
                yield f"{operation.id}: answer example {name} ({status}): {violation.pointer} breaks {violation.rule}"


def examples(contract: Contract) -> Iterator[tuple[str, Operation | None, Mapping[str, Any]]]:
    """Yield `(title, operation, exchange)` for every documented exchange in the contract's folder `examples/`."""
    for path in sorted(((contract.folder or folder(contract.name)) / "examples").glob("*.yaml")):
        for exchange in read_yaml(path):
            request = exchange["request"]
            found = contract.find(request["method"], urlsplit(request["path"]).path)
            yield f"{path.stem}: {exchange['title']}", None if found is None else found[0], exchange


def check_example(operation: Operation, exchange: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Return what is wrong with one documented exchange. Its request must be right only if its answer is a success."""
    request, response = exchange["request"], exchange["response"]
    body = response.get("body")
    found = operation.check_answer(response["status"], body)
    if not operation.contract.behaviour.is_success(response["status"], body):
        return found
    if operation.takes_json and "body" in request:
        found += operation.check_body(operation.normalize(request.get("body")))
    located = operation.contract.find(request["method"], urlsplit(request["path"]).path)
    path = {} if located is None else dict(located[1])
    query = {name: _as_text(value) for name, value in request.get("query", {}).items()}
    return found + operation.check_parameters({"path": path, "query": query})


def _as_text(value: Any) -> str:
    """Return a value in the form that a query string has."""
    return str(value).lower() if isinstance(value, bool) else str(value)
