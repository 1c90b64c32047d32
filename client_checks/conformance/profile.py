"""What the checks know of a provider beyond its contract: one YAML file each in `profiles/`.

It says how credentials are sent, which operations may cost, how a submission is polled, and the flows and refusals that
are walked. What the vendor's facts are (codes, words, evidence) stays in the contract and is looked up there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from contracts import read_yaml

FOLDER = Path(str(files(__package__))) / "profiles"


@dataclass(frozen=True)
class Credential:
    """A header that carries a secret; its value comes from the first set variable of `env`."""

    header: str
    env: Sequence[str]
    field: str = "key"


@dataclass(frozen=True)
class Cost:
    """An operation that may be charged for. `estimate` answers the price of the same body at the pointer `at`, for an
    operation without one `credits` is what a call counts as. `batch` says that each call makes a new charge."""

    estimate: str | None = None
    at: str = ""
    credits: float = 0.0


@dataclass(frozen=True)
class Kind:
    """A kind of task: submitted by operations, then polled until it has ended.

    `id` and `state`, `result`, `media` are pointers into the submission's and the poll's answer; `ask` is how a poll
    names the task: `{in: query, name: task_id}` or `{in: body, name: businessTaskId}`. `words` names the row of the
    contract's status_words, or gives the words of each phase itself.
    """

    name: str
    submit: Sequence[str]
    id: str
    poll: str
    ask: Mapping[str, str]
    state: str
    words: str
    result: str = ""
    reason: str = ""
    media: str = ""
    id_form: str = ""
    evidence: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """One provider's file, typed."""

    provider: str
    credentials: Sequence[Credential]
    costs: Mapping[str, Cost]
    kinds: Mapping[str, Kind]
    flows: Sequence[Mapping[str, Any]]
    refusals: Sequence[Mapping[str, Any]]
    values: Mapping[str, Any]
    wrong_method: int = 405
    domain_refusals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    read_only: Sequence[str] = ()
    account: Mapping[str, Any] = field(default_factory=dict)

    def may_cost(self, operation: str) -> bool:
        return operation in self.costs

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Profile:
        rows = dict(document)
        return cls(
            credentials=[Credential(**row) for row in rows.pop("credentials")],
            costs={name: Cost(**row) for name, row in rows.pop("costs").items()},
            kinds={row["name"]: Kind(**row) for row in rows.pop("kinds")},
            **rows,
        )


def known() -> list[str]:
    """The providers that there is a profile for."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@lru_cache(maxsize=8)
def profile(provider: str) -> Profile:
    """The profile of `provider`; FileNotFoundError if there is none."""
    return Profile.read(read_yaml(FOLDER / f"{provider}.yaml"))
