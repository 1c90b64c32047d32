"""Finds mistakes in an OpenAPI document that standard linters report: unknown keywords, arrays without items,
references to nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

#: The keywords of JSON Schema 2020-12 and of OpenAPI 3.1 that a schema may have; any `x-` name is allowed as well.
KEYWORDS = frozenset(
    [
        "$schema",
        "$id",
        "$ref",
        "$anchor",
        "$dynamicRef",
        "$dynamicAnchor",
        "$vocabulary",
        "$comment",
        "$defs",
        "definitions",
        "type",
        "enum",
        "const",
        "multipleOf",
        "maximum",
        "exclusiveMaximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxContains",
        "minContains",
        "contains",
        "maxProperties",
        "minProperties",
        "required",
        "dependentRequired",
        "dependentSchemas",
        "propertyNames",
        "properties",
        "patternProperties",
        "additionalProperties",
        "items",
        "prefixItems",
        "unevaluatedItems",
        "unevaluatedProperties",
        "if",
        "then",
        "else",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "format",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "title",
        "description",
        "default",
        "deprecated",
        "readOnly",
        "writeOnly",
        "examples",
        "example",
        "discriminator",
        "xml",
        "externalDocs",
    ]
)
#: Keywords whose value is a schema, a list of schemas, or a mapping of names to schemas.
ONE = ("items", "contains", "not", "if", "then", "else", "additionalProperties", "propertyNames", "unevaluatedItems",
       "unevaluatedProperties", "contentSchema")  # fmt: skip
MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def findings(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each mistake in `document`, a parsed openapi.yaml. No content of it raises an exception."""
    for place, schema in _schemas(document, ""):
        yield from _schema(place, schema)
    yield from _references(document, document, "")
    yield from _links(document)
    yield from _parameters(document)


def repeated_keys(text: str) -> Iterator[str]:
    """Yield one line for each key that occurs twice in a mapping of a YAML text: parsers keep one of the two without
    a warning."""
    try:
        root = _composed(text)
    except yaml.YAMLError as error:
        yield f"not YAML: {' '.join(str(error).split())}"
        return
    yield from _repeated(root, set())


def _composed(text: str) -> Any:
    """Return the tree of nodes of a YAML text. Raises YAMLError, which shows the place. libyaml is much faster, but its
    errors do not show the place."""
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _repeated(node: Any, seen: set[int]) -> Iterator[str]:
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first and name != "<<":
                yield f"line {line}: {name!r} stands in line {first[name]} already"
            first.setdefault(name, line)
            yield from _repeated(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, seen)


