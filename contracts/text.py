"""The OpenAPI document of a contract as text: JSON, or YAML without anchors and aliases."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from swapmock.contracts.model import Contract

#: Extension -> media type.
MEDIA_TYPES = {"json": "application/json", "yaml": "application/yaml"}


@lru_cache(maxsize=16)
def written(contract: Contract, form: str) -> str:
    """The document of `contract` as text; `form` is a key of MEDIA_TYPES."""
    if form == "json":
        return json.dumps(contract.document, indent=2, ensure_ascii=False, default=str) + "\n"
    return as_yaml(contract.document)


def as_yaml(document: Any) -> str:
    """`document` as YAML in which repeated parts are written out: many tools do not read aliases."""
    import yaml  # imported late: a server's start does not need YAML

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumper = type("WholeDumper", (base,), {"ignore_aliases": lambda self, data: True})  # noqa: ARG005 - as PyYAML calls it
    return str(yaml.dump(document, Dumper=dumper, allow_unicode=True, sort_keys=False, width=120))
