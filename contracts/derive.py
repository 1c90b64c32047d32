"""Completes an OpenAPI document from the tables beside it, so that a new model needs one row only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def complete(
    document: Mapping[str, Any], catalogue: Mapping[str, Any] | None, tables: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return `document` with every row of the catalogue in its discriminator.

    A schema whose discriminator has `x-others: REFERENCE` gets every name of the `catalogue` (a row of
    behaviour.yaml, as in `rows.Catalogue`) that is not in its `mapping`. Such a name is mapped to REFERENCE, and
    the property that holds the discriminator there gets these names as its `enum`. Without a catalogue the
    document is returned unchanged."""
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
    """Return the schema `name` with a complete mapping, and the schema of all other names with these as its `enum`."""
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


def with_downloads(document: Mapping[str, Any], rows: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `document` with an operation for the files of tasks and one for uploaded files, if behaviour.yaml
    (`rows`) has links to such files and the document has no operation for them."""
    paths = document.get("paths", {})
    items = [item for path in paths.values() if isinstance(path, Mapping) for item in path.values()]
    known = {item.get("x-files") for item in items if isinstance(item, Mapping)}
    files, uploads = rows.get("files"), rows.get("uploads")
    made = {}
    if isinstance(files, Mapping) and "result" not in known:
        made[str(files.get("path", ""))] = _download("download_media", "result", str(files.get("path", "")))
    if uploads and "upload" not in known:
        path = f"{uploads}{{file_name}}"
        made[path] = _download("download_upload", "upload", path)
    return {**document, "paths": {**paths, **made}} if made else document


def _download(name: str, kind: str, path: str) -> Mapping[str, Any]:
    """Return the path item of a download."""
    parameters = [
        {
            "name": part,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "x-spans-slashes": part == "folder",
        }
        for part in re.findall(r"\{(\w+)\}", path)
    ]
    answers = {str(status): {"description": "the file"} for status in (200, 206, 304, 412, 416)}
    evidence = {"level": "invented", "source": "added by the loader, for behaviour.yaml has links to files"}
    operation = {
        "operationId": name,
        "x-files": kind,
        "x-cost": "free",
        "summary": "Download a file",
        "security": [],
        "x-evidence": evidence,
        "parameters": parameters,
        "responses": {**answers, "default": {"description": "a refusal of the store"}},
    }
    return {"servers": [{"url": "https://media.invalid", "description": "the media host"}], "get": operation}