def _schemas(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield every schema of the document with its place: below `schema` members and in components."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            here = f"{place}/{name}"
            if name in ("example", "examples", "value", "default", "enum", "const") or str(name).startswith("x-"):
                continue
            if name == "schema":
                yield from _within(value, here)
            elif here == "/components/schemas" and isinstance(value, Mapping):
                for title, schema in value.items():
                    yield from _within(schema, f"{here}/{title}")
            else:
                yield from _schemas(value, here)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _schemas(item, f"{place}/{index}")


def _within(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield a schema and every schema inside it."""
    yield place, schema
    if not isinstance(schema, Mapping):
        return
    for word in ONE:
        if isinstance(schema.get(word), Mapping):
            yield from _within(schema[word], f"{place}/{word}")
    for word in MANY:
        for index, one in enumerate(schema[word] if isinstance(schema.get(word), list) else ()):
            yield from _within(one, f"{place}/{word}/{index}")
    for word in NAMED:
        for name, one in (schema[word] if isinstance(schema.get(word), Mapping) else {}).items():
            yield from _within(one, f"{place}/{word}/{name}")


def _schema(place: str, schema: Any) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield f"openapi.yaml: {place}: a schema is an object or a boolean, not {schema!r}"[:300]
        return
    for word in schema:
        if word not in KEYWORDS and not str(word).startswith("x-"):
            yield f"openapi.yaml: {place}: unknown keyword {word!r} (an unquoted comma in a flow mapping cuts a text)"
    kinds = schema.get("type")
    if (kinds == "array" or (isinstance(kinds, list) and "array" in kinds)) and not {
        "items",
        "prefixItems",
    } & schema.keys():
        yield f"openapi.yaml: {place}: an array without items"
    for word in ("pattern",):
        yield from _pattern(place, word, schema.get(word))
    for pattern in schema.get("patternProperties", {}) if isinstance(schema.get("patternProperties"), Mapping) else ():
        yield from _pattern(place, "patternProperties", pattern)
    required, known = schema.get("required"), schema.get("properties")
    if (
        isinstance(required, list)
        and isinstance(known, Mapping)
        and not {"allOf", "$ref", "oneOf", "anyOf"} & schema.keys()
    ):
        for name in required:
            if name not in known and schema.get("additionalProperties") is False:
                yield f"openapi.yaml: {place}: {name!r} is required and not allowed"


def _pattern(place: str, word: str, pattern: Any) -> Iterator[str]:
    if pattern is None:
        return
    try:
        re.compile(pattern)
    except (re.error, TypeError, RecursionError) as error:
        yield f"openapi.yaml: {place}/{word}: no regular expression: {error}"


def _references(node: Any, document: Mapping[str, Any], place: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        if isinstance(reference, str) and not _exists(document, reference):
            yield f"openapi.yaml: {place}: {reference} points at nothing"
        mapping = node.get("mapping") if isinstance(node.get("propertyName"), str) else None
        for name, target in (mapping if isinstance(mapping, Mapping) else {}).items():
            if isinstance(target, str) and target.startswith("#") and not _exists(document, target):
                yield f"openapi.yaml: {place}/mapping/{name}: {target} points at nothing"
        for name, value in node.items():
            if name not in ("example", "examples", "value", "mapping"):
                yield from _references(value, document, f"{place}/{name}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _references(item, document, f"{place}/{index}")


def _exists(document: Any, reference: str) -> bool:
    if not reference.startswith("#/"):
        return False
    for step in reference[2:].split("/"):
        step = step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
        if not isinstance(document, Mapping) or step not in document:
            return False
        document = document[step]
    return True


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    paths = document.get("paths")
    for path, item in (paths if isinstance(paths, Mapping) else {}).items():
        for method, operation in (item if isinstance(item, Mapping) else {}).items():
            if method in ("get", "put", "post", "delete", "options", "head", "patch", "trace") and isinstance(
                operation, Mapping
            ):
                yield str(path), method, operation


def _links(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each link that names no existing operation or parameter."""
    known = {operation.get("operationId"): operation for _, _, operation in _operations(document)}
    for path, method, operation in _operations(document):
        for status, answer in (operation.get("responses") or {}).items():
            for name, link in (answer.get("links") or {}).items() if isinstance(answer, Mapping) else ():
                place = f"/paths/{path}/{method}/responses/{status}/links/{name}"
                target = link.get("operationId") if isinstance(link, Mapping) else None
                if target is not None and target not in known:
                    yield f"openapi.yaml: {place}: no operation is named {target!r}"


def _parameters(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each path parameter that is not in braces in the path, and the reverse."""
    for path, method, operation in _operations(document):
        item = document["paths"][path]
        rows = [*(item.get("parameters") or ()), *(operation.get("parameters") or ())]
        named = set()
        for row in rows:
            while isinstance(row, Mapping) and isinstance(row.get("$ref"), str) and _exists(document, row["$ref"]):
                target: Any = document
                for step in row["$ref"][2:].split("/"):
                    target = target[step.replace("~1", "/").replace("~0", "~")]
                row = target
            if isinstance(row, Mapping) and row.get("in") == "path":
                named.add(row.get("name"))
        for name in set(re.findall(r"\{(\w+)\}", path)) ^ named:
            yield f"openapi.yaml: {method} {path}: {name!r} is a parameter of the path or of the operation, not of both"
