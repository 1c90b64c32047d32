"""JSONPath (RFC 9535) and JSON Pointer (RFC 6901), by python-jsonpath; imported at the first use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any


class BadPath(ValueError):
    """Neither a JSONPath nor a JSON Pointer; the text says why."""


@lru_cache(maxsize=1024)
def _compiled(path: str) -> Any:
    import jsonpath

    try:
        return jsonpath.compile(path) if path.startswith("$") else jsonpath.JSONPointer(path)
    except jsonpath.JSONPathError as error:
        raise BadPath(f"{path}: {str(error).splitlines()[0]}") from None
    except jsonpath.JSONPointerError as error:
        raise BadPath(f"{path}: {error}") from None


def check(path: str) -> None:
    """BadPath if `path` is neither `$...` as JSONPath nor `/...` as JSON Pointer."""
    _compiled(path)


def find(path: str, document: Any) -> Sequence[Any]:
    """The values at `path`; empty where there is nothing."""
    compiled = _compiled(path)
    if path.startswith("$"):
        found: list[Any] = compiled.findall(document) if isinstance(document, dict | list) else []
        return found
    missing = object()
    value = compiled.resolve(document, default=missing) if isinstance(document, dict | list) else missing
    return [] if value is missing else [value]
