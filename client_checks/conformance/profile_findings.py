"""What is wrong with the `profile.yaml` of a provider from outside this package, all of it at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from swapmock.client_checks.conformance.flow_files import flow_findings
from swapmock.client_checks.conformance.profile import (
    FOLDER,
    Credential,
    Estimate,
    Kind,
    Profile,
    has_profile,
    known,
)
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.contracts import Contract, load, outside
from swapmock.contracts.requirements import nearest


def check_profile(provider: str) -> None:
    """Raise CannotRun with everything that is wrong with the profile of `provider`, or because there is none."""
    if (FOLDER / f"{provider}.yaml").is_file():
        return  # tests look at these
    if not has_profile(provider):
        if provider in outside():
            file = load(provider).folder or FOLDER
            raise CannotRun(f"--provider: {provider} has no {file / 'profile.yaml'}")
        raise CannotRun(f"--provider: {provider!r} is none of {', '.join(known())}")
    contract = load(provider)
    lines = list(profile_findings(contract, contract.tables["profile"]))
    if lines:
        told = " ".join(f"({number}) {line}" for number, line in enumerate(lines, 1))
        raise CannotRun(f"{provider}: profile.yaml is wrong: {told}")


def profile_findings(contract: Contract, document: Any) -> Iterator[str]:
    """Yield a line for each mistake in the parsed `document` of a profile: its members, then the names that it uses."""
    lines = list(_members(document))
    yield from lines or _names(contract, document, Profile.read(document))


def _members(document: Any) -> Iterator[str]:
    if not isinstance(document, Mapping):
        yield "it should be a mapping"
        return
    yield from _row("", document, Profile)
    for table, row_type in (("credentials", Credential), ("kinds", Kind)):
        for row in _sequence(document.get(table)):
            yield from _row(f"{table}: {row.get('name', row.get('header', '?'))}: ", row, row_type)
    for name, row in (document.get("estimates") or {}).items():
        yield from _row(f"estimates: {name}: ", row, Estimate)
    for side in ("live", "emulator"):
        if side not in (document.get("values") or {}):
            yield f"values: no `{side}`: the values of $names"


def _row(place: str, row: Mapping[str, Any], row_type: Any) -> Iterator[str]:
    """Yield a line for each member of `row` that the dataclass `row_type` does not have, and for each that is missing."""
    own = {one.name for one in fields(row_type)}
    for name in row:
        if name not in own:
            yield f"{place}unknown member {name}{nearest(str(name), own)}"
    for one in fields(row_type):
        if one.default is MISSING and one.default_factory is MISSING and one.name not in row:
            yield f"{place}no `{one.name}`"


def _sequence(rows: Any) -> Sequence[Mapping[str, Any]]:
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _names(contract: Contract, document: Mapping[str, Any], facts: Profile) -> Iterator[str]:
    operations, problems = contract.operations, contract.behaviour.refusals
    for kind in facts.kinds.values():
        place = f"kinds: {kind.name}: "
        yield from _unknown(f"{place}submit: ", "operation", kind.submit, operations)
        yield from _unknown(f"{place}poll: ", "operation", [kind.poll], operations)
        if kind.poll in operations and operations[kind.poll].poll is None:
            yield f"{place}openapi.yaml has no link to {kind.poll} that says where it names its task"
        if isinstance(kind.words, str):
            yield from _unknown(f"{place}words: ", "row of status_words", [kind.words], contract.behaviour.status_words)
    yield from (f"flows: {why}" for why in flow_findings(document.get("flows"), contract, facts))
    for row in facts.refusals:
        place = f"refusals: {row.get('name', '?')}: "
        if "call" in row:
            yield from _unknown(f"{place}call: ", "operation", [row["call"]], operations)
        refused = row.get("refused", [])
        yield from _unknown(
            f"{place}refused: ", "refusal", [refused] if isinstance(refused, str) else refused, problems
        )
    rows = [row.get("name") for row in facts.refusals]
    yield from _unknown("every_operation: ", "row of refusals", facts.every_operation, rows)
    for table in ("estimates", "domain_refusals", "absent", "lists", "details", "asked", "handed_out"):
        yield from _unknown(f"{table}: ", "operation", document.get(table) or (), operations)


def _unknown(place: str, what: str, used: Collection[Any], known_names: Collection[Any]) -> Iterator[str]:
    for name in used:
        if name not in known_names:
            yield f"{place}no {what} {name!r}{nearest(str(name), known_names)}"
