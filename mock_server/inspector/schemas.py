"""What the contract says of one value of a request: the words of its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapmock.contracts import Contract, Operation

#: How much of a schema is shown, in characters.
LONGEST = 1500

#: How many schemas lie inside each other at most.
DEEPEST = 20


def words_at(operation: Operation, body: Any, place: tuple[str | int, ...]) -> str:
    """The schema of the value at `place` of a request, as JSON; "" where there is none. `place` begins with the part of the
    request (`body`, `query`, `path`), as in a `Breach`."""
    schema = _schema_of(operation, body, place)
    for step in place[1:]:
        schema = _step(operation.contract, schema, step)
    if not isinstance(schema, Mapping):
        return ""
    text = json.dumps(_plain(operation.contract, schema), indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n…"


def _schema_of(operation: Operation, body: Any, place: tuple[str | int, ...]) -> Any:
    if place[0] != "body":
        named = {p["name"]: p.get("schema") for p in operation.parameters if p["in"] == place[0]}
        return {"properties": named}
    if not operation.takes_json:
        return None
    schema = operation.body_schema
    mapping = schema.get("discriminator", {}).get("mapping", {})
    chosen = body.get(schema["discriminator"]["propertyName"]) if mapping and isinstance(body, Mapping) else None
    return operation.branch_schema(chosen) if isinstance(chosen, str) and chosen in mapping else schema


def _step(contract: Contract, schema: Any, step: str | int, depth: int = 0) -> Any:
    schema = contract.resolve(schema)
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return None
    found = schema.get("items") if isinstance(step, int) else schema.get("properties", {}).get(step)
    if found is not None:
        return contract.resolve(found)
    parts = (part for name in ("allOf", "oneOf", "anyOf") for part in schema.get(name, ()))
    return next((inner for part in parts if (inner := _step(contract, part, step, depth + 1)) is not None), None)


def _plain(contract: Contract, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema whose own keywords are shown, and not those of what lies below it."""
    shown = {name: value for name, value in contract.resolve(schema).items() if name not in ("properties", "items")}
    if "properties" in schema:
        shown["properties"] = sorted(schema["properties"])
    return shown
