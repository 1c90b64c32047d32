"""AsyncAPI 3: the callbacks that a provider sends, as messages over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.standard_forms.requests import Source

VERSION = "3.0.0"
COMPONENTS = "#/components/schemas/"


def document(source: Source) -> dict[str, Any]:
    """Return the description of every callback of the provider. Its operations are those of the sender."""
    contract = source.contract
    about = contract.document["info"]
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for operation in contract.operations.values():
        for name, callback in operation.spec.get("callbacks", {}).items():
            for expression, item in contract.resolve(callback).items():
                for method, spec in contract.resolve(item).items():
                    key = str(spec.get("operationId") or f"{operation.id}_{name}")
                    body = contract.resolve(spec["requestBody"])["content"]["application/json"]
                    channels[key] = {
                        "address": "{receiver}",
                        "description": f"the URL that the caller gave at {expression}",
                        "parameters": {"receiver": {"description": "an http or https URL of the caller's"}},
                        "messages": {key: {"$ref": f"#/components/messages/{key}"}},
                    }
                    messages[key] = {
                        "name": key,
                        "title": spec.get("summary", key),
                        "contentType": "application/json",
                        "payload": _plain(body["schema"]),
                        "examples": [
                            {"name": title, "payload": one["value"]} for title, one in body.get("examples", {}).items()
                        ],
                    }
                    sent = operations.setdefault(
                        f"send_{key}",
                        {
                            "action": "send",
                            "channel": {"$ref": f"#/channels/{key}"},
                            "summary": spec.get("summary", key),
                            "description": spec.get("description", ""),
                            "messages": [{"$ref": f"#/channels/{key}/messages/{key}"}],
                            "bindings": {"http": {"method": method.upper(), "bindingVersion": "0.3.0"}},
                            "x-sent-for": [],
                        },
                    )
                    sent["x-sent-for"].append(operation.id)
                    _collect(contract.components["schemas"], body["schema"], schemas)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": f"Callbacks of the {about['title']}",
            "version": str(about["version"]),
            "description": "Made by swapmock from the contract. The provider sends; the caller receives.",
            **{name: about[name] for name in ("contact",) if name in about},
            "license": {"name": about.get("license", {}).get("name", "MIT")},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _collect(known: Mapping[str, Any], node: Any, found: dict[str, Any]) -> None:
    """Add to `found` every schema that `node` refers to, and the schemas that these refer to."""
    for reference in _references(node):
        name = reference.removeprefix(COMPONENTS)
        if name not in found:
            found[name] = _plain(known[name])
            _collect(known, known[name], found)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _plain(schema: Any) -> Any:
    """Return a schema of OpenAPI in AsyncAPI's form: a discriminator is only the name of the property."""
    if isinstance(schema, Mapping):
        return {
            key: value["propertyName"] if key == "discriminator" and isinstance(value, Mapping) else _plain(value)
            for key, value in schema.items()
        }
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema
