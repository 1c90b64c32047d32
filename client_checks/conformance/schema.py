"""Selects the part of a contract's schema that an answer must match, and how well each place in it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from swapmock.client_checks.conformance.findings import Evidence
from swapmock.contracts import Contract, Operation
from swapmock.contracts.model import json_body


class Branch(NamedTuple):
    """A schema that an answer must match, with its validator."""

    schema: Mapping[str, Any]
    validator: Any


def success_status(operation: Operation) -> str:
    """Return the first HTTP status of a success that the contract lists for `operation`, such as `200`, `202` or
    `2XX`."""
    return next((str(status) for status in operation.spec["responses"] if str(status).startswith("2")), "200")


@lru_cache(maxsize=512)
def branch_for(operation: Operation, status: int | str, refuses: bool) -> Branch | None:
    """Return the schema for an answer of `operation`; None if the contract has no JSON for that status.

    HTTP 200 can carry a success or an error. The code of the answer decides which of the two schemas applies, so
    that a violation names the member and not `oneOf`."""
    contract = operation.contract
    answers = {str(key): value for key, value in operation.spec["responses"].items()}
    found = answers.get(str(status)) or answers.get(f"{str(status)[0]}XX") or answers.get("default")
    answer = contract.resolve(found or answers.get(success_status(operation)) or {})
    content = json_body(answer.get("content", {}))
    if content is None:
        return None
    schema = content["schema"]
    whole = contract.resolve(schema)
    branches = whole.get("oneOf") or whole.get("anyOf")
    if branches is not None:
        fitting = [one for one in branches if _is_refusal(contract, one) == refuses]
        schema = fitting[0] if len(fitting) == 1 else {"anyOf": fitting} if fitting else schema
    return Branch(schema, contract.validator(schema))


def _is_refusal(contract: Contract, schema: Mapping[str, Any]) -> bool:
    """Return whether a schema describes an error: its name says so, or it does not allow the success code in the
    envelope."""
    if str(schema.get("$ref", "")).endswith("Refusal"):
        return True
    whole, envelope = contract.resolve(schema), contract.behaviour.envelope
    if "Refusal" in str(whole.get("title", "")):
        return True
    code = {} if envelope is None else contract.resolve(whole.get("properties", {}).get(envelope.code, {}))
    allowed = code.get("enum", [code["const"]] if "const" in code else None)
    return envelope is not None and allowed is not None and envelope.success not in allowed


def evidence_at(contract: Contract, schema: Mapping[str, Any], place: Sequence[str | int]) -> Evidence | None:
    """Return the evidence for `place` in `schema`: of the member itself, else of its nearest parent."""
    return _nearest(contract, schema, list(place), None)


def _nearest(contract: Contract, node: Any, place: list[str | int], above: Evidence | None) -> Evidence | None:
    own = Evidence.of(node.get("x-evidence"))
    node = contract.resolve(node)
    here = own or Evidence.of(node.get("x-evidence")) or above
    if not place:
        return here
    for part in _parts(contract, node):
        below = _step(part, place[0])
        if below is not None:
            inherited = Evidence.of(part.get("x-evidence")) or here
            return _nearest(contract, below, place[1:], inherited)
    return here


def _parts(contract: Contract, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for word in ("allOf", "oneOf", "anyOf"):
        for part in node.get(word, ()):
            yield from _parts(contract, contract.resolve(part))


def _step(node: Mapping[str, Any], step: str | int) -> Any:
    if isinstance(step, int):
        return node.get("items")
    return node.get("properties", {}).get(step)


def documented(contract: Contract, schema: Any, value: Any) -> Any:
    """Return `value` without the members that `schema` does not name. An object whose schema names no members is
    kept whole."""
    parts = list(_parts(contract, contract.resolve(schema))) if isinstance(schema, Mapping) else []
    if isinstance(value, Mapping):
        known: dict[str, list[Any]] = {}
        for part in parts:
            for name, below in part.get("properties", {}).items():
                known.setdefault(name, []).append(below)
        if not known:
            return dict(value)
        return {name: documented(contract, {"anyOf": known[name]}, value[name]) for name in value if name in known}
    if isinstance(value, list):
        items = [part["items"] for part in parts if isinstance(part.get("items"), Mapping)]
        return [documented(contract, {"anyOf": items}, item) for item in value] if items else list(value)
    return value
