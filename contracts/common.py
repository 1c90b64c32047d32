"""Merges the rows of common.yaml with one provider's behaviour.yaml; the provider's rows override the common ones.
Rows are plain data here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from swapmock.contracts.store import store_refusals

Row = dict[str, Any]

#: Table of common.yaml -> the column that names its rows.
KEYS = {"scenarios": "name", "series": "name", "magic": "value"}

#: The host of the magic values for codes and scenarios.
ERRORS = "https://errors.invalid/"


class CommonRowError(ValueError):
    """A row refers to a row that does not exist; the text says which."""


def merge(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole behaviour of a provider: its document `own`, with the rows of `common` that it has not
    dropped.

    The rules are at the top of common.yaml. Raises CommonRowError for a `drop`, an `after` or a `refusal` that
    names no existing row."""
    drop = own.get("drop", {})
    unknown = set(drop) - set(KEYS)
    if unknown:
        raise CommonRowError(f"drop: {', '.join(sorted(unknown))} is none of {', '.join(KEYS)}")
    provider = _Provider(own)
    shared = {table: provider.fitting(common.get(table, ()), drop.get(table, ()), table) for table in KEYS}
    merged = {name: value for name, value in own.items() if name != "drop"}
    merged["series"] = _joined(shared["series"], own.get("series", ()), "name")
    scenarios = _joined(shared["scenarios"], own.get("scenarios", ()), "name")
    dropped = {_value(name) for name in drop.get("magic", ())}
    merged["magic"] = [
        provider.written_out(row)
        for row in _magic(shared["magic"], own.get("magic", ()), provider, scenarios)
        if row["value"] not in dropped
    ]
    merged["scenarios"] = [provider.written_out(_without(row, "magic")) for row in scenarios]
    return merged


class _Provider:
    """What the common rows read from a provider's own document."""

    def __init__(self, own: Mapping[str, Any]) -> None:
        self._own = own
        self.refusals: dict[str, Row] = {row["problem"]: row for row in own.get("refusals", ())}
        self.has_envelope = "envelope" in own

    def of_uploads(self) -> Iterator[Row]:
        """A magic value for each refusal of the upload store: as the whole content of a file it has that file refused."""
        for row in store_refusals().values() if self._own.get("uploads") else ():
            about = f"as the content of an uploaded file: the upload store refuses it with {row.http} {row.code}"
            yield {"value": _value(f"upload_{row.name}"), "upload": {"refuse": row.name}, "about": about}

    def code(self, row: Mapping[str, Any]) -> Any:
        """The code of a refusal; without an envelope that is its HTTP status."""
        return row.get("code", row.get("http"))

    def fitting(self, rows: Iterable[Row], dropped: Iterable[str], table: str) -> list[Row]:
        """The common `rows` that apply to this provider, without the names in `dropped`."""
        key, left = KEYS[table], {_value(name) if table == "magic" else name for name in dropped}
        found = [row for row in rows if row[key] not in left and self._has(row.get("needs")) and self._can_say(row)]
        if not left <= {row[key] for row in rows} and table != "magic":
            raise CommonRowError(f"drop: no row of {table} is named {sorted(left - {row[key] for row in rows})[0]!r}")
        return [_without(row, "needs") for row in found]

    def _has(self, thing: str | None) -> bool:
        return thing is None or (self.has_envelope if thing == "envelope" else thing in self.refusals)

    def _can_say(self, row: Row) -> bool:
        """Return whether the provider has the refusal that a common row names. requirements.py reports a missing
        one."""
        named = {**(row.get("fails") or {}), **(row.get("fault") or {})}.get("refusal")
        return named is None or named in self.refusals

    def written_out(self, row: Row) -> Row:
        """Return a row with the provider's codes and messages in place of `refusal` and `other`."""
        made = dict(row)
        if isinstance(row.get("fails"), Mapping):
            made["fails"] = self._with_refusal(row["fails"], row["name"], message=True)
        if isinstance(row.get("fault"), Mapping):
            fault = self._with_refusal(row["fault"], row["value"], message=False)
            if fault.get("code_type") == "other":
                fault["code_type"] = "number" if isinstance(self._own["envelope"]["success"], str) else "string"
                made["about"] = row["about"].format(code_type=fault["code_type"])
            made["fault"] = fault
        return made

    def _with_refusal(self, given: Mapping[str, Any], name: str, *, message: bool) -> Row:
        if "refusal" not in given:
            return dict(given)
        refusal = self.refusals.get(given["refusal"])
        if refusal is None:
            raise CommonRowError(
                f"{name}: there is no refusal {given['refusal']!r}; add it, or override or drop the row"
            )
        said = {"code": self.code(refusal)} | ({"message": refusal.get("message", "")} if message else {})
        return said | _without(given, "refusal")


def _joined(common: Iterable[Row], own: Iterable[Row], key: str) -> list[Row]:
    """Return the common rows, changed by the members of `own` rows with the same key, and then the other rows of
    `own`."""
    rows = {row[key]: dict(row) for row in common}
    for row in own:
        name = row[key]
        if name in rows:
            rows[name] |= row
        else:
            rows = _with(rows, name, _without(row, "after"), row.get("after"))
    return list(rows.values())


def _with(rows: dict[str, Row], name: str, row: Row, after: str | None) -> dict[str, Row]:
    if after is None:
        return {**rows, name: row}
    if after not in rows:
        raise CommonRowError(f"{name}: there is no row {after!r} to stand after")
    made: dict[str, Row] = {}
    for other, value in rows.items():
        made[other] = value
        if other == after:
            made[name] = row
    return made


def _magic(common: list[Row], own: Iterable[Row], provider: _Provider, scenarios: list[Row]) -> list[Row]:
    """All magic values: faces, the provider's own, those of its codes, those of its scenarios, and faults."""
    own = list(own)
    overridden = {row["value"]: row for row in own}
    shared = [{**row, **overridden.get(row["value"], {})} for row in common]
    added = [row for row in own if row["value"] not in {row["value"] for row in common}]
    taken = {row["value"] for row in (*shared, *added)}
    derived: dict[str, Row] = {}
    for row in (*_of_codes(provider), *_of_scenarios(scenarios), *_of_gateways(shared)):
        if row["value"] not in taken:
            derived.setdefault(row["value"], row)
    return [
        *(row for row in shared if "faces" in row),
        *added,
        *derived.values(),
        *(row for row in shared if "faces" not in row),
        *(row for row in provider.of_uploads() if row["value"] not in taken),
    ]


def _of_codes(provider: _Provider) -> Iterator[Row]:
    """A magic value for each code: the first refusal that has it."""
    seen = set()
    for name, row in provider.refusals.items():
        code = str(provider.code(row))
        if code not in seen:
            seen.add(code)
            yield {"value": _value(code), "refuse": name, "about": f"refused as {name}"}


def _of_gateways(rows: Iterable[Row]) -> Iterator[Row]:
    """The bare status of each page of the gateway, for a provider that has no code of this number."""
    for row in rows:
        status = row.get("fault", {}).get("gateway")
        if status is not None:
            yield {**row, "value": _value(str(status))}


def _of_scenarios(scenarios: Iterable[Row]) -> Iterator[Row]:
    for row in scenarios:
        name = row.get("magic", row["name"])
        if name:
            yield {"value": _value(name), "scenario": row["name"], "about": f"scenario {row['name']}"}


def _value(name: str) -> str:
    return name if "://" in name else f"{ERRORS}{name}"


def _without(row: Mapping[str, Any], name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}
