"""What the checks know of a provider beyond its contract: one YAML file each in `profiles/`.

It says how credentials are sent, who tells prices, how a submission is polled, and the flows and refusals that
are completed. What the vendor's facts are (codes, words, evidence) stays in the contract and is looked up there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from swapmock.contracts import load, read_yaml

FOLDER = Path(str(files(__package__))) / "profiles"


@dataclass(frozen=True)
class Credential:
    """A header that carries a secret; its value comes from the first set variable of `env`."""

    header: str
    env: Sequence[str]
    field: str = "key"


@dataclass(frozen=True)
class Estimate:
    """Who tells what a call costs: each of `operations` tells the price of the same body, at its pointer in `at`."""

    operations: Sequence[str] = ()
    at: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of task: submitted by operations, then polled until it has ended.

    `id` points into the submission's answer, `state`, `result`, `reason` and `media` into the poll's. `ask` is how a poll
    names the task: `{in: query, name: task_id}` or `{in: body, name: businessTaskId}`. `words` names the row of the
    contract's status_words, or a row for each choice of a variant: `{variant: NAME, CHOICE: ROW, ...}`. `match` has the
    values of path parameters by which a poll is of this kind, where one operation polls several; `callers` points at the caller's own id in a submission. `echo` points at the id in the poll's answer,
    `times` at its beginning and end; `forms` says which form an id has; `credits` points at what the task costs.
    `failed_result` says that a failed task may have a result, which then tells why. `callback` has the pointers into a
    callback's body.
    """

    name: str
    submit: Sequence[str]
    id: str
    poll: str
    ask: Mapping[str, str]
    state: str
    words: Any
    result: str = ""
    media: str = ""
    echo: str = ""
    times: Sequence[str] = ()
    forms: Sequence[Mapping[str, Any]] = ()
    callback: Mapping[str, Any] = field(default_factory=dict)
    credits: str = ""
    failed_result: bool = False
    path: Mapping[str, Any] = field(default_factory=dict)
    match: Mapping[str, Sequence[str]] = field(default_factory=dict)
    callers: Sequence[str] = ()

    def row_of_words(self, variants: Mapping[str, Any]) -> str:
        """The row of the contract's status_words: `words` itself, or what it names for the choice of a variant."""
        return self.words if isinstance(self.words, str) else str(self.words[variants[self.words["variant"]]])


@dataclass(frozen=True)
class Profile:
    """One provider's file, typed. `absent` names operations that do not exist under some choices of variants, `anonymous`
    the choices under which calls without credentials are let in."""

    provider: str
    credentials: Sequence[Credential]
    kinds: Mapping[str, Kind]
    flows: Sequence[Mapping[str, Any]]
    refusals: Sequence[Mapping[str, Any]]
    values: Mapping[str, Any]
    wrong_method: int = 405
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    domain_refusals: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    absent: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    account: Mapping[str, Any] = field(default_factory=dict)
    http_overrides: Sequence[Mapping[str, Any]] = ()
    anonymous: Mapping[str, Any] | None = None

    def may_cost(self, operation: str) -> bool:
        """Whether a call may cost credits. The contract says so (`x-cost`), and what it does not declare free may cost;
        "" stands for a request that no operation is at."""
        known = load(self.provider).operations.get(operation)
        return bool(operation) and (known is None or known.may_cost)

    def present(self, operations: Sequence[str], variants: Mapping[str, Any]) -> list[str]:
        """Those of `operations` that exist under these choices."""
        return [name for name in operations if not (name in self.absent and applies(self.absent[name], variants))]

    def polled_by(self, operation: str, params: Mapping[str, str]) -> list[Kind]:
        """The kinds of task that a call of `operation` with these path parameters asks for."""
        return [
            kind
            for kind in self.kinds.values()
            if kind.poll == operation and all(params.get(name) in wanted for name, wanted in kind.match.items())
        ]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Profile:
        rows = dict(document)
        return cls(
            credentials=[Credential(**row) for row in rows.pop("credentials")],
            estimates={name: Estimate(**row) for name, row in rows.pop("estimates", {}).items()},
            kinds={row["name"]: Kind(**row) for row in rows.pop("kinds")},
            **rows,
        )


def applies(when: Mapping[str, Any] | None, variants: Mapping[str, Any]) -> bool:
    """Whether every variant named in `when` has that choice (or one of a list of them)."""
    for name, choice in (when or {}).items():
        wanted = choice if isinstance(choice, list) else [choice]
        if variants.get(name) not in wanted:
            return False
    return True


def known() -> list[str]:
    """The providers that there is a profile for."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@lru_cache(maxsize=8)
def profile(provider: str) -> Profile:
    """The profile of `provider`; FileNotFoundError if there is none."""
    return Profile.read(read_yaml(FOLDER / f"{provider}.yaml"))
