"""How to read each provider's requests and answers: the purpose of a request, and what its answer says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from swapmock import contracts
from swapmock.client_checks.behaviour.model import Meaning, Role

#: The folder with a file for each provider whose clients can be judged.
FOLDER = Path(str(files(__package__))) / "vendors"

#: The names of these providers.
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@dataclass(frozen=True)
class Provider:
    """The rules for reading one provider: its contract, and its file in `vendors/`.

    `ids` are the member names under which answers give a task's id and requests ask for one; `caller_ids` those
    of the caller's own id. `states` maps a status word to its meaning. `media` names the members that hold links
    to results. `refusals_without_effect` are the codes after which no task exists. `retryable` are the codes
    after which a retry makes sense."""

    name: str
    roles: Mapping[str, Role]
    success: tuple[Any, ...]
    ids: tuple[str, ...]
    caller_ids: tuple[str, ...]
    media: tuple[str, ...]
    refusals_without_effect: frozenset[str]
    secret_headers: frozenset[str]
    callback_fields: tuple[str, ...]
    kinds: tuple[str, ...]
    words: Mapping[str, str]
    tool_words: Mapping[str, str]
    detections: Mapping[str, str]

    @classmethod
    def read(cls, name: str) -> Provider:
        """Return the rules of the provider `name`. Raises FileNotFoundError without a file."""
        rows = {"tool_words": {}, "detections": {}, **contracts.read_yaml(FOLDER / f"{name}.yaml")}
        roles = {operation: Role(role) for role, operations in rows.pop("roles").items() for operation in operations}
        frozen: dict[str, Any] = {
            key: frozenset(rows.pop(key)) for key in ("refusals_without_effect", "secret_headers")
        }
        others: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in rows.items()
        }
        envelope = loaded(name).behaviour.envelope
        return cls(name=name, roles=roles, success=() if envelope is None else (envelope.success,), **frozen, **others)

    @property
    def contract(self) -> contracts.Contract:
        """The provider's contract."""
        return loaded(self.name)

    def find(self, method: str, target: str) -> tuple[str, Role]:
        """Return the operationId and the role of a request; ("", OTHER) if the contract does not know it."""
        path = unquote(urlsplit(target).path)
        found = self.contract.find(method, path)
        if found is None:
            is_media = path.startswith(file_prefixes())
            return ("media", Role.MEDIA) if is_media and method in ("GET", "HEAD") else ("", Role.OTHER)
        operation = found[0].id
        if found[0].is_download:
            return operation, Role.MEDIA
        role = self.roles.get(operation, Role.OTHER)
        detects = self.detections and all(found[1].get(name) == value for name, value in self.detections.items())
        return operation, Role.DETECT_POLL if role is Role.POLL and detects else role

    def operations(self, role: Role) -> list[str]:
        """Return the operationIds of one role."""
        return [name for name, one in self.roles.items() if one is role]

    def code(self, answer: Any) -> str:
        """Return the body code of an answer as text; "" if there is none."""
        code = answer.get("code") if isinstance(answer, Mapping) else None
        return "" if code is None or isinstance(code, dict | list | bool) else str(code)

    def meaning(
        self, role: Role, operation: str, target: str, status: int | None, answer: Any, delivered: str
    ) -> Meaning:
        """Return what an answer says to a client that reads it as documented.

        `answer` is the parsed body; `delivered` says how the answer reached the client: whole, cut or lost."""
        if role in (Role.MEDIA, Role.UPLOAD):
            if status is None or delivered != "whole":
                return Meaning.AMBIGUOUS
            return Meaning.READ if status < 400 else Meaning.REFUSED
        if status is None or delivered != "whole" or not isinstance(answer, Mapping):
            return Meaning.AMBIGUOUS
        code = self.code(answer)
        if code not in {str(one) for one in self.success}:
            doubtful = code not in self.refusals_without_effect and (code[:1] == "5" or not code)
            return Meaning.AMBIGUOUS if doubtful and role in (Role.CREATE, Role.DETECT) else Meaning.REFUSED
        if role is Role.OTHER or role in (Role.BALANCE, Role.PRICE, Role.UPLOAD_LINK):
            return Meaning.READ
        if status >= 400:
            return Meaning.REFUSED
        state = self.state(operation, target, answer)
        if role in (Role.POLL, Role.DETECT_POLL):
            return state or Meaning.READ
        is_result = state is Meaning.SUCCEEDED and bool(self.links(answer))
        return Meaning.SUCCEEDED if is_result else Meaning.ACCEPTED

    def state(self, operation: str, target: str, answer: Any) -> Meaning | None:
        """Return what the status word of an answer says; None if it has none."""
        data = answer.get("data") if isinstance(answer, Mapping) else None
        word = data.get("status") if isinstance(data, Mapping) else None
        if word is None:
            return None
        words = self._words(operation, target)
        return words.get(str(word), Meaning.UNKNOWN)

    def _words(self, operation: str, target: str) -> Mapping[str, Meaning]:
        rows = self.contract.behaviour.status_words
        columns = self.tool_words
        if columns:
            found = self.contract.find("POST", unquote(urlsplit(target).path))
            code = found[1].get(columns["parameter"], "") if found is not None else ""
            tools = self.contract.tables[columns["table"]][columns["table"]]
            named = (
                one
                for one in tools
                if one[columns["operation"]] == operation or (code and one[columns["code"]] == code)
            )
            tool = next(named, None)
            if tool is not None:
                return _meanings(rows[tool[columns["words"]]])
        role = self.roles.get(operation, Role.OTHER)
        return _meanings(rows[self.words.get(role.value, self.words["other"])])

    def links(self, answer: Any) -> list[str]:
        """Return the links to results in an answer."""
        return [link for link in _found(answer, self.media) if link.startswith(("http://", "https://"))]

    def task_named(self, method: str, target: str, body: Any) -> str | None:
        """Return the task id that a poll asks for, from its `method`, `target` or `body`."""
        query = parse_qs(urlsplit(target).query)
        for name in self.ids + self.caller_ids:
            if query.get(name):
                return query[name][0]
        return next(iter(_found(body, self.ids + self.caller_ids)), None) if method == "POST" else None

    def task_given(self, answer: Any) -> str | None:
        """Return the task id in the answer to a submission."""
        return next(iter(_found(answer, self.ids)), None)

    def caller_id(self, body: Any) -> str | None:
        """Return the caller's own id in a submission."""
        return next(iter(_found(body, self.caller_ids)), None)


