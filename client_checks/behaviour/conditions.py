"""Cases as data: the rows of `conditions.yaml`, and files of the same format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from swapmock import contracts
from swapmock.client_checks.behaviour.gateway_effects import EFFECTS, GatewayFault
from swapmock.client_checks.behaviour.model import Meaning, Role
from swapmock.client_checks.behaviour.providers import Provider
from swapmock.client_checks.behaviour.validation import violations

#: A late answer takes this many times the client's smallest time-out. The second number is that time-out in seconds, if
#: the client does not declare one.
LATE, USUAL = 1.5, 65.0
#: Effects of the emulator that delay an answer or a part of it.
HOLDING = {"delay", "stall", "bandwidth"}
#: What a client must do so that a case applies to it.
NEEDS = ("callbacks", "downloads", "detection", "uploads", "resume", "batch")


class BadCase(ValueError):
    """A row of cases that is not valid; the text names the row."""


@dataclass(frozen=True)
class Condition:
    """One case. `conditions.yaml` explains each field."""

    name: str
    about: str = ""
    only: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    scenario: str | None = None
    balance: float | str | None = None
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()
    gateway: tuple[Mapping[str, Any], ...] = ()
    triggers: tuple[Mapping[str, Any], ...] = ()
    kill: Mapping[str, str] = field(default_factory=dict)
    second: bool = False
    inputs: Mapping[str, str] = field(default_factory=dict)
    tls: str = ""
    needs_lever: str = ""
    vary: Mapping[str, Any] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        """Return the row that gives this case when it is read."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items() if value}

    def fault_rules(self, provider: Provider, rate: float, timeout: float | None = None) -> list[dict[str, Any]]:
        """Return the fault rules for the emulator: one for each operation of the roles.

        `rate` is the number of sandbox seconds in a real second; `timeout` is the client's smallest time-out in
        seconds."""
        found = []
        for row in self.faults:
            effect = dict(row["effect"])
            if "delay" in effect:
                held = _delays(effect["delay"], timeout)
                effect["delay"] = [one / rate for one in held] if len(held) > 1 else held[0] / rate
            for operation in (name for role in _roles(row) for name in provider.operations(role)):
                rule: dict[str, Any] = {"effect": effect, "match": {"provider": provider.name, "operation": operation}}
                if "nth" in row:
                    rule["match"]["nth"] = row["nth"]
                rule |= {name: row[name] for name in ("moment", "times") if name in row}
                found.append(rule)
        return found

    @property
    def delayed_roles(self) -> frozenset[Role]:
        """Return the roles whose answers the emulator delays on purpose."""
        held = {role for row in self.faults if HOLDING & set(row["effect"]) for role in _roles(row)}
        held |= {Role.CREATE} if self.scenario == "callback_before_answer" else set()
        return frozenset(held | ({Role.MEDIA} if self.is_about_media else set()))

    @property
    def is_about_media(self) -> bool:
        """Return whether the emulator's media host fails in this case."""
        return (self.scenario or "").startswith("media_") or any(Role.MEDIA in _roles(row) for row in self.faults)

    def longest_delay(self, timeout: float | None = None) -> float:
        """Return the longest delay of an answer, in seconds of the case's clock; `timeout` as in fault_rules."""
        delays = [_delays(row["effect"]["delay"], timeout) for row in self.faults if "delay" in row["effect"]]
        return max((max(one) for one in delays), default=0.0)

    def gateway_faults(self, elsewhere: str) -> list[GatewayFault]:
        """Return the faults of the gateway. `elsewhere` is the URL on another host to which redirects lead."""
        return [
            GatewayFault(
                role=role,
                effect=row["effect"],
                value=elsewhere if row.get("value") == "elsewhere" else row.get("value"),
                nth=row.get("nth", 1),
                times=row.get("times"),
                meaning=Meaning(row["meaning"]) if "meaning" in row else None,
            )
            for row in self.gateway
            for role in _roles(row)
        ]


def _delays(delay: Any, timeout: float | None) -> list[float]:
    """Return a delay in seconds, or the two bounds of its range. `late` is beyond the client's smallest `timeout`."""
    if delay == "late":
        return [LATE * (timeout or USUAL)]
    return [float(one) for one in delay] if isinstance(delay, list | tuple) else [float(delay)]


def _roles(row: Mapping[str, Any]) -> list[Role]:
    given = row["role"]
    return [Role(one) for one in (given if isinstance(given, list | tuple) else [given])]


def read(rows: Any) -> list[Condition]:
    """Return the conditions of `rows`. Raises BadCase with a line for each value that does not match
    `conditions.schema.json`."""
    wrong = violations(schema(), rows, "list")
    if wrong:
        raise BadCase("; ".join(f"case {line}" for line in wrong))
    found = _conditions(rows)
    for condition in found:
        for fault in condition.gateway:
            if fault["effect"] not in EFFECTS:
                known = ", ".join(EFFECTS)
                raise BadCase(f"case {condition.name}: no effect {fault['effect']!r} of the gateway; known: {known}")
    return found


def _conditions(rows: list[dict[str, Any]]) -> list[Condition]:
    lists_as_tuples: Any = (
        {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()} for row in rows
    )
    return [Condition(**values) for values in lists_as_tuples]


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a file of cases."""
    text = files("swapmock.client_checks.behaviour").joinpath("conditions.schema.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


@cache
def corpus() -> tuple[Condition, ...]:
    """Return the cases that run if the user names none. They are not checked: a test does that."""
    return tuple(_conditions(contracts.read_yaml(Path(__file__).parent / "conditions.yaml")))


def from_file(path: Path) -> list[Condition]:
    """Return the cases of a file: a list of rows, or one row."""
    try:
        rows = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as wrong:
        raise BadCase(f"{path}: {wrong}") from None
    return read(rows if isinstance(rows, list) else [rows])
