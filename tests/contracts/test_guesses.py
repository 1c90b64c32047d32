"""No rule that is inferred or invented refuses a request by default: held over the data of both contracts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from swapmock.contracts import guesses, load
from swapmock.contracts.leniency import accepted
from swapmock.contracts.lint import lint
from swapmock.contracts.validators import Violation

CONTRACTS = {name: load(name) for name in ("crun", "imgopen")}

#: Keywords of a schema that refuse a value.
REFUSING = (
    "type", "enum", "const", "pattern", "format", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum",
    "required", "not", "additionalProperties",
)  # fmt: skip


def rules_of(operation, node: Mapping[str, Any], steps: tuple[str | int, ...], level: str, seen=()) -> Iterator[Any]:
    """Every refusing keyword of a request as (steps, keyword, value, level), `level` being that of what is around it: written
    down anew here, beside the product's own way through the schema."""
    weakest = max(level, node.get("x-evidence", {}).get("level", level), key=LEVELS.index)
    guessed = node.get("x-guessed", {})
    for keyword in REFUSING:
        for value in (
            node[keyword] if keyword == "required" and keyword in node else [node[keyword]] if keyword in node else ()
        ):
            own = "inferred" if keyword in guessed else weakest
            if keyword == "required":
                below = node.get("properties", {}).get(value, {})
                own = max(own, below.get("x-evidence", {}).get("level", own), key=LEVELS.index)
                yield (*steps, value), keyword, None, own
            else:
                yield steps, keyword, value, own
    if "$ref" in node and node["$ref"] not in seen:
        yield from rules_of(operation, operation.contract.at(node["$ref"]), steps, weakest, (*seen, node["$ref"]))
    for part in node.get("allOf", ()):
        yield from rules_of(operation, part, steps, weakest, seen)
    inner = "inferred" if "properties" in guessed else weakest
    for name, below in node.get("properties", {}).items():
        yield from rules_of(operation, below, (*steps, name), inner, seen)
    if isinstance(node.get("items"), Mapping):
        yield from rules_of(operation, node["items"], (*steps, 0), weakest, seen)


LEVELS = ("documented", "observed", "inferred", "invented")


def requests_of(contract) -> Iterator[Any]:
    """(operation, part, body, schema, level, steps before) of everything that a request is held to."""
    for operation in contract.operations.values():
        if operation.files:
            continue  # the stores have rules of their own
        whole = operation.evidence.get("level", "documented")
        for parameter in operation.parameters:
            if parameter["in"] in ("query", "path"):
                level = max(whole, parameter.get("x-evidence", {}).get("level", whole), key=LEVELS.index)
                yield operation, parameter["in"], None, parameter.get("schema", {}), level, (parameter["name"],)
        if operation.takes_json:
            schema = operation.body_schema
            for value in schema.get("discriminator", {}).get("mapping", {None: None}):
                named = {} if value is None else {schema["discriminator"]["propertyName"]: value}
                branch = schema if value is None else operation.branch_schema(value)
                yield operation, "body", named, branch, whole, ()


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_guess_refuses_by_default(name):
    contract = CONTRACTS[name]
    defaults, strict = contract.behaviour.defaults, {**contract.behaviour.defaults, guesses.VARIANT: "refuse"}
    found, counted = [], dict.fromkeys(LEVELS, 0)
    for operation, part, body, schema, level, before in requests_of(contract):
        for steps, keyword, value, own in rules_of(operation, schema, (), level):
            place = (part, *before, *steps)
            if len(place) == 1:
                continue  # that a body is an object
            broken = Violation(place, keyword, value, None)
            counted[own] += 1
            refuses = bool(guesses.left(operation, body, [broken], defaults))
            if refuses != (own in ("documented", "observed")):
                found.append((operation.id, place, keyword, own))
            assert guesses.left(operation, body, [broken], strict) == (broken,)
    assert found == []
    assert counted["documented"] > 300
    assert counted["inferred"] > 30, counted


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_contracts_say_what_is_guessed_beside_it(name):
    assert [line for line in lint(CONTRACTS[name]) if "x-guessed" in line] == []


