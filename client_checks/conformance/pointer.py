"""JSON pointers (RFC 6901, with `*` for every item of a list), and replacement of `$names`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

NAME = re.compile(r"\$([a-z_][a-z0-9_]*)")


def at(document: Any, pointer: str) -> Any:
    """Return the value that `pointer` names, or None. If `pointer` has a `*`, return the list of all values."""
    if "*" in pointer:
        return list(every(document, pointer))
    return next(every(document, pointer), None)


def every(document: Any, pointer: str) -> Iterator[Any]:
    """Yield all values that `pointer` names."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    yield from _find(document, steps)


def _find(node: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield node
        return
    step, rest = steps[0], steps[1:]
    if step == "*":
        for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
            yield from _find(item, rest)
    elif isinstance(node, Mapping) and step in node:
        yield from _find(node[step], rest)
    elif isinstance(node, list) and step.isdigit() and int(step) < len(node):
        yield from _find(node[int(step)], rest)


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """Return `template` with every `$name` replaced. A text that consists of one `$name` becomes the value itself,
    with its type. Raises KeyError for an unknown name."""
    if isinstance(template, str):
        whole = NAME.fullmatch(template)
        if whole:
            return values[whole[1]]
        return NAME.sub(lambda match: str(values[match[1]]), template)
    if isinstance(template, Mapping):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(item, values) for item in template]
    return template
