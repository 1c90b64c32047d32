"""Finds which rules of a request are guesses. By default, a guess refuses no request.

A rule is a JSON Schema keyword at a place. Its level is the weakest level of evidence on the path to it: that of the
operation, of the components and fields around it (`x-evidence`), and that of the keyword itself if `x-guessed` names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapmock.contracts.model import Operation
    from swapmock.contracts.validators import Violation

#: The variant for requests that break only guesses: accept or refuse.
VARIANT = "guesses"

#: The levels of evidence that count as guesses.
GUESSES = frozenset({"inferred", "invented"})


def left(
    operation: Operation, body: Any, violations: Sequence[Violation], variants: Mapping[str, Any]
) -> tuple[Violation, ...]:
    """Return the `violations` for which a request is refused. If the variant `guesses` is `accept`, violations of
    guesses are left out."""
    if variants.get(VARIANT) != "accept":
        return tuple(violations)
    refuses_null = variants.get("null_fields") == "refuse"
    return tuple(
        violation
        for violation in violations
        if (refuses_null and violation.got is None and violation.rule != "required")
        or not is_guess(operation, body, violation)
    )


def is_guess(operation: Operation, body: Any, violation: Violation) -> bool:
    """Return whether the broken rule is inferred or invented. The rule that a body is an object is not a guess, and
    neither is a rule that is not found in the schema."""
    steps = violation.place[1:]
    start = _start(operation, body, violation.place[0], steps)
    if start is None or (violation.place[0] == "body" and not steps):
        return False
    node, rest = start
    found = list(_rules(operation, node, rest, violation, _level(operation)))
    return bool(found) and all(not GUESSES.isdisjoint(levels) for levels in found)


def _start(
    operation: Operation, body: Any, part: object, steps: Sequence[str | int]
) -> tuple[Mapping[str, Any], Sequence[str | int]] | None:
    """Return the schema at which `steps` begin, and the remaining steps; None if there is none."""
    if part == "body":
        if not operation.takes_json:
            return None
        schema = operation.body_schema
        if "discriminator" not in schema or not isinstance(body, dict):
            return schema, steps
        named = body.get(schema["discriminator"]["propertyName"])
        is_known = isinstance(named, str) and named in schema["discriminator"]["mapping"]
        return (operation.branch_schema(str(named)) if is_known else schema), steps
    for parameter in operation.parameters:
        if steps and parameter["in"] == part and parameter["name"] == steps[0]:
            # As a property of an object, which requires it or not.
            field = {**_own(parameter), "allOf": [parameter.get("schema", {})]}
            return {"properties": {steps[0]: field}, "required": [steps[0]]}, steps
    return None


def _own(node: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name.startswith("x-")}


#: The levels of evidence on the path to a schema.
Levels = tuple[str, ...]


def _level(operation: Operation) -> Levels:
    return (operation.evidence["level"],) if "level" in operation.evidence else ()


def _rules(
    operation: Operation, node: Mapping[str, Any], steps: Sequence[str | int], violation: Violation, known: Levels
) -> Iterator[Levels]:
    """Yield the levels of evidence for each place with the broken keyword. `known` are the levels around the schema."""
    rule = violation.rule
    for layer, levels in _ends(operation, node, steps[:-1] if rule == "required" else steps, known):
        if rule == "required":
            says = bool(steps) and steps[-1] in layer.get("required", ())
            field = layer.get("properties", {}).get(steps[-1], {}) if steps else {}
            levels += (field["x-evidence"]["level"],) if "x-evidence" in field else ()
        else:
            says = rule in layer and layer[rule] == violation.expected
        if says:
            yield (*levels, "inferred") if rule in layer.get("x-guessed", {}) else levels


def _ends(
    operation: Operation, node: Mapping[str, Any], steps: Sequence[str | int], levels: Levels
) -> Iterator[tuple[Mapping[str, Any], Levels]]:
    """Yield each schema that applies at `steps` below `node`, with the levels on the path to it."""
    for layer, known in _layers(operation, node, levels):
        if not steps:
            yield layer, known
            continue
        below = layer.get("items") if isinstance(steps[0], int) else layer.get("properties", {}).get(steps[0])
        if isinstance(below, Mapping):
            yield from _ends(operation, below, steps[1:], known)


def _layers(
    operation: Operation, node: Mapping[str, Any], levels: Levels
) -> Iterator[tuple[Mapping[str, Any], Levels]]:
    """Yield a schema, and those that it refers to or that apply together with it, each with the levels on the path."""
    known = (*levels, node["x-evidence"]["level"]) if "x-evidence" in node else levels
    yield node, known
    if "$ref" in node:
        yield from _layers(operation, operation.contract.at(node["$ref"]), known)
    for part in (*node.get("allOf", ()), node.get("then"), node.get("else")):
        if isinstance(part, Mapping):
            yield from _layers(operation, part, known)
