"""A contract: its operations, and the rules for requests and answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from swapmock.contracts.aliases import Spelling, read_spelling
from swapmock.contracts.behaviour import Behaviour
from swapmock.contracts.polls import PollLink, TaskIdPlace, links, poll_places
from swapmock.contracts.pricing import price_of
from swapmock.contracts.validators import SchemaValidator, Violation

__all__ = ["Contract", "ContractError", "Operation", "Violation"]

#: The values of `x-files` for files that are downloaded.
DOWNLOADS = ("result", "upload", "preview")

#: The media type of JSON. Types that end in `+json`, such as application/problem+json, are JSON, too.
JSON = "application/json"

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def json_type(content: Mapping[str, Any]) -> str | None:
    """Return the media type of the JSON body in an OpenAPI `content`: application/json, else the first that ends in
    `+json`; None if there is no JSON."""
    return JSON if JSON in content else next((kind for kind in content if kind.endswith("+json")), None)


def json_body(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the media type object of the JSON body in an OpenAPI `content`; None if there is no JSON."""
    kind = json_type(content)
    return None if kind is None else content[kind]


class ContractError(ValueError):
    """A file of the contract is wrong; the text names the place."""


@dataclass(frozen=True, eq=False)
class Contract:
    """One API: the OpenAPI document, its behaviour and the other tables of its folder. `folder` is given if the
    contract is in another folder than the package's folder of this name."""

    name: str
    document: Mapping[str, Any]
    behaviour: Behaviour
    tables: Mapping[str, Any]
    folder: Path | None = None

    @cached_property
    def operations(self) -> Mapping[str, Operation]:
        """Every operation by its operationId, in the order of the document."""
        found: dict[str, Operation] = {}
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    operation = Operation(self, method.upper(), path, item[method], tuple(item.get("parameters", ())))
                    if operation.id in found:
                        raise ContractError(f"{self.name}: operationId {operation.id} stands twice")
                    found[operation.id] = operation
        return found

    @cached_property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        """The rows of the catalogue, by the name of the model or tool; empty for a provider without a catalogue."""
        catalogue = self.behaviour.catalogue
        return {} if catalogue is None else {str(row[catalogue.name]): row for row in catalogue.rows(self.tables)}

    @cached_property
    def models_by_operation(self) -> Mapping[str, str]:
        """operationId -> the name of the only model or tool that it runs, for a catalogue with one row for each
        operation."""
        catalogue = self.behaviour.catalogue
        if catalogue is None or not catalogue.operation:
            return {}
        return {str(row[catalogue.operation]): name for name, row in self.models.items()}

    @cached_property
    def task_kinds(self) -> frozenset[str]:
        """The kinds of tasks: those in the catalogue's rows, else those that have status words."""
        column = "" if self.behaviour.catalogue is None else self.behaviour.catalogue.kind
        return (
            frozenset(str(row[column]) for row in self.models.values())
            if column
            else frozenset(self.behaviour.status_words)
        )

    @cached_property
    def priced(self) -> frozenset[str]:
        """The names that have a price: models or tools with a row, and the names in `others` of the catalogue."""
        catalogue = self.behaviour.catalogue
        if catalogue is None:
            return frozenset()
        return frozenset({name for name, row in self.models.items() if catalogue.price in row} | set(catalogue.others))

    def list_price(self, operation: str, body: Any) -> float | None:
        """Return the price in credits that the contract lists for a call of `operation` with this parsed `body`;
        None if it lists none."""
        catalogue = self.behaviour.catalogue
        if catalogue is None:
            return None
        for other in catalogue.others.values():
            if operation in other["operations"]:
                return float(self.behaviour.rest[other["row"]]["credits"])
        named = body.get(catalogue.member) if isinstance(body, Mapping) else None
        row = self.models.get(str(self.models_by_operation.get(operation, named)))
        if row is None or catalogue.price not in row:
            return None
        given = body.get(catalogue.input, {}) if catalogue.input and isinstance(body, Mapping) else body
        return float(price_of(row, given if isinstance(given, Mapping) else {}, self.tables).credits)

    @cached_property
    def callback_fields(self) -> frozenset[str]:
        """The top-level members of request bodies that hold callback URLs, as the OpenAPI callbacks name them."""
        expressions = (
            expression
            for operation in self.operations.values()
            for callback in operation.spec.get("callbacks", {}).values()
            for expression in self.resolve(callback)
        )
        return frozenset(
            match[1] for text in expressions if (match := re.fullmatch(r"\{\$request\.body#/(\w+)\}", text))
        )

    @cached_property
    def poll_places(self) -> Mapping[str, TaskIdPlace]:
        """The operations that report the state of one task -> where their requests name the task."""
        return poll_places(self)

    @cached_property
    def poll_links(self) -> tuple[PollLink, ...]:
        """The links from a submission's answer to the poll of its task."""
        found = (link for operation in self.operations.values() for link in links(operation))
        return tuple(link for link in found if link.poll in self.poll_places)

    @cached_property
    def _fixed(self) -> Mapping[str, Mapping[str, Operation]]:
        table: dict[str, dict[str, Operation]] = {}
        for operation in self.operations.values():
            others = self.document["paths"][operation.path].get("x-other-paths", ())
            for path in (operation.path, *others) if "{" not in operation.path else ():
                table.setdefault(path, {})[operation.method] = operation
        return table

    @cached_property
    def _templated(self) -> tuple[tuple[re.Pattern[str], Operation], ...]:
        return tuple((o.pattern, o) for o in self.operations.values() if "{" in o.path)

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation of `method` and the decoded `path`, with its path parameters; fixed paths are
        preferred to templates."""
        here = self._fixed.get(path)
        if here is not None:
            operation = here.get(method)
            return None if operation is None else (operation, {})
        for pattern, operation in self._templated:
            if operation.method == method and (match := pattern.fullmatch(path)):
                return operation, match.groupdict()
        return None

    def knows_path(self, path: str) -> bool:
        """Return whether any operation has this `path`, with any method."""
        return path in self._fixed or any(pattern.fullmatch(path) for pattern, _ in self._templated)

    @property
    def components(self) -> Mapping[str, Any]:
        """The `components` of the OpenAPI document."""
        found: Mapping[str, Any] = self.document.get("components", {})
        return found

    def resolve(self, node: Any) -> Any:
        """Return `node`, or the node that its `$ref` into this document points at, after all references are
        followed."""
        while isinstance(node, Mapping) and "$ref" in node:
            node = self.at(node["$ref"])
        return node

    def at(self, reference: str) -> Any:
        """Return the node that `reference` (`#/...`) points at."""
        if not reference.startswith("#/"):
            raise ContractError(f"{self.name}: reference {reference!r} leaves the document")
        found: Any = self.document
        for step in reference[2:].split("/"):
            try:
                found = found[step.replace("~1", "/").replace("~0", "~")]
            except (KeyError, TypeError):
                raise ContractError(f"{self.name}: reference {reference!r} points at nothing") from None
        return found

    def validator(self, schema: Mapping[str, Any]) -> SchemaValidator:
        """Return a validator for `schema`, whose references point into this document."""
        return SchemaValidator(schema, self.components)


@dataclass(frozen=True, eq=False)
class Operation:
    """One endpoint. Its validators are compiled at the first use and kept."""

    contract: Contract
    method: str
    path: str
    spec: Mapping[str, Any]
    shared_parameters: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if "operationId" not in self.spec:
            raise ContractError(f"{self.contract.name}: {self.method} {self.path} has no operationId")

    @cached_property
    def id(self) -> str:
        """The operationId."""
        return str(self.spec["operationId"])

    @cached_property
    def parameters(self) -> tuple[Mapping[str, Any], ...]:
        """The parameters of the path, the query and the headers, with references followed."""
        return tuple(self.contract.resolve(p) for p in (*self.shared_parameters, *self.spec.get("parameters", ())))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The path as a regular expression. A parameter with `x-spans-slashes` matches several segments."""
        spans = {p["name"] for p in self.parameters if p.get("x-spans-slashes")}

        def group(match: re.Match[str]) -> str:
            name = match[1]
            return f"(?P<{name}>{'.+' if name in spans else '[^/]+'})"

        parts = re.split(r"(\{\w+\})", self.path)
        return re.compile("".join(re.sub(r"\{(\w+)\}", group, p) if p[:1] == "{" else re.escape(p) for p in parts))

    @cached_property
    def is_public(self) -> bool:
        """Whether the operation needs no credential."""
        return bool(self.spec.get("security", self.contract.document.get("security")) == [])

    @cached_property
    def files(self) -> str:
        """What a file store does here (`x-files`): `result`, `upload` and `preview` are downloads, `store` is an
        upload; "" for an operation of the vendor's API."""
        return str(self.spec.get("x-files", ""))

    @property
    def is_download(self) -> bool:
        """Whether the operation returns a file; general code then answers it."""
        return self.files in DOWNLOADS

    @cached_property
    def waits(self) -> bool:
        """Whether an answer may take long because it waits for another event (`x-waits`)."""
        return bool(self.spec.get("x-waits", False))

    @cached_property
    def takes_data_uris(self) -> bool:
        """Whether a body may contain media as data URIs (`x-data-uris`). Such a body may be long."""
        return bool(self.spec.get("x-data-uris", False))

    @cached_property
    def may_cost(self) -> bool:
        """Whether a call may cost credits: yes, unless the contract declares the operation free (`x-cost: free`)."""
        return self.spec.get("x-cost") != "free" or self.id in self.contract.models_by_operation

    @cached_property
    def poll(self) -> TaskIdPlace | None:
        """Where a request names the task that it polls; None for an operation that polls no task."""
        return self.contract.poll_places.get(self.id)

    @cached_property
    def evidence(self) -> Mapping[str, str]:
        """The evidence for the operation: `level` and `source`."""
        found: Mapping[str, str] = self.spec.get("x-evidence", {})
        return found

    @cached_property
    def answer_evidence(self) -> Mapping[str, str]:
        """The evidence for a successful answer: that of the operation, unless the response has its own."""
        found: Mapping[str, str] = self.spec["responses"].get("200", {}).get("x-evidence", self.evidence)
        return found

    @cached_property
    def _parameter_checks(self) -> tuple[tuple[str, SchemaValidator, Mapping[str, str]], ...]:
        checks = []
        for place in ("path", "query"):
            here = [p for p in self.parameters if p["in"] == place]
            if here:
                schema = {
                    "type": "object",
                    "properties": {p["name"]: p["schema"] for p in here},
                    "required": [p["name"] for p in here if p.get("required")],
                }
                types = {p["name"]: self.contract.resolve(p["schema"]).get("type", "string") for p in here}
                types = {name: kind for name, kind in types.items() if kind in ("integer", "number", "boolean")}
                checks.append((place, self.contract.validator(schema), types))
        return tuple(checks)

    def check_parameters(self, values: Mapping[str, dict[str, Any]]) -> tuple[Violation, ...]:
        """Return the violations in `values` = `{place: {name: text}}`. Texts are replaced by numbers in place if the
        contract has numbers."""
        found: tuple[Violation, ...] = ()
        for place, validator, types in self._parameter_checks:
            here = values[place]
            for name in types.keys() & here.keys() if types else ():
                here[name] = _typed(here[name], types[name])
            found += validator.violations(here, place)
        return found

    @cached_property
    def body_spec(self) -> Mapping[str, Any] | None:
        """The requestBody of the operation; None without one."""
        body = self.contract.resolve(self.spec.get("requestBody"))
        return None if body is None else dict(body)

    @cached_property
    def needs_body(self) -> bool:
        """Whether a request must have a body."""
        return self.body_spec is not None and bool(self.body_spec.get("required", False))

    @cached_property
    def json_request(self) -> Mapping[str, Any] | None:
        """The media type object of the JSON body; None if the operation takes no JSON."""
        return None if self.body_spec is None else json_body(self.body_spec["content"])

    @cached_property
    def takes_json(self) -> bool:
        """Whether the body is JSON."""
        return self.json_request is not None

    @cached_property
    def body_schema(self) -> Mapping[str, Any]:
        """The schema of the JSON body."""
        if self.json_request is None:
            raise ContractError(f"{self.id} takes no JSON body")
        found: Mapping[str, Any] = self.contract.resolve(self.json_request["schema"])
        return found

    @cached_property
    def _branches(self) -> Mapping[str, SchemaValidator] | None:
        discriminator = self.body_schema.get("discriminator")
        if discriminator is None:
            return None
        by_reference = {
            reference: self.contract.validator({"$ref": reference})
            for reference in dict.fromkeys(discriminator["mapping"].values())
        }
        return {value: by_reference[reference] for value, reference in discriminator["mapping"].items()}

    @cached_property
    def _body_validator(self) -> SchemaValidator:
        return self.contract.validator(self.body_schema)

    @cached_property
    def _spelling(self) -> Spelling | None:
        return read_spelling(self.body_schema, self.contract.resolve)

    def normalize(self, body: Any) -> Any:
        """Return a parsed JSON body with the contract's own names (`swapmock.contracts.aliases`)."""
        return body if self._spelling is None else self._spelling.normalize(body)

    @cached_property
    def query_aliases(self) -> Mapping[str, str]:
        """Other names of query parameters -> the contract's names."""
        return {other: str(p["name"]) for p in self.parameters for other in p.get("x-aliases", ())}

    def check_body(self, body: Any) -> tuple[Violation, ...]:
        """Return the violations in a parsed JSON body.

        A body with a discriminator is checked against the one branch that it names, so that an error names the
        field and not `oneOf`. An unknown value of the discriminator is a violation of the rule `discriminator`."""
        branches = self._branches
        if branches is None:
            return self._body_validator.violations(body, "body")
        name = self.body_schema["discriminator"]["propertyName"]
        if not isinstance(body, dict):
            return (Violation(("body",), "type", "object", body),)
        value = body.get(name)
        if isinstance(value, str):
            branch = branches.get(value)
            if branch is None:
                return (Violation(("body", name), "discriminator", sorted(branches), value),)
            return branch.violations(body, "body")
        return self._without_branch(body, name)

    def _without_branch(self, body: Mapping[str, Any], name: str) -> tuple[Violation, ...]:
        required = [set(self.contract.resolve(branch)["required"]) for branch in self.body_schema["oneOf"]]
        missing = sorted(field for field in set.intersection(*required) if field not in body)
        found = [Violation(("body", field), "required") for field in missing]
        if name in body:
            found.insert(0, Violation(("body", name), "type", "string", body[name]))
        return tuple(found)

    def branch_schema(self, value: str) -> Mapping[str, Any]:
        """Return the schema that the discriminator's `value` names."""
        found: Mapping[str, Any] = self.contract.at(self.body_schema["discriminator"]["mapping"][value])
        return found

    @cached_property
    def _answers(self) -> Mapping[str, Mapping[str, Any]]:
        return {str(status): self.contract.resolve(answer) for status, answer in self.spec["responses"].items()}

    def answer_key(self, status: int | str) -> str | None:
        """Return the key of `responses` for answers with HTTP `status`: the status itself, its class such as `4XX`,
        or `default`; None if the contract lists no such answer."""
        text = str(status)
        return next((key for key in (text, f"{text[:1]}XX", "default") if key in self._answers), None)

    def answer_types(self, status: int | str) -> tuple[str, ...]:
        """Return the media types that the contract lists for answers with HTTP `status`; empty if it lists no such
        answer or no body."""
        key = self.answer_key(status)
        return () if key is None else tuple(self._answers[key].get("content", ()))

    @cached_property
    def _answer_validators(self) -> dict[int | str, SchemaValidator | None]:
        """The validator of the body by status, as far as statuses were asked for; None where the contract has no JSON."""
        return {}

    def check_answer(self, status: int | str, body: Any) -> tuple[Violation, ...]:
        """Return the violations in an answer of the emulator or the live service.

        `body` is parsed JSON, None for an empty one. `status` is an HTTP status, or a key of `responses` such as
        `4XX`."""
        if status not in self._answer_validators:
            key = self.answer_key(status)
            if key is None:
                return (Violation(("response",), "status", sorted(self._answers), status),)
            content = json_body(self._answers[key].get("content", {}))
            self._answer_validators[status] = None if content is None else self.contract.validator(content["schema"])
        validator = self._answer_validators[status]
        if validator is None:
            return () if body is None else (Violation(("response",), "content", None, body),)
        return validator.violations(body, "response")

    @cached_property
    def callback_requests(self) -> tuple[Mapping[str, Any], ...]:
        """The JSON bodies (media type objects) of this operation's callbacks."""
        items = [
            self.contract.resolve(item)
            for callback in self.spec.get("callbacks", {}).values()
            for item in self.contract.resolve(callback).values()
        ]
        specs = [item[method] for item in items for method in METHODS if method in item]
        bodies = [self.contract.resolve(spec.get("requestBody", {})).get("content", {}) for spec in specs]
        return tuple(found for body in bodies if (found := json_body(body)) is not None)

    @cached_property
    def _callback_validator(self) -> SchemaValidator | None:
        schemas = [request["schema"] for request in self.callback_requests]
        if not schemas:
            return None
        return self.contract.validator(schemas[0] if len(schemas) == 1 else {"anyOf": schemas})

    def check_callback(self, body: Any) -> tuple[Violation, ...]:
        """Return the violations in the parsed JSON body of a callback for a task of this operation."""
        if self._callback_validator is None:
            return (Violation(("body",), "callback", None, body),)
        return self._callback_validator.violations(body, "body")


def _typed(text: Any, kind: str) -> Any:
    """Return `text` as a number or a boolean; unchanged if it is neither, so that the schema refuses it."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?\d{1,18}\.\d{1,18}", text):
        return float(text)
    return text
