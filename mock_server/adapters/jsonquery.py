"""JSONPath (RFC 9535) and JSON Pointer (RFC 6901), with python-jsonpath, which is imported at the first use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from swapmock.mock_server.core.faults import TooMuchWork


class BadPath(ValueError):
    """The text is neither a JSONPath nor a JSON Pointer; the message says why."""


#: The number of compiled paths that are cached: enough for several sandboxes with a thousand rules each.
MOST_COMPILED = 8192

#: The longest path, in characters.
LONGEST = 500

#: A descent, a wildcard, a slice or a filter. It also matches in a quoted name, which does no harm.
SEARCH = re.compile(r"\.\.|[*:?]")


def _bound(path: str) -> None:
    """Refuse paths that could take very long on a large document: nested descents, regular expressions, and the
    whole document for each item."""
    if len(path) > LONGEST:
        raise BadPath(f"a path has at most {LONGEST} characters")
    if path.startswith("$") and (path.count("..") > 1 or re.search(r"=~|\b(?:match|search)\s*\(", path)):
        raise BadPath(f"{path}: `..` may occur once, and a path may have no regular expression (see `matches`)")
    if path.count("$") > 1:
        raise BadPath(f"{path}: `$` may occur only at the start")


def searches(path: str) -> bool:
    """Return whether a path looks at many values, and not only at those along its own steps."""
    return path.startswith("$") and SEARCH.search(path) is not None


@lru_cache(maxsize=MOST_COMPILED)
def compiled(path: str) -> Any:
    """Return the compiled path."""
    import jsonpath

    _bound(path)
    try:
        return jsonpath.compile(path) if path.startswith("$") else jsonpath.JSONPointer(path)
    except jsonpath.JSONPathError as error:
        raise BadPath(f"{path}: {str(error).splitlines()[0]}") from None
    except jsonpath.JSONPointerError as error:
        raise BadPath(f"{path}: {error}") from None


def check(path: str) -> None:
    """Raise BadPath if `path` is neither `$...` as JSONPath nor `/...` as JSON Pointer."""
    compiled(path)


def find(path: str, document: Any) -> Sequence[Any]:
    """Return the values in `document` at `path`; empty if there are none."""
    import jsonpath

    query = compiled(path)
    if not isinstance(document, dict | list):
        return []
    try:
        found: list[Any] = query.findall(document) if path.startswith("$") else [query.resolve(document)]
    except (jsonpath.JSONPathError, jsonpath.JSONPointerError):
        return []
    return found


# --- the conditions of one call's fault rules, with a limit on their total work


#: The most units of work for one call: about 50 ms.
MOST_WORK = 4_000_000

#: The units of work for a path, for a value that is found, for a value in an index, for a value that a search by the
#: library visits, and for a text that is compared (plus 1 for each of its characters).
PATH, FOUND, INDEXED, VISITED, COMPARED = 100, 20, 20, 500, 60

#: A JSON Pointer to a top-level member of the document.
MEMBER = re.compile(r"/([A-Za-z_][A-Za-z0-9_-]*)")

#: The name after `..`, and the names and indexes of the following steps.
Steps = tuple[str, tuple[str | int, ...]]


class BoundedQuery:
    """The conditions of one call's fault rules. Raises TooMuchWork when the call's work is used up.

    A sandbox may have a thousand rules, and their evaluation blocks the event loop. So work is counted, in units
    of about ten nanoseconds. `$..name`, the usual search, is looked up in an index that is made once for each
    document."""

    def __init__(self, most: int = MOST_WORK) -> None:
        self._left = most
        #: By the identity of a document: the document (which keeps its identity alive) and its index.
        self._indexes: dict[int, tuple[Any, dict[str, list[Any]], int]] = {}
        #: By the identity of an array or object: the value and its text.
        self._texts: dict[int, tuple[Any, str]] = {}

    def _work(self, units: int) -> None:
        self._left -= units
        if self._left < 0:
            raise TooMuchWork

    def find(self, path: str, document: Any) -> Sequence[Any]:
        """Return the values in `document` at a JSONPath or JSON Pointer."""
        self._work(PATH)
        member = MEMBER.fullmatch(path)
        if member is not None and isinstance(document, dict):
            return [document[member[1]]] if member[1] in document else []
        if not searches(path):
            return find(path, document)
        _, index, size = self._index(document)
        steps = steps_of(path)
        if steps is None:
            self._work(VISITED * size)
            found = find(path, document)
        else:
            found = _followed(index.get(steps[0], []), steps[1])
        self._work(FOUND * len(found))
        return found

    def text(self, value: Any) -> str:
        """Return the text of a value that a condition searches."""
        if isinstance(value, str):
            text = value
        else:
            known = self._texts.get(id(value))
            text = str(value) if known is None else known[1]
            if isinstance(value, dict | list):
                self._texts[id(value)] = (value, text)
        self._work(COMPARED + len(text))
        return text

    def _index(self, document: Any) -> tuple[Any, dict[str, list[Any]], int]:
        """Return the document, the values of each member name anywhere in it, in the order of RFC 9535, and the
        number of all values."""
        known = self._indexes.get(id(document))
        if known is None:
            index: dict[str, list[Any]] = {}
            size = 0
            waiting = [document]
            while waiting:
                value = waiting.pop()
                size += 1
                if isinstance(value, dict):
                    for name, item in value.items():
                        index.setdefault(name, []).append(item)
                    waiting += reversed(value.values())
                elif isinstance(value, list):
                    waiting += reversed(value)
            known = self._indexes[id(document)] = (document, index, size)
            self._work(INDEXED * size)
        return known


@lru_cache(maxsize=MOST_COMPILED)
def steps_of(path: str) -> Steps | None:
    """Return the steps of a path such as `$..name` or `$..name.other[0]`; None for every other path."""
    from jsonpath import segments, selectors

    first, *rest = compiled(path).segments
    if not isinstance(first, segments.JSONPathRecursiveDescentSegment):
        return None
    if not all(isinstance(segment, segments.JSONPathChildSegment) for segment in rest):
        return None
    chosen = [segment.selectors for segment in (first, *rest)]
    if not all(len(of) == 1 and isinstance(of[0], selectors.NameSelector | selectors.IndexSelector) for of in chosen):
        return None
    steps: list[Any] = [getattr(of[0], "name", getattr(of[0], "index", None)) for of in chosen]
    return (steps[0], tuple(steps[1:])) if isinstance(steps[0], str) else None


def _followed(values: list[Any], steps: Sequence[str | int]) -> list[Any]:
    for step in steps:
        if isinstance(step, str):
            values = [value[step] for value in values if isinstance(value, dict) and step in value]
        else:
            values = [value[step] for value in values if isinstance(value, list) and -len(value) <= step < len(value)]
    return values


#: `bounded()` returns an object that evaluates the conditions of one call.
bounded = BoundedQuery