#: Words of a source or a description which say that a rule beside them is not the vendor's.
GUESSING = re.compile(r"\bours?\b|\binvented\b|\binferred\b|\bguess|\bno (rule|length|limit)\b|by analogy")

#: Those that say it of something that refuses no request: by place.
OTHERWISE = {
    ("crun", "VideoFaceSwapMultiInput"): "the name video_url is inferred at its own place",
    ("imgopen", "CallbackUrl"): "that the empty string means nowhere makes the rule wider",
}


def guessed_in_words(node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each schema below `node` whose own words speak of a guess, with the component in which it is."""
    if isinstance(node, list):
        for item in node:
            yield from guessed_in_words(item, place)
    elif isinstance(node, dict):
        words = f"{node.get('description', '')} {node.get('x-evidence', {}).get('source', '')}"
        if GUESSING.search(words) and any(keyword in node for keyword in REFUSING):
            yield place, node
        for item in node.values():
            yield from guessed_in_words(item, place)


def schemas_of_requests(contract) -> Iterator[tuple[str, Any]]:
    """Each component that a request is checked by, once."""
    seen = set()

    def named(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            for item in node.values():
                yield from named(item)
        elif isinstance(node, list):
            for item in node:
                yield from named(item)

    def below(reference: str) -> Iterator[tuple[str, Any]]:
        if reference not in seen and reference.startswith("#/components/schemas/"):
            seen.add(reference)
            schema = contract.at(reference)
            yield reference.rpartition("/")[2], schema
            for inner in named(schema):
                yield from below(inner)

    for operation in contract.operations.values():
        if not operation.files:
            yield operation.id, operation.parameters
            for reference in named([operation.body_spec, operation.parameters]):
                yield from below(reference)


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_the_words_call_a_guess_the_data_call_one_too(name):
    """`source: the length is ours` beside `level: documented` lets the length refuse unless `x-guessed` names it."""
    found = [
        (place, node.get("x-evidence"))
        for place, schema in schemas_of_requests(CONTRACTS[name])
        for place, node in guessed_in_words(schema, place)
        if (name, place) not in OTHERWISE
        and node.get("x-evidence", {}).get("level") not in guesses.GUESSES
        and not node.get("x-guessed")
    ]
    assert found == []


URL = "https://example.com/a.png"
SWAP = {"image_url": URL, "new_face": URL}


def judged(model: str, given: Any) -> set[tuple[tuple[Any, ...], str]]:
    """What refuses an input by default."""
    operation, body = CONTRACTS["crun"].operations["create_task"], {"model": model, "input": given}
    violations = operation.check_body(body)
    body, violations = accepted(operation, body, violations, CONTRACTS["crun"].behaviour.defaults)
    left = guesses.left(operation, body, violations, CONTRACTS["crun"].behaviour.defaults)
    return {(violation.place[2:], violation.rule) for violation in left}


@pytest.mark.parametrize(
    ("model", "given", "refused"),
    [
        ("video-face-swap", {}, set()),
        ("video-face-swap", {"video": URL, "face": URL}, set()),
        ("video-face-swap", 5, {((), "type")}),
        ("image-face-swap", {**SWAP, "disable_safety_checker": "no"}, set()),
        ("image-face-swap", {**SWAP, "image_url": URL + "a" * 4000}, set()),
        ("image-face-swap", {**SWAP, "image_url": "ftp://x"}, {(("image_url",), "pattern")}),
        ("image-face-swap", {"image_url": URL}, {(("new_face",), "required")}),
        ("image-face-swap-multi", {"detect_id": "a", "image_url": URL, "faces": []}, set()),
        ("image-face-swap-multi", {"detect_id": "a", "image_url": URL}, {(("faces",), "required")}),
        ("google/nano-banana-pro", {"prompt": "a\0"}, set()),
        ("google/nano-banana-pro", {"prompt": "a" * 20_001}, {(("prompt",), "maxLength")}),
        ("google/nano-banana", {"prompt": 5, "video_url": 5}, {(("prompt",), "type")}),
        ("z-image", {"prompt": "a" * 801}, {(("prompt",), "maxLength")}),
    ],
)
def test_inputs(model, given, refused):
    assert judged(model, given) == refused
