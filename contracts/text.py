"""Writes the OpenAPI document of a contract as text: JSON, or YAML without anchors and aliases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from swapmock.contracts.model import Contract

#: The registered HTTP statuses, as far as Python knows them.
REGISTERED = frozenset(str(status.value) for status in HTTPStatus)

#: Extension -> media type.
MEDIA_TYPES = {"json": "application/json", "yaml": "application/yaml"}


@lru_cache(maxsize=16)
def written(contract: Contract, form: str) -> str:
    """Return the document of `contract` as text; `form` is a key of MEDIA_TYPES."""
    document = _with_registered_statuses(contract.document)
    if form == "json":
        return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"
    return as_yaml(document)


def _with_registered_statuses(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return `document` with the class, such as `4XX`, in place of each HTTP status that is not registered: some
    tools refuse the whole document because of one such status."""
    paths = {path: {key: _registered(value) for key, value in item.items()} for path, item in document["paths"].items()}
    return {**document, "paths": paths}


def _registered(operation: Any) -> Any:
    if not isinstance(operation, Mapping) or "responses" not in operation:
        return operation
    listed = {str(status): answer for status, answer in operation["responses"].items()}
    found: dict[str, Any] = {}
    for status, answer in listed.items():
        known = not status.isdigit() or status in REGISTERED
        found.setdefault(status if known else f"{status[0]}XX", answer)
    return {**operation, "responses": found}


def as_yaml(document: Any) -> str:
    """Return `document` as YAML in which repeated parts are written out: many tools cannot read aliases."""
    import yaml  # imported late: a server's start does not need YAML

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumper = type("WholeDumper", (base,), {"ignore_aliases": lambda self, data: True})  # noqa: ARG005 - as PyYAML calls it
    return str(yaml.dump(document, Dumper=dumper, allow_unicode=True, sort_keys=False, width=120))
