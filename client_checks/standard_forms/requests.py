"""The flows of a profile as plain requests, from which every standard format is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from swapmock.client_checks.conformance.pointer import NAME
from swapmock.client_checks.conformance.profile import Profile, applies
from swapmock.client_checks.conformance.schema import success_status
from swapmock.contracts import Contract, Operation, load

#: The seconds between two polls, and the maximal number of polls.
WAIT, MOST = 1, 240


@dataclass(frozen=True)
class Request:
    """One request of a flow. Values may contain `$name` for a saved value, or `$unique`.

    `content` is a body that is not JSON. `headers` are the credentials: text, or `$name` of an input. `status`
    and `code` are what the answer must have (`code` is None without an envelope). `saves` maps names to pointers
    into the answer. `until` is a pointer and the word that must be there, for a request that is repeated; `ended`
    are the status words of an ended task."""

    title: str
    operation: Operation
    headers: Mapping[str, str]
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content: str | None = None
    status: int = 200
    code: Any = None
    saves: Mapping[str, str] = field(default_factory=dict)
    until: tuple[str, Any] | None = None
    ended: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Flow:
    """A flow. `notes` describe the steps that no request of a contract can express."""

    name: str
    about: str
    requests: tuple[Request, ...]
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The flow's name as an identifier."""
        return slug(self.name)


@dataclass(frozen=True)
class Source:
    """The source of the standard formats of one provider. `is_live` leaves out what needs an emulator."""

    contract: Contract
    profile: Profile
    is_live: bool = False

    @property
    def variants(self) -> Mapping[str, Any]:
        """The contract's default choices."""
        return self.contract.behaviour.defaults

    @property
    def values(self) -> Mapping[str, Any]:
        """The URLs for the `$names` of media."""
        more = {} if self.is_live else self.profile.values.get("emulator", {})
        return {**self.profile.values.get("live", {}), **more, "callback_url": "https://your-domain.com/api/callback"}

    def flows(self) -> list[Flow]:
        """Return every flow that applies to a server with the contract's defaults and uses only standing accounts."""
        return [self._flow(row) for row in self.profile.flows if self._is_for_us(row) and self._has_accounts(row)]

    def _has_accounts(self, row: Mapping[str, Any]) -> bool:
        """Return whether every account of a flow is a standing one. `check` makes others, such as an account with one
        credit."""
        return {step.get("account", "default") for step in row["steps"]} <= self.contract.behaviour.credentials.keys()

    def _is_for_us(self, row: Mapping[str, Any]) -> bool:
        needs = row.get("needs") or ()
        needs = {needs} if isinstance(needs, str) else set(needs)
        return applies(row.get("when"), self.variants) and not (self.is_live and needs & {"emulator", "clock"})

    def _flow(self, row: Mapping[str, Any]) -> Flow:
        requests: list[Request] = []
        notes: list[str] = []
        for step in row["steps"]:
            if not self._is_for_us(step) or ("call" in step and not self._is_present(step)):
                continue
            made = next((make(self, step) for name, make in MADE.items() if name in step), None)
            if isinstance(made, Request):
                requests.append(made)
            elif made:
                notes.append(made)
        return Flow(row["name"], row["about"], tuple(requests), tuple(notes))

    def _is_present(self, step: Mapping[str, Any]) -> bool:
        return bool(self.profile.present([step["call"]], self.variants))

    def filled(self, value: Any) -> Any:
        """Return `value` with media URLs in place of their names. A value that the flow saves keeps its `$name`."""
        if isinstance(value, str):
            return NAME.sub(lambda match: str(self.values.get(match[1], match[0])), value)
        if isinstance(value, Mapping):
            return {key: self.filled(one) for key, one in value.items()}
        return [self.filled(one) for one in value] if isinstance(value, list) else value

    def inputs(self) -> dict[str, str]:
        """Return each input's name with its value on an emulator: the credentials of its standing accounts."""
        return {
            input_name(one.header, account): one.shown(self.contract, str(row[one.field]))
            for account, row in self.contract.behaviour.credentials.items()
            for one in self.profile.credentials
        }

    def headers(self, step: Mapping[str, Any]) -> dict[str, str]:
        """Return the credential headers of a step."""
        chosen = step.get("credentials", "default")
        if chosen == "none":
            return {}
        account = str(step.get("account", "default"))
        found = {one.header: f"${input_name(one.header, account)}" for one in self.profile.credentials}
        return {**found, **chosen} if isinstance(chosen, Mapping) else found


