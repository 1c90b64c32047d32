"""JSONPath (RFC 9535) and JSON Pointer (RFC 6901), by python-jsonpath; imported at the first use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any


class BadPath(ValueError):
    """Neither a JSONPath nor a JSON Pointer; the text says why."""


#: The longest path, in characters.
LONGEST = 500

#: A descent, a wildcard, a slice or a filter; in a quoted name, too, where it does no harm.
SEARCH = re.compile(r"\.\.|[*:?]")


def _bound(path: str) -> None:
    """Keep out what could take for ever on a large document: nested descents, regular expressions, and the whole document
    for each item."""
    if len(path) > LONGEST:
        raise BadPath(f"a path has at most {LONGEST} characters")
    if path.startswith("$") and (path.count("..") > 1 or re.search(r"=~|\b(?:match|search)\s*\(", path)):
        raise BadPath(f"{path}: `..` may stand once, and no regular expression in a path (see `matches`)")
    if path.count("$") > 1:
        raise BadPath(f"{path}: `$` may stand at the start only")


def searches(path: str) -> bool:
    """Whether a path looks at many values, and not only along its own steps."""
    return path.startswith("$") and SEARCH.search(path) is not None


@lru_cache(maxsize=1024)
def _compiled(path: str) -> Any:
    import jsonpath

    _bound(path)
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
    import jsonpath

    compiled = _compiled(path)
    if not isinstance(document, dict | list):
        return []
    try:
        found: list[Any] = compiled.findall(document) if path.startswith("$") else [compiled.resolve(document)]
    except (jsonpath.JSONPathError, jsonpath.JSONPointerError):
        return []
    return found
