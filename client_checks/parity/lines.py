"""Finds the line of a contract's files for a value, so that a difference names the line that it would change."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from swapmock.contracts import folder


@lru_cache(maxsize=8)
def _composed(path: Path) -> Any:
    return yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)


def line_of(provider: str, table: str, key: str, value: Any, file: str = "behaviour.yaml") -> str:
    """Return `contracts/crun/behaviour.yaml:14` for the row of `table` whose `key` is `value`; the line of the table
    if it has no such row."""
    path = folder(provider) / file
    found = _child(_composed(path), table)
    row = next((item for item in _items(found) if _scalar(_child(item, key)) == str(value)), found)
    return _reference(provider, file, row)


def line_at(provider: str, *steps: str, file: str = "behaviour.yaml") -> str:
    """Return the line of the value at these keys (`steps`), or of the last key that exists."""
    node = found = _composed(folder(provider) / file)
    for step in steps:
        node = _child(node, step)
        if node is None:
            break
        found = node
    return _reference(provider, file, found)


def operation_line(provider: str, operation: str) -> str:
    """Return the line of openapi.yaml that names an operation."""
    lines = (folder(provider) / "openapi.yaml").read_text("utf-8").splitlines()
    number = next((n for n, line in enumerate(lines, 1) if line.strip() == f"operationId: {operation}"), 1)
    return f"contracts/{provider}/openapi.yaml:{number}"


def _reference(provider: str, file: str, node: Any) -> str:
    line = node.start_mark.line + 1 if node is not None else 1
    return f"contracts/{provider}/{file}:{line}"


def _items(node: Any) -> list[Any]:
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _child(node: Any, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _scalar(node: Any) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
