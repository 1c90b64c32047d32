"""What the checks know of a provider in addition to its contract: `profiles/PROVIDER.yaml`, or `profile.yaml` beside
the contract of a provider outside this package.

A profile says how credentials are sent, which operation gives prices, how a task is polled, and which flows and
refusals are run. Codes, status words and evidence stay in the contract."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from swapmock.client_checks.conformance.pointer import NAME
from swapmock.contracts import Contract, Operation, guesses, installed, load, outside, read_yaml
from swapmock.contracts.polls import TaskIdPlace

FOLDER = Path(str(files(__package__))) / "profiles"


@dataclass(frozen=True)
class Credential:
    """A header that carries a secret. The secret comes from the first variable of `env` that is set. `field` names
    the member of the contract's credentials that holds the secret: `key` or `secret`."""

    header: str
    env: Sequence[str]
    field: str = "key"

    def shown(self, contract: Contract, secret: str) -> str:
        """Return the header's value for `secret`, by the contract's template, such as `Bearer {key}`."""
        form = contract.behaviour.credential_form
        templates = {} if form is None else {name.lower(): template for name, template in form.headers.items()}
        template = templates.get(self.header.lower(), f"{{{self.field}}}")
        return template.replace(f"{{{self.field}}}", secret)


@dataclass(frozen=True)
class Estimate:
    """Where a price comes from: each of `operations` gives the price for the same body, at its JSON pointer in `at`. If
    the value at the pointer in `tentative` is true, the price is settled later and may differ."""

    operations: Sequence[str] = ()
    at: Mapping[str, str] = field(default_factory=dict)
    tentative: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of task: submitted by `operations`, then polled until it has ended.

    `id` points into the submission's answer; `state`, `result`, `reason` and `media` point into the poll's
    answer. The contract says where a poll names its task. `words` names the row of the contract's status_words,
    or a row for each choice of a variant: `{variant: NAME, CHOICE: ROW, ...}`. `match` has the values of path
    parameters that select this kind, if one operation polls several kinds. `callers` points at the caller's own
    id in a submission. `answered` says that the submission's answer may have the ended task. `failed_result` says that a failed task may have a result, which then gives the reason.
    `callback` has the pointers into a callback's body.

    The following point into the poll's answer: `echo` at the task's id, `own` at the server's id, `times` at
    beginning and end, `duration` at the seconds between them, `credits` at the cost, `fixed` at values that never
    change, `links` at the files of a result, `faces` at the list of faces, `unique` at further ids that no two tasks
    share. `echoes` maps places in the submission to places in the poll that repeat them. `nulls` maps places in the
    submission to places in the poll that are null if the submission has no value. `constants` maps places to the value
    that every task has. `ended` maps places in a success to the variant whose choice stands there. `text` points at the words for the state, `reason` at why a task
    failed. `described` maps places to columns of the contract's row of the model. `forms` says which form
    an id has."""

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
    constants: Mapping[str, Any] = field(default_factory=dict)
    nulls: Mapping[str, str] = field(default_factory=dict)
    ended: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    reason: str = ""
    unique: Sequence[str] = ()
    answered: bool = False

    def asked_at(self, contract: Contract) -> TaskIdPlace:
        """Return where a poll of this kind names its task: query, body or path. Raises ValueError if the contract
        does not say."""
        place = contract.operations[self.poll].poll
        if place is None:
            raise ValueError(f"{contract.name}: neither a link nor x-task-id says where {self.poll} names its task")
        return place

    def row_of_words(self, variants: Mapping[str, Any]) -> str:
        """Return the row of the contract's status_words: `words` itself, or the row for the choice of a variant."""
        return self.words if isinstance(self.words, str) else str(self.words[variants[self.words["variant"]]])


