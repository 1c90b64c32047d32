"""Makes a form for each operation from its contract, and a request from a filled form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import yaml

from swapmock.contracts import folder

if TYPE_CHECKING:
    from swapmock.contracts import Contract, Operation

#: The depth to which objects are split into fields; everything deeper is one field with JSON.
DEEPEST = 2

#: The form field with a whole body, which replaces the other fields.
RAW = "raw"


class FieldError(ValueError):
    """The value `text` of a form field is no JSON. `label` is the name of the field."""

    def __init__(self, label: str, text: str) -> None:
        super().__init__(f"{label}: {text!r} is no JSON")
        self.label, self.text = label, text


class FormField(NamedTuple):
    """One field. `name` is the part of the request (`body`, `path`, `query`) and a JSON Pointer or a name. `kind` is text,
    integer, number, boolean, choice, json, or any (JSON where it is JSON, else text). `choices` are the values of a choice.
    `shape` says as JSON which rows a list or an object has, "" where the schema does not say."""

    name: str
    label: str
    kind: str
    is_required: bool
    hint: str
    value: str
    choices: tuple[Any, ...] = ()
    shape: str = ""


def variants_of(operation: Operation) -> tuple[str, tuple[str, ...]]:
    """Return the member of the body that selects its form, and its values; ("", ()) if there is only one form."""
    if not operation.takes_json or "discriminator" not in operation.body_schema:
        return "", ()
    discriminator = operation.body_schema["discriminator"]
    return str(discriminator["propertyName"]), tuple(discriminator["mapping"])


def fields(operation: Operation, chosen: str, callback_url: str) -> list[FormField]:
    """Return the fields for an operation. `chosen` is the value of the member that selects the form. Fields for
    callbacks contain `callback_url`."""
    example = _example(operation, chosen)
    found = [_parameter(one, example, operation.contract) for one in operation.parameters]
    if operation.takes_json:
        schema = operation.branch_schema(chosen) if chosen else operation.body_schema
        found += _members(operation.contract, schema, example.get("body"), "", 0)
    for index, field in enumerate(found):
        if field.name.removeprefix("body/") in operation.contract.callback_fields:
            found[index] = field._replace(value=callback_url)
    return found


def _parameter(parameter: Mapping[str, Any], example: Mapping[str, Any], contract: Contract) -> FormField:
    schema = contract.resolve(parameter.get("schema", {}))
    given = example.get("query", {}).get(parameter["name"], parameter.get("example", schema.get("example", "")))
    kind, choices = _kind(schema)
    hint = str(parameter.get("description", schema.get("description", "")))
    required = bool(parameter.get("required"))
    shown = _shown(given) if required or parameter["in"] == "path" else ""
    return FormField(f"{parameter['in']}/{parameter['name']}", parameter["name"], kind, required, hint, shown, choices)


def _members(contract: Contract, schema: Any, example: Any, pointer: str, depth: int) -> Iterator[FormField]:
    schema = contract.resolve(schema)
    required = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        inner = contract.resolve(part)
        given = example.get(name) if isinstance(example, Mapping) else None
        place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        if inner.get("properties") and depth + 1 < DEEPEST:
            yield from _members(contract, inner, given, place, depth + 1)
            continue
        kind, choices = _kind(inner)
        value = _shown(choices[0] if len(choices) == 1 else given)
        hint = str(part.get("description") or inner.get("description") or "")
        label = place[1:].replace("/", ".")
        made = shape_of(contract, inner) if kind == "json" else {}
        shape = json.dumps(made, ensure_ascii=False) if made.get("kind") in ("list", "object") else ""
        yield FormField(f"body{place}", label, kind, name in required, hint, value, choices, shape)


def _kind(schema: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    if "enum" in schema:
        return "choice", tuple(value for value in schema["enum"] if value is not None)
    implied = {"pattern": "string", "items": "array", "properties": "object"}
    kinds = schema.get("type", next((kind for name, kind in implied.items() if name in schema), "any"))
    first = kinds if isinstance(kinds, str) else next((kind for kind in kinds if kind != "null"), "any")
    return {"string": "text", "array": "json", "object": "json"}.get(first, first), ()


#: How many lists and objects lie within each other at most in a form; what lies deeper is JSON.
DEEPEST_SHAPE = 5


def shape_of(contract: Contract, schema: Any, depth: int = 0) -> dict[str, Any]:
    """Return what a form has for a value of `schema`: its `kind`, and the `items` of a list or the `fields` of an object.
    A value that the schema does not describe has the kind any. `depth` is how many lists and objects are around it."""
    schema = contract.resolve(schema)
    kind, choices = _kind(schema)
    if kind == "choice":
        return {"kind": kind, "choices": list(choices)}
    if kind != "json":
        return {"kind": kind}
    if depth == DEEPEST_SHAPE:
        return {"kind": "any"}
    if schema.get("properties"):
        required = schema.get("required", ())
        members = {name: contract.resolve(part) for name, part in schema["properties"].items()}
        rows = [
            {"name": name, "required": name in required, "shape": shape_of(contract, part, depth + 1)}
            for name, part in members.items()
        ]
        return {"kind": "object", "fields": rows}
    if "items" in schema:
        return {"kind": "list", "items": shape_of(contract, schema["items"], depth + 1)}
    return {"kind": "any"}


def _shown(value: Any) -> str:
    if value is None or value == "":
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _example(operation: Operation, chosen: str) -> Mapping[str, Any]:
    """Return the request of the first documented exchange of an operation, of the chosen form if there is one."""
    member = variants_of(operation)[0]
    for request in _examples(operation.contract.name, operation.id):
        if not chosen or request.get("body", {}).get(member) == chosen:
            return request
    return {}


@lru_cache(256)
def _examples(contract: str, operation: str) -> tuple[Mapping[str, Any], ...]:
    path = folder(contract) / "examples" / f"{operation}.yaml"
    if not path.is_file():
        return ()
    return tuple(exchange["request"] for exchange in yaml.safe_load(path.read_text("utf-8")))


class Filled(NamedTuple):
    """The request of a filled form: path and query as they are sent, and the body."""

    path: str
    query: str
    body: bytes


def filled(operation: Operation, given: Mapping[str, str], chosen: str) -> Filled:
    """Return the request to `operation` for the values `given` by the names of the fields. `chosen` is the selected
    form. Empty fields are left out. Raises FieldError."""
    path, query, body = operation.path, dict[str, str](), dict[str, Any]()
    for field in fields(operation, chosen, ""):
        text = given.get(field.name, "").strip()
        part, _, name = field.name.partition("/")
        if part == "path":
            path = path.replace(f"{{{name}}}", text)
        elif text and part == "query":
            query[name] = text
        elif text and part == "body":
            _put(body, name, _value(field, text))
    if not operation.takes_json:
        return Filled(path, urlencode(query), given.get(RAW, "").encode())
    raw = given.get(RAW, "").strip()
    return Filled(path, urlencode(query), raw.encode() if raw else json.dumps(body, ensure_ascii=False).encode())


def _put(body: dict[str, Any], pointer: str, value: Any) -> None:
    *outer, last = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/"))
    for step in outer:
        body = body.setdefault(step, {})
    body[last] = value


def _value(field: FormField, text: str) -> Any:
    if field.kind == "text":
        return text
    if field.kind == "choice":
        return next((value for value in field.choices if _shown(value) == text), text)
    try:
        return json.loads(text)
    except ValueError:
        if field.kind == "json":
            raise FieldError(field.label, text[:60]) from None
        return text  # text of any kind; a wrong type, too, is sent unchanged: the answer then explains the mistake


def quoted(path: str) -> str:
    """Return a decoded path in the form of a request line."""
    return quote(path, safe="/:@!$&'()*+,;=~-._")


def host_of(url: str) -> str:
    """Return the host and port of a URL."""
    return urlsplit(url).netloc