def input_name(header: str, account: str = "default") -> str:
    """Return the name of the input for the credential `header` of an `account`."""
    return slug(header if account == "default" else f"{account} {header}")


def slug(text: str) -> str:
    """Return `text` as an identifier."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _called(source: Source, step: Mapping[str, Any]) -> Request:
    operation = source.contract.operations[step["call"]]
    status, code = _expected(source, step.get("refused"), operation)
    return Request(
        step.get("name") or f"{operation.id}{' is refused' if 'refused' in step else ''}",
        operation,
        source.headers(step),
        source.filled(step.get("path", {})),
        source.filled(step.get("query", {})),
        source.filled(step["body"]) if "body" in step else None,
        step.get("content"),
        status,
        code,
        _plain(step.get("save", {})),
    )


def _polled(source: Source, step: Mapping[str, Any]) -> Request:
    kind = source.profile.kinds[step["poll"]]
    operation = source.contract.operations[kind.poll]
    asks = kind.asked_at(source.contract)
    words = source.contract.behaviour.status_words[kind.row_of_words(source.variants)]
    status, code = _expected(source, None, operation)
    places: dict[str, dict[str, Any]] = {"path": {**kind.path, **step.get("path", {})}, "query": {}, "body": {}}
    places[asks.place][asks.name] = source.filled(step["id"])
    return Request(
        f"{operation.id} until it has {step.get('until', 'succeeded')}",
        operation,
        source.headers(step),
        places["path"],
        places["query"],
        places["body"] or None,
        None,
        status,
        code,
        _plain(step.get("save", {})),
        (kind.state, words[step.get("until", "succeeded")]),
        (words["succeeded"], words["failed"]),
    )


def _advanced(source: Source, step: Mapping[str, Any]) -> Request:
    by = step["advance"]
    seconds = by if isinstance(by, int | float) else source.contract.behaviour.seconds(by)
    seconds = seconds - step["before"] if "before" in step else seconds + (0 if isinstance(by, int | float) else 1)
    operation = load("admin").operations["advance_clock"]
    return Request(f"advance by {seconds:.0f} s", operation, {}, {"sandbox": "default"}, {}, {"by": seconds})


def _expected(source: Source, refused: str | None, operation: Operation) -> tuple[int, Any]:
    """Return the HTTP status and body code of the answer, under the contract's defaults."""
    behaviour = source.contract.behaviour
    envelope = behaviour.envelope
    if refused is None:
        found = success_status(operation)
        return int(found) if found.isdigit() else 200, None if envelope is None else envelope.success
    refusal = behaviour.refusals[refused]
    row = behaviour.body_codes[refusal.code]
    usual = 200 if source.variants.get("http_status") == "always200" else row.http
    return refusal.http or usual, None if envelope is None else refusal.code


def _plain(saves: Mapping[str, str]) -> dict[str, str]:
    """Return the values that are saved from one place. A pointer with `*` is used only by downloads."""
    return {name: pointer for name, pointer in saves.items() if "*" not in pointer}


#: The member that names a kind of step -> the function that makes a request or a note of it.
MADE: Mapping[str, Callable[[Source, Mapping[str, Any]], Request | str]] = {
    "call": _called,
    "poll": _polled,
    "advance": _advanced,
    "callback": lambda *_: "The server then sends the callback.",
    "put": lambda *_: "The file is then sent by PUT to the presigned URL.",
    "download": lambda _, step: f"The {step['kind']} is then downloaded.",
}


def names_in(value: Any) -> Iterator[str]:
    """Yield every `$name` in a value."""
    if isinstance(value, str):
        yield from (match[1] for match in NAME.finditer(value))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from names_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from names_in(one)


def with_names(value: Any, write: Callable[[str], str]) -> Any:
    """Return `value` with every `$name` replaced by `write(name)`."""
    if isinstance(value, str):
        return NAME.sub(lambda match: write(match[1]), value)
    if isinstance(value, Mapping):
        return {key: with_names(one, write) for key, one in value.items()}
    return [with_names(one, write) for one in value] if isinstance(value, list) else value
