"""The objects of an OpenAPI document and their members: what the rules of the other modules compare, what is text for
human readers, and what no rule knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Members whose values are texts for human readers, in every object.
WORDING = frozenset({
    "description", "summary", "title", "example", "examples", "tags", "externalDocs", "info", "$comment", "comment",
    "x-evidence", "x-guessed", "x-source", "source", "evidence", "meaning", "about", "openapi",
})  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """One kind of object. `rules` are the members that a rule compares as a whole. `below` are members that hold
    objects of another kind: the kind alone, or `{}KIND` for a mapping by name, or `[]KIND` for a list. `names` tells
    whether the object is free to have members with other names: they are then of the kind in `names`."""

    rules: frozenset[str] = frozenset()
    below: Mapping[str, str] = field(default_factory=dict)


METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

SHAPES: Mapping[str, Shape] = {
    "document": Shape(frozenset({"security"}), {"paths": "{}path", "components": "components", "servers": "[]server"}),
    "components": Shape(
        frozenset(),
        {
            "securitySchemes": "{}scheme",
            "schemas": "{}schema", "responses": "{}response", "parameters": "{}parameter", "headers": "{}parameter",
            "requestBodies": "{}body", "callbacks": "{}callback", "pathItems": "{}path", "links": "{}link",
        },
    ),
    "path": Shape(
        frozenset({"$ref", "servers"}), {"parameters": "[]parameter", **dict.fromkeys(METHODS, "operation")}
    ),
    "scheme": Shape(frozenset({"$ref", "type", "in", "name", "scheme", "bearerFormat", "flows", "openIdConnectUrl"})),
    "operation": Shape(
        frozenset({"operationId", "security", "deprecated", "servers", "x-cost"}),
        {"parameters": "[]parameter", "requestBody": "body", "responses": "{}response", "callbacks": "{}callback"},
    ),
    "parameter": Shape(
        frozenset({"$ref", "name", "in", "required", "deprecated", "style", "explode", "allowReserved", "allowEmptyValue"}),
        {"schema": "schema", "content": "{}media"},
    ),
    "body": Shape(frozenset({"$ref", "required"}), {"content": "{}media"}),
    "response": Shape(frozenset({"$ref", "links"}), {"headers": "{}parameter", "content": "{}media"}),
    "media": Shape(frozenset(), {"schema": "schema"}),
    "callback": Shape(frozenset({"$ref"}), {"": "path"}),
    "link": Shape(frozenset({"$ref", "operationId", "operationRef", "parameters", "requestBody"})),
    "server": Shape(frozenset({"url"})),
    "schema": Shape(
        frozenset({
            "$ref", "type", "enum", "required", "pattern", "format", "const", "maxLength", "maxItems", "maximum",
            "exclusiveMaximum", "maxProperties", "minLength", "minItems", "minimum", "exclusiveMinimum", "minProperties",
            "default", "deprecated", "multipleOf", "uniqueItems", "if", "then", "else", "not", "additionalProperties",
            "discriminator", "x-aliases",
        }),
        {
            "properties": "{}schema", "items": "schema", "oneOf": "[]schema", "anyOf": "[]schema", "allOf": "[]schema",
        },
    ),
}  # fmt: skip


def kind_below(kind: str, member: str, value: Any) -> str | None:
    """Return the kind of the object at `member` of an object of `kind`; None if no rule knows the member.

    The kind of a mapping by name begins with `{}`, that of a list with `[]`; `rule` is a member that a rule compares
    as a whole, and `wording` is one for human readers."""
    if kind.startswith(("{}", "[]")):
        return kind[2:]
    shape = SHAPES[kind]
    if member in shape.rules:
        return "rule"
    if member in shape.below:
        # The schema `true` allows anything: it has no members.
        return shape.below[member] if isinstance(value, Mapping | list) else "rule"
    if member in WORDING:
        return "wording"
    return shape.below.get("")
