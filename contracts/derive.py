"""Completes an OpenAPI document from the tables beside it, so that a new model needs one row only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def complete(
    document: Mapping[str, Any], catalogue: Mapping[str, Any] | None, tables: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The `document` with every row of the catalogue in its discriminator.

    A schema whose discriminator has `x-others: REFERENCE` takes every name of the catalogue (a row of behaviour.yaml, as
    in `rows.Catalogue`) that its `mapping` does not have: such a name leads to REFERENCE, whose property of the
    discriminator's name gets these names as its `enum`. Without a catalogue the document is returned as it is.
    """
    schemas = document.get("components", {}).get("schemas", {})
    found = {name: schema for name, schema in schemas.items() if "x-others" in _discriminator(schema)}
    if catalogue is None or not found:
        return document
    rows = tables.get(catalogue["table"], {}).get(catalogue["table"], ())
    names = [str(row[catalogue.get("name", "name")]) for row in rows]
    made = dict(schemas)
    for name, schema in found.items():
        made |= _completed(name, schema, names, made)
    return {**document, "components": {**document["components"], "schemas": made}}


def _discriminator(schema: Any) -> Mapping[str, Any]:
    found = schema.get("discriminator", {}) if isinstance(schema, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _completed(name: str, schema: Mapping[str, Any], names: list[str], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The schema `name` with a whole mapping, and the schema of all others with its names."""
    discriminator = dict(schema["discriminator"])
    reference = discriminator.pop("x-others")
    known = discriminator.get("mapping", {})
    others = [other for other in names if other not in known]
    discriminator["mapping"] = {**known, **dict.fromkeys(others, reference)}
    general = str(reference).rpartition("/")[2]
    member = discriminator["propertyName"]
    properties = dict(schemas[general]["properties"])
    properties[member] = {**properties[member], "enum": others}
    return {
        name: {**schema, "discriminator": discriminator},
        general: {**schemas[general], "properties": properties},
    }
