"""The tables that an agent may look up: rows of the contracts, and the rules for clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swapmock import Control

#: The most rows in one answer: an agent reads every word.
MOST_ROWS = 40

#: How the contract's `callbacks` write the place of the callback URL.
CALLBACK_FIELD = re.compile(r"\{\$request\.body#/(\w+)\}")

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")

Row = dict[str, Any]


def providers(control: Control) -> list[str]:
    """Return the names of the emulated APIs."""
    return list(control.codes())


def operations(control: Control, provider: str) -> Iterable[Row]:
    """Yield the operations of a provider: `id`, `method`, `path`, `summary`, `parameters` and one `example` of the
    body."""
    for path, item in control.contract(provider)["paths"].items():
        for method in METHODS:
            if method in item:
                yield _operation(path, method, item[method])


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Row:
    parameters = [row["name"] for row in operation.get("parameters", ()) if row.get("in") in ("query", "path")]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = [_without_callback(row.get("value"), operation) for row in content.get("examples", {}).values()]
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "may_cost": operation.get("x-cost") != "free",
        **({"parameters": parameters} if parameters else {}),
        **({"example": examples[0]} if examples else {}),
    }


def _without_callback(example: Any, operation: Mapping[str, Any]) -> Any:
    """Return an example without the callback URL: its host does not exist, and the emulator would refuse to call it."""
    expressions = [expression for row in operation.get("callbacks", {}).values() for expression in row]
    fields = {match[1] for expression in expressions if (match := CALLBACK_FIELD.fullmatch(expression))}
    return (
        {name: value for name, value in example.items() if name not in fields} if isinstance(example, dict) else example
    )


def find_operation(control: Control, operation: str) -> tuple[str, Row]:
    """Return the provider and the row of the operation with this id. Raises KeyError."""
    for provider in providers(control):
        for row in operations(control, provider):
            if row["id"] == operation:
                return provider, row
    raise KeyError(operation)


def _scenarios(control: Control, provider: str) -> Iterable[Row]:
    found = control.scenarios()[provider]
    return [*found["scenarios"], *found["series"]]


def _rules(_: Control, provider: str) -> Iterable[Row]:
    from swapmock.client_checks.behaviour.rule import all_rules

    return [
        {
            "id": rule.id,
            "title": rule.title,
            "level": rule.levels[provider].value,
            "because": rule.sources.get(provider, ""),
            "how_a_good_client_does_it": rule.good,
        }
        for rule in all_rules().values()
        if provider in rule.levels
    ]


#: Topic -> the function that returns its rows for one provider.
TOPICS: Mapping[str, Callable[[Control, str], Iterable[Row]]] = {
    "operations": operations,
    "codes": lambda control, provider: control.codes()[provider],
    "magic_values": lambda control, provider: control.magic()[provider],
    "scenarios": _scenarios,
    "variants": lambda control, provider: control.variants()[provider],
    "evidence": lambda control, provider: control.evidence(provider=provider),
    "rules": _rules,
}


def look_up(control: Control, topic: str, text: str, provider: str | None) -> dict[str, Any]:
    """Return the rows of a `topic` that contain every word of `text`, at most MOST_ROWS of them, by provider.
    Without `provider`, all are searched."""
    words, left = text.lower().split(), MOST_ROWS
    found: dict[str, Any] = {}
    left_out = 0
    for name in providers(control) if provider is None else [provider]:
        rows = [row for row in TOPICS[topic](control, name) if all(word in str(row).lower() for word in words)]
        found[name] = rows[:left]
        left_out += len(rows) - len(found[name])
        left -= len(found[name])
    return {"topic": topic, "rows": found, **({"left_out": left_out} if left_out else {})}