def _meanings(row: Mapping[str, Any]) -> dict[str, Meaning]:
    phases = {
        "queued": Meaning.RUNNING,
        "running": Meaning.RUNNING,
        "succeeded": Meaning.SUCCEEDED,
        "failed": Meaning.FAILED,
    }
    return {str(word): phases[phase] for phase, word in row.items() if phase in phases}


def _found(value: Any, names: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts under members of these names, anywhere in a document."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in names:
                yield from (
                    str(one) for one in (item if isinstance(item, list) else [item]) if isinstance(one, str | int)
                )
            else:
                yield from _found(item, names)
    elif isinstance(value, list):
        for item in value:
            yield from _found(item, names)


@cache
def loaded(name: str) -> contracts.Contract:
    """Return the contract of the provider `name`, read once."""
    return contracts.load(name)


PROVIDERS: Mapping[str, Provider] = {name: Provider.read(name) for name in NAMES}


@cache
def file_prefixes() -> tuple[str, ...]:
    """Return the path prefixes of files: results and uploads."""
    rules = [one.contract.behaviour for one in PROVIDERS.values()]
    links = [one.files.start for one in rules if one.files is not None]
    return (*links, *(one.uploads for one in rules if one.uploads))


def provider_of(target: str) -> Provider | None:
    """Return the provider whose prefix `target` begins with; None if there is none."""
    path = urlsplit(target).path
    return next((one for one in PROVIDERS.values() if path.startswith(f"{one.contract.behaviour.prefix}/")), None)


def parsed(body: bytes) -> Any:
    """Return a body as parsed JSON; None if it is not JSON."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
