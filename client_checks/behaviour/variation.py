"""Changes of an answer that its contract allows. A client that breaks on one of them relied on an undocumented
detail."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from swapmock.client_checks.behaviour.conditions import Condition
from swapmock.client_checks.behaviour.gateway_effects import Answer
from swapmock.client_checks.behaviour.model import Role
from swapmock.client_checks.behaviour.providers import Provider, parsed

Change = Callable[[Any, random.Random], Any]


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        return {name: _shuffled(value[name], chance) for name in names}
    return [_shuffled(item, chance) for item in value] if isinstance(value, list) else value


def _with_more(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        more = {name: _with_more(item, chance) for name, item in value.items() if name != "param"}
        more |= {name: item for name, item in value.items() if name == "param"}
        return more | {f"x_{chance.randrange(1000)}": chance.choice([None, True, 1.5, "new", [], {"deep": {}}])}
    return [_with_more(item, chance) for item in value] if isinstance(value, list) else value


def _faces_reversed(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        return {
            name: item[::-1] if name == "faces" and isinstance(item, list) else _faces_reversed(item, chance)
            for name, item in value.items()
        }
    return value


def _amounts(value: Any, chance: random.Random) -> Any:
    """Return `credits` and balances as fractional numbers: 12 as 12.0."""
    if isinstance(value, dict):
        money = ("credits", "balance", "estimated_credits")
        return {
            name: float(item)
            if name in money and isinstance(item, int) and not isinstance(item, bool)
            else _amounts(item, chance)
            for name, item in value.items()
        }
    return value


#: Changes of the parsed document, by name.
CHANGES: Mapping[str, Change] = {
    "order_of_keys": _shuffled,
    "extra_fields": _with_more,
    "order_of_faces": _faces_reversed,
    "forms_of_numbers": _amounts,
}
#: Changes of the document's text and of its headers, by name.
FORMS = ("whitespace", "unicode_escapes", "header_case", "chunking")
ALL = (*CHANGES, *FORMS)


class Variation:
    """A set of changes from a seed. It is called with each answer on its way to the client."""

    def __init__(self, seed: int, names: tuple[str, ...], provider: Provider) -> None:
        self.names, self._provider = names, provider
        self._chance = random.Random(f"vary {seed}")  # its own random numbers: the same seed gives the same changes

    @classmethod
    def read(cls, row: Mapping[str, Any], provider: Provider) -> Variation:
        """Return the variation of a case's row: `seed`, and `names` of changes (all if not given)."""
        return cls(int(row.get("seed", 1)), tuple(row.get("names") or ALL), provider)

    def __call__(self, answer: Answer, role: Role) -> None:
        if role is not Role.MEDIA:
            document = parsed(answer.body)
            if isinstance(document, dict):
                self._rewrite(answer, document)
        if "header_case" in self.names:
            answer.headers = [(self._case(name), value) for name, value in answer.headers]
        if "chunking" in self.names and answer.cut is None:
            answer.chunked = True

    def _rewrite(self, answer: Answer, document: dict[str, Any]) -> None:
        for name, change in CHANGES.items():
            if name in self.names:
                document = change(document, self._chance)
        indent = self._chance.choice([1, 2, 4]) if "whitespace" in self.names else None
        compact = (",", ":") if indent is None else None
        text = json.dumps(document, ensure_ascii="unicode_escapes" in self.names, indent=indent, separators=compact)
        answer.body = (f"\n {text}\r\n" if "whitespace" in self.names else text).encode()

    def _case(self, name: str) -> str:
        return self._chance.choice([name.upper(), name.title(), name.lower()])


def varied(rows: Sequence[Condition], seed: int) -> list[Condition]:
    """Return the named cases `rows` with every change at once.

    Without named cases, return the plain case with all changes together, with each change alone (so that the
    report names the one that broke the client), and with the changes that the emulator can make."""
    if rows:
        return [replace(one, vary={"seed": seed}) for one in rows]
    together = Condition("vary", f"everything that the contract leaves open changes (seed {seed})", vary={"seed": seed})
    alone = [
        Condition(f"vary_{name}", f"only this changes: {name}", vary={"seed": seed, "names": [name]}) for name in ALL
    ]
    return [together, *alone, *EMULATED]


#: Changes that the emulator makes: the form of ids, words that the sources spell differently, the times of answers, of
#: the ends of tasks, and of callbacks.
EMULATED = (
    Condition(
        "vary_short_ids",
        "only this changes: task ids are short",
        only=("crun",),
        variants={"crun": {"task_id_form": "short"}},
    ),
    Condition(
        "vary_inner_status",
        "only this changes: the inner word of a detection",
        only=("crun",),
        variants={"crun": {"detection_inner_status": "succeeded"}},
    ),
    Condition(
        "vary_wrapped_callback",
        "only this changes: callbacks come in the envelope",
        only=("crun",),
        needs=("callbacks",),
        variants={"crun": {"callback_body": "wrapped"}},
    ),
    Condition(
        "vary_short_tasks",
        "only this changes: tasks have ended by the first poll",
        scenario="instant",
    ),
    Condition(
        "vary_long_answers",
        "only this changes: each answer takes three seconds",
        faults=({"role": ["create", "detect", "poll", "detect_poll"], "effect": {"delay": 3.0}},),
    ),
    Condition(
        "vary_late_callback",
        "only this changes: the callback comes after the poll's success",
        needs=("callbacks",),
        scenario="callback_late",
    ),
    Condition(
        "vary_early_callback",
        "only this changes: the callback comes before the poll's success",
        needs=("callbacks",),
        scenario="callback_before_answer",
    ),
    Condition(
        "vary_id_prefix",
        "only this changes: what task ids begin with",
        only=("imgopen",),
        variants={"imgopen": {"id_prefix": "pro"}},
    ),
    Condition(
        "vary_receipt",
        "only this changes: a submission answers its id alone",
        only=("imgopen",),
        variants={"imgopen": {"receipt": "task_id"}},
    ),
)
