"""What the checks know of a provider beyond its contract: `profiles/PROVIDER.yaml`, or `profile.yaml` beside the contract
of a provider from outside this package.

It says how credentials are sent, who tells prices, how a submission is polled, and the flows and refusals that
are completed. What the vendor's facts are (codes, words, evidence) stays in the contract and is looked up there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from swapmock.client_checks.conformance.pointer import NAME
from swapmock.contracts import Contract, Operation, installed, load, outside, read_yaml
from swapmock.contracts.polls import TaskIdPlace

FOLDER = Path(str(files(__package__))) / "profiles"


@dataclass(frozen=True)
class Credential:
    """A header that carries a secret, which comes from the first variable of `env` that is set. `field` names the secret in
    a row of the contract's credentials: `key` or `secret`."""

    header: str
    env: Sequence[str]
    field: str = "key"

    def shown(self, contract: Contract, secret: str) -> str:
        """The header's value that shows `secret`, by the template of the contract, such as `Bearer {key}`."""
        form = contract.behaviour.credential_form
        templates = {} if form is None else {name.lower(): template for name, template in form.headers.items()}
        template = templates.get(self.header.lower(), f"{{{self.field}}}")
        return template.replace(f"{{{self.field}}}", secret)


@dataclass(frozen=True)
class Estimate:
    """Who tells what a call costs: each of `operations` tells the price of the same body, at its pointer in `at`."""

    operations: Sequence[str] = ()
    at: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of task: submitted by operations, then polled until it has ended.

    `id` points into the submission's answer, `state`, `result`, `reason` and `media` into the poll's. Where a poll
    names the task, the contract says. `words` names the row of the
    contract's status_words, or a row for each choice of a variant: `{variant: NAME, CHOICE: ROW, ...}`. `match` has the
    values of path parameters by which a poll is of this kind, where one operation polls several; `callers` points at the caller's own id in a submission. `echo` points at the id in the poll's answer,
    `times` at its beginning and end; `forms` says which form an id has; `credits` points at what the task costs.
    `fixed` points at what stands still from the first poll to the last, `echoes` maps places of the submission to the places
    of a poll that repeat them, `links` point at the files of a result, `faces` at a detection's list of faces, `duration` at
    the seconds between `times`, `own` at the server's id of the task in a poll,
    `described` at what the contract's row of the model says in a column. `failed_result` says that a failed task may have a result, which then tells why. `callback` has the pointers into a
    callback's body.
    """

    name: str
    submit: Sequence[str]
    id: str
    poll: str
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
    fixed: Sequence[str] = ()
    echoes: Mapping[str, str] = field(default_factory=dict)
    links: Sequence[str] = ()
    faces: str = ""
    duration: str = ""
    own: str = ""
    described: Mapping[str, str] = field(default_factory=dict)

    def asked_at(self, contract: Contract) -> TaskIdPlace:
        """Where a poll of this kind names its task: in the query, the body or the path. ValueError if the contract says
        nothing of it."""
        place = contract.operations[self.poll].poll
        if place is None:
            raise ValueError(f"{contract.name}: neither a link nor x-task-id says where {self.poll} names its task")
        return place

    def row_of_words(self, variants: Mapping[str, Any]) -> str:
        """The row of the contract's status_words: `words` itself, or what it names for the choice of a variant."""
        return self.words if isinstance(self.words, str) else str(self.words[variants[self.words["variant"]]])


@dataclass(frozen=True)
class Profile:
    """One provider's file, typed. `absent` names operations that do not exist under some choices of variants, `anonymous`
    the choices under which calls without credentials are let in. `links` point at links in answers. `lists` says of each operation that answers a page where its items, their ids,
    the total and the request's page are; `affordable` where an estimate says whether the balance covers it, `details` which call tells
    of one item of a list."""

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
    every_operation: Sequence[str] = ()
    links: Sequence[str] = ()
    lists: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    affordable: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def everywhere(self, contract: Contract, *, with_paid: bool) -> Iterator[Mapping[str, Any]]:
        """The refusals of `every_operation`, once for each operation that wants credentials and has no such row yet; those
        that may cost only `with_paid`."""
        for name in self.every_operation:
            row = next(row for row in self.refusals if row["name"] == name)
            for operation in contract.operations.values():
                if operation.is_public or operation.id == row["call"]:
                    continue
                if operation.may_cost and not with_paid:
                    continue
                kept = {key: row[key] for key in ("credentials", "refused", "when", "needs", "evidence") if key in row}
                yield {"name": f"{name}: {operation.id}", "call": operation.id, **self._sample(operation), **kept}

    def _sample(self, operation: Operation) -> dict[str, Any]:
        """Path, query and body of a call of `operation` that is well-formed: those of a flow or a poll, with a word in
        place of what earlier steps would have saved."""
        known = {*self.values["live"], "unique"}
        steps = [step for flow in self.flows for step in flow["steps"] if step.get("call") == operation.id]
        found = {key: steps[0][key] for key in ("path", "query", "body") if key in steps[0]} if steps else {}
        if not steps and operation.poll is not None:
            found = {operation.poll.place: {operation.poll.name: "no-such-task"}}
        path = {one["name"]: "x" for one in operation.parameters if one["in"] == "path"}
        return {**_worded(found, known), "path": {**path, **_worded(found.get("path", {}), known)}}

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


def _worded(value: Any, known: Collection[str]) -> Any:
    """`value` with a word in place of every `$name` that is not known."""
    if isinstance(value, str):
        return NAME.sub(lambda match: match[0] if match[1] in known else "no-such-thing", value)
    if isinstance(value, Mapping):
        return {key: _worded(one, known) for key, one in value.items()}
    return [_worded(one, known) for one in value] if isinstance(value, list) else value


def applies(when: Mapping[str, Any] | None, variants: Mapping[str, Any]) -> bool:
    """Whether every variant named in `when` has that choice (or one of a list of them)."""
    for name, choice in (when or {}).items():
        wanted = choice if isinstance(choice, list) else [choice]
        if variants.get(name) not in wanted:
            return False
    return True


def known() -> list[str]:
    """The providers that every emulator has and that there is a profile for: of this package, then of installed ones."""
    own = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return [*own, *(name for name in installed() if name not in own and "profile" in load(name).tables)]


def has_profile(provider: str) -> bool:
    """Whether there is a profile for `provider`, which may be one of a folder that was added in this process."""
    return provider in known() or (provider in outside() and "profile" in load(provider).tables)


@lru_cache(maxsize=8)
def profile(provider: str) -> Profile:
    """The profile of `provider`; FileNotFoundError if there is none."""
    file = FOLDER / f"{provider}.yaml"
    if file.is_file() or not has_profile(provider):
        return Profile.read(read_yaml(file))
    return Profile.read(load(provider).tables["profile"])