@dataclass(frozen=True)
class Profile:
    """The profile of one provider.

    `absent` names operations that do not exist under some choices of variants. `anonymous` has the choices under
    which calls without credentials are accepted. `links` point at links in answers. `lists` says, for each
    operation that returns a page, where the `items` and their ids (`key`) are, and where there are such members, the
    `total` of all items, and the members of the request that ask for a `page` and its `size`. `affordable`
    points at where an estimate says whether the balance is sufficient. `details` names the call that returns one
    item of a list. `asked` says, for each operation, what a request asks of the files of its result (asked.py).
    `handed_out` says, for each operation, where its answer has links that are new each time. `opened` has the rules
    for members of one object of a body that are not applied under some choices."""

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
    asked: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    handed_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    opened: Sequence[Mapping[str, Any]] = ()

    def everywhere(self, contract: Contract, *, with_paid: bool) -> Iterator[Mapping[str, Any]]:
        """Yield the refusals of `every_operation` for each operation that needs credentials and has no such row yet, and
        each operation without each value that it requires. Operations that may cost are included only if `with_paid`."""
        asked = [one for one in contract.operations.values() if not one.is_public and (with_paid or not one.may_cost)]
        for name in self.every_operation:
            row = next(row for row in self.refusals if row["name"] == name)
            for operation in asked:
                if operation.id == row["call"] or ("content" in row and not operation.takes_json):
                    continue
                yield {"name": f"{name}: {operation.id}", "call": operation.id, **self._sample(operation), **_kept(row)}
        for operation in asked if self.every_operation else ():
            yield from self._without_required(operation)

    def _without_required(self, operation: Operation) -> Iterator[dict[str, Any]]:
        """The operation without each query parameter and each member of the body that its contract requires."""
        sample = self._sample(operation)
        query = [one["name"] for one in operation.parameters if one["in"] == "query" and one.get("required")]
        members = operation.body_schema.get("required", ()) if operation.takes_json else ()
        for place, names in (("query", query), ("body", members)):
            for name in names:
                if name in sample.get(place, {}):
                    less = {key: value for key, value in sample[place].items() if key != name}
                    row = {"name": f"{name} missing: {operation.id}", "call": operation.id, **sample, place: less}
                    yield {**row, "refused": "invalid", "mentions": name, **_if_guessed(operation, place, less)}

    def _sample(self, operation: Operation) -> dict[str, Any]:
        """Return path, query and body of a valid call of `operation`: from a flow or a poll, with a placeholder for
        each value that an earlier step would have saved."""
        known = {*self.values["live"], "unique"}
        steps = [step for flow in self.flows for step in flow["steps"] if step.get("call") == operation.id]
        found = {key: steps[0][key] for key in ("path", "query", "body") if key in steps[0]} if steps else {}
        if not steps and operation.poll is not None:
            found = {operation.poll.place: {operation.poll.name: "no-such-task"}}
        path = {one["name"]: "x" for one in operation.parameters if one["in"] == "path"}
        return {**_worded(found, known), "path": {**path, **_worded(found.get("path", {}), known)}}

    def present(self, operations: Sequence[str], variants: Mapping[str, Any]) -> list[str]:
        """Return those of `operations` that exist under the choices `variants`."""
        return [name for name in operations if not (name in self.absent and applies(self.absent[name], variants))]

    def polled_by(self, operation: str, params: Mapping[str, str]) -> list[Kind]:
        """Return the kinds of task that a call of `operation` with the path parameters `params` polls."""
        return [
            kind
            for kind in self.kinds.values()
            if kind.poll == operation and all(params.get(name) in wanted for name, wanted in kind.match.items())
        ]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Profile:
        """Return the profile in a parsed YAML `document`."""
        rows = dict(document)
        return cls(
            credentials=[Credential(**row) for row in rows.pop("credentials")],
            estimates={name: Estimate(**row) for name, row in rows.pop("estimates", {}).items()},
            kinds={row["name"]: Kind(**row) for row in rows.pop("kinds")},
            **rows,
        )


def _if_guessed(operation: Operation, place: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choice under which a request that breaks only guesses of the contract is refused; empty for any other."""
    if place == "body":
        violations = operation.check_body(operation.normalize(dict(given)))
    else:
        violations = operation.check_parameters({place: dict(given)})
    refused = guesses.left(operation, given, violations, {guesses.VARIANT: "accept"})
    return {} if refused else {"when": {guesses.VARIANT: "refuse"}}


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """What of a refusal is the same for every operation."""
    names = ("credentials", "account", "content", "refused", "codes", "when", "needs", "evidence")
    return {name: row[name] for name in names if name in row}


def _worded(value: Any, known: Collection[str]) -> Any:
    """Return `value` with a placeholder for every `$name` that is not in `known`."""
    if isinstance(value, str):
        return NAME.sub(lambda match: match[0] if match[1] in known else "no-such-thing", value)
    if isinstance(value, Mapping):
        return {key: _worded(one, known) for key, one in value.items()}
    return [_worded(one, known) for one in value] if isinstance(value, list) else value


def applies(when: Mapping[str, Any] | None, variants: Mapping[str, Any]) -> bool:
    """Return whether each variant in `when` has the choice given there, or one of a list of choices."""
    for name, choice in (when or {}).items():
        wanted = choice if isinstance(choice, list) else [choice]
        if variants.get(name) not in wanted:
            return False
    return True


def known() -> list[str]:
    """Return the providers that every emulator has and that have a profile: of this package first, then of installed
    packages."""
    own = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return [*own, *(name for name in installed() if name not in own and "profile" in load(name).tables)]


def has_profile(provider: str) -> bool:
    """Return whether there is a profile for `provider`, which may come from a folder that was added in this process."""
    return provider in known() or (provider in outside() and "profile" in load(provider).tables)


@lru_cache(maxsize=8)
def profile(provider: str) -> Profile:
    """Return the profile of `provider`. Raises FileNotFoundError if there is none."""
    file = FOLDER / f"{provider}.yaml"
    if file.is_file() or not has_profile(provider):
        return Profile.read(read_yaml(file))
    return Profile.read(load(provider).tables["profile"])
