"""Lists every behaviour of a contract with its evidence: how far it can be trusted, and where it was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapmock.contracts.model import Contract

#: Table of behaviour.yaml -> the kind of its rows, and the column with their name.
TABLES = {
    "body_codes": ("body_code", "meaning"),
    "refusals": ("refusal", "message"),
    "timelines": ("timeline", ""),
    "scenarios": ("scenario", "about"),
    "variants": ("variant", "about"),
}


def behaviours(contract: Contract) -> list[dict[str, str]]:
    """Return one row for each behaviour: provider, kind, name, level, source, and a description if there is one."""
    found = [*_operations(contract), *_fields(contract), *_tables(contract), *_callbacks(contract), *_rest(contract)]
    found += _models(contract)
    return [{"provider": contract.name, **row} for row in found]


def _row(kind: str, name: object, level: object, source: object, about: object = "") -> dict[str, str]:
    return {"kind": kind, "name": str(name), "level": str(level), "source": str(source), "about": str(about)}


def _operations(contract: Contract) -> Iterator[dict[str, str]]:
    for operation in contract.operations.values():
        trust = operation.evidence
        if trust:
            about = f"{operation.method} {operation.path}"
            yield _row("operation", operation.id, trust["level"], trust["source"], about)
        if operation.answer_evidence is not trust:
            trust = operation.answer_evidence
            yield _row("answer", operation.id, trust["level"], trust["source"], "what a success answers")


def _fields(contract: Contract) -> Iterator[dict[str, str]]:
    """Yield every component, and every place in a component, that has its own evidence."""
    for group, parts in contract.components.items():
        # Callbacks are listed for each operation that has them.
        for name, part in parts.items() if group not in ("callbacks", "pathItems") else ():
            yield from _within(part, f"{group}/{name}")


def _within(node: Any, place: str) -> Iterator[dict[str, str]]:
    if isinstance(node, Mapping):
        trust = node.get("x-evidence")
        if trust is not None:
            yield _row("schema", place, trust["level"], trust["source"], str(node.get("description", "")))
        for keyword, source in node.get("x-guessed", {}).items():
            yield _row(
                "schema", f"{place}/{keyword}", "inferred", source, f"the rule {keyword}; it refuses nobody by default"
            )
        for name, value in node.items():
            if name not in ("x-evidence", "x-guessed"):
                yield from _within(value, place if name == "properties" else f"{place}/{name}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _within(item, f"{place}/{index}")


def _tables(contract: Contract) -> Iterator[dict[str, str]]:
    for table, (kind, about) in TABLES.items():
        for name, row in getattr(contract.behaviour, table).items():
            yield _row(kind, name, row.evidence, row.source or "ours", getattr(row, about) if about else "")
    for name, series in contract.behaviour.series.items():
        yield _row("series", name, "invented", "ours", series.about)
    for value, magic in contract.behaviour.magic.items():
        yield _row("magic", value, "invented", "ours", magic.about)


def _callbacks(contract: Contract) -> Iterator[dict[str, str]]:
    """Yield the callbacks of each operation: their body, their acknowledgement and their retry schedules."""
    for operation in contract.operations.values():
        for name, callback in operation.spec.get("callbacks", {}).items():
            for item in contract.resolve(callback).values():
                for row in _within(contract.resolve(item), f"{operation.id}/{name}"):
                    yield {**row, "kind": "callback", "name": f"{operation.id}/{name}", "about": "what it carries"}
    rules = contract.behaviour.callbacks
    if rules is not None:
        known = rules.acknowledged
        about = f"HTTP status from {known.statuses[0]} to {known.statuses[1]}"
        about += f", and JSON with code {known.code[0]}" if known.code else ""
        yield _row("callback", "acknowledged", known.evidence, known.source, about)
        for name, schedule in rules.schedules.items():
            shown = (
                f"{', '.join(f'{seconds:g}' for seconds in schedule.intervals) or 'no'} s, {schedule.retries} retries"
            )
            yield _row("ladder", name, schedule.evidence, schedule.source, f"{shown}, then {schedule.then}")


def _rest(contract: Contract) -> Iterator[dict[str, str]]:
    rules = contract.behaviour
    for kind, rows in (("lifetime", rules.lifetimes), ("limit", rules.limits)):
        for name, row in rows.items():
            yield _row(kind, name, row["evidence"], row["source"], row.get("seconds", row.get("value", "")))
    for name, value in rules.rest.items():
        if isinstance(value, Mapping) and "evidence" in value:
            yield _row("fact", name, value["evidence"], value["source"])
        for row in value if isinstance(value, list) else ():
            yield _row("fact", f"{name}: {row['name']}", row["evidence"], row["source"], row.get("meaning", ""))


def _models(contract: Contract) -> Iterator[dict[str, str]]:
    """Yield the rows of the catalogue and of similar tables: one behaviour for each group of columns with its own
    level."""
    for table, document in contract.tables.items():
        if not isinstance(document, Mapping):
            continue
        defaults = document.get("defaults", {})
        for kind, rows in document.items():
            for row in rows if isinstance(rows, list) else ():
                yield from _model(row, kind.rstrip("s"), defaults, table)


def _model(row: Any, kind: str, defaults: Mapping[str, Any], table: str) -> Iterator[dict[str, str]]:
    name = row.get("name", row.get("code")) if isinstance(row, Mapping) else None
    if name is None:
        return
    own, usual = row.get("evidence", {}), defaults.get("evidence", {})
    if isinstance(own, str):
        yield _row(kind, name, own, row.get("source", table))
        return
    for group, level in {**usual, **own}.items():
        source = row.get("source") if group in own else None
        about = f"{row['price']} credits" if group == "price" else ""
        yield _row(kind, f"{name} ({group})", level, source or defaults.get("source", table), about)
