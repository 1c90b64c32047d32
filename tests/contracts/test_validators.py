"""Two engines check one schema: they must not disagree, about the documented exchanges or about changed ones."""

import copy
import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc3986_validator import validate_rfc3986  # type: ignore[import-untyped]  # has no stubs

from swapmock.contracts import load
from swapmock.contracts.formats import LONGEST_JUDGED, PLAIN, is_date_time, is_uri
from swapmock.contracts.lint import examples
from swapmock.contracts.validators import MOST_VALUES, SchemaValidator, Violation


def documents():
    """`(title, validator, document)` of every example of a body."""
    for contract in map(load, ("crun", "imgopen", "admin")):
        for title, operation, exchange in examples(contract):
            assert operation is not None
            body = exchange["request"].get("body")
            if operation.takes_json and body is not None:
                yield f"{title}: request", contract.validator(operation.body_schema), operation.normalize(body)
            answer = operation.spec["responses"].get(str(exchange["response"]["status"]))
            content = contract.resolve(answer or {}).get("content", {}).get("application/json")
            if content is not None:
                yield f"{title}: answer", contract.validator(content["schema"]), exchange["response"]["body"]


DOCUMENTS = list(documents())
VALUES = [None, True, False, 0, -1, 1.0, 1.5, 10**20, "", "x", "https://example.com/é", "\0", [], [None], {}, {"a": 1}]


def in_full(violations):
    """With the values, which are no part of what makes two violations equal."""
    return [tuple(violation) for violation in violations]


def changed(dice, document):
    """A copy with one value somewhere replaced, removed or added."""
    document = copy.deepcopy(document)
    node, parents = document, list[Any]()
    while isinstance(node, dict | list) and node and (not parents or dice.random() < 0.7):
        key = dice.choice(list(node) if isinstance(node, dict) else range(len(node)))
        parents.append((node, key))
        node = node[key]
    if not parents:
        return dice.choice(VALUES)
    parent, key = parents[-1]
    match dice.randrange(4):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent["".join(dice.choices(string.ascii_lowercase, k=5))] = dice.choice(VALUES)
        case _:
            parent[key] = dice.choice(VALUES)
    return document


@pytest.mark.parametrize(("title", "validator", "document"), DOCUMENTS, ids=[title for title, _, _ in DOCUMENTS])
def test_both_give_the_same_verdict_and_explanation(title, validator, document):
    dice = random.Random(title)
    verdicts = []
    for candidate in (document, *(changed(dice, document) for _ in range(40))):
        verdict = validator.is_valid(candidate)
        assert verdict == validator.is_valid_by_reference(candidate), candidate
        found = validator.violations(candidate, "body", most=10**6)
        assert (found == ()) is verdict
        assert in_full(found) == in_full(validator.violations_by_reference(candidate, "body")), candidate
        verdicts.append(verdict)
    assert verdicts[0] is True
    assert False in verdicts


SCHEMAS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "names": ({"propertyNames": {"pattern": "^a", "maxLength": 2}}, [{"b": 1, "acd": 2}]),
    "conditions": ({"if": {"type": "object"}, "then": {"required": ["q"]}}, [{}]),
    "exclusions": ({"not": {"type": "object"}}, [{}]),
    "more than one alternative": ({"oneOf": [{"type": "object"}, {"required": ["a"]}]}, [{"a": 1}]),
    "alternatives within alternatives": (
        {"anyOf": [{"type": "string"}, {"items": {"oneOf": [{"const": 3}, {"properties": {"x": {"const": 4}}}]}}]},
        [[3, {"x": 5}], [[], {"x": 4}, {"x": 5}]],
    ),
    "several rules at one place": ({"allOf": [{"pattern": "^a"}, {"minLength": 3}, {"enum": ["abc"]}]}, ["b"]),
    "numbers": ({"type": "integer", "exclusiveMinimum": 5, "multipleOf": 2}, [3, 1.5, 10**30 + 1, -(10**30)]),
    "names that are missing": ({"required": ["c", "a", "b"]}, [{"b": 1}, {}]),
    "names that look like numbers": (
        {"properties": {"0": {"items": {"type": "null"}}}, "additionalProperties": {"additionalProperties": False}},
        [{"0": [None, 1]}, {"00": {"+5": 1}, "5": {"-1": 1}}, {"+0": {"007": 2, "7": 1}}, {"a/b": {"~1": {}}}],
    ),
}


@pytest.mark.parametrize("title", SCHEMAS)
def test_both_explain_alike(title):
    schema, candidates = SCHEMAS[title]
    validator = SchemaValidator(schema, {})
    for candidate in candidates:
        found = validator.violations(candidate, "body")
        assert found
        assert in_full(found) == in_full(validator.violations_by_reference(candidate, "body"))


def test_what_lies_below_an_empty_name_is_told():
    validator = SchemaValidator({"additionalProperties": {"additionalProperties": {"type": "string"}}}, {})
    assert in_full(validator.violations({"": {"": 5}}, "body")) == [(("body",), "type", "string", {"": {"": 5}})]
    assert validator.violations({"": {"a": 5}}, "body")[0].rule == "type"


def test_of_a_long_instance_the_first_violation_is_told():
    validator = SchemaValidator({"items": {"required": ["x", "y"]}}, {})
    assert len(validator.violations([{}] * MOST_VALUES, "body")) == 2 * MOST_VALUES
    assert validator.violations([{}] * (MOST_VALUES + 1), "body") == (Violation(("body", 0, "x"), "required"),)
    validator = SchemaValidator({"properties": {"x": {}}, "additionalProperties": False}, {})
    unknown = {f"n{number}": 1 for number in range(10, MOST_VALUES + 11)}
    assert validator.violations(unknown, "body") == (Violation(("body", "n10"), "additionalProperties"),)


def test_a_violation_names_place_rule_and_values():
    schema = {"type": "object", "properties": {"a/b": {"items": {"maximum": 3}}}, "required": ["a/b", "c"]}
    found = SchemaValidator(schema, {}).violations({"a/b": [1, 5]}, "body")
    assert found == (Violation(("body", "a/b", 1), "maximum", 3, 5), Violation(("body", "c"), "required"))
    assert [violation.pointer for violation in found] == ["/a~1b/1", "/c"]


def test_an_alternative_is_explained_by_its_nearest_branch():
    schema = {
        "oneOf": [
            {"type": "object", "required": ["x", "y", "z"]},
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
        ]
    }
    assert SchemaValidator(schema, {}).violations({"a": "1"}, "body") == (
        Violation(("body", "a"), "type", "integer", "1"),
    )


def test_a_forbidden_name_is_named():
    schema = {"properties": {"a": {}}, "patternProperties": {"^x-": {}}, "additionalProperties": False}
    found = SchemaValidator(schema, {}).violations({"a": 1, "x-b": 2, "c": 3}, "body")
    assert found == (Violation(("body", "c"), "additionalProperties", None, 3),)


def test_references_lead_into_the_components():
    validator = SchemaValidator({"$ref": "#/components/schemas/A"}, {"schemas": {"A": {"type": "string"}}})
    assert validator.violations("x", "body") == ()
    assert validator.violations(1, "body")[0].rule == "type"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("https://example.com/a.png", True),
        ("data:image/png;base64,AAAA", True),
        ("https://[::1]:80/a", True),
        ("//example.com/a", False),
        ("example.com", False),
        ("https://example.com/a b", False),
        ("https://example.com/é", False),
        ("http://[::1", False),
        ("http://a]b", False),
        ("", False),
    ],
)
def test_what_a_uri_is(text, right):
    assert is_uri(text) is right
    validator = SchemaValidator({"type": "string", "format": "uri"}, {})
    assert validator.is_valid(text) is validator.is_valid_by_reference(text) is right


def test_a_text_longer_than_any_url_is_left_to_its_length():
    assert is_uri("http://" + "a" * 1_000_000 + "|")
    assert not is_uri("http://" + "a" * 1000 + "|")


@pytest.mark.parametrize("name", ["crun", "imgopen"])
def test_every_url_that_clients_send_has_a_greatest_length(name):
    contract, seen = load(name), set()

    def schemas(node):
        node = contract.resolve(node)
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, dict):
            yield node
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from schemas(inner)

    bodies = [operation.body_schema for operation in contract.operations.values() if operation.takes_json]
    urls = [schema for schema in schemas(bodies) if schema.get("format") == "uri"]
    assert urls
    assert all(schema["maxLength"] <= LONGEST_JUDGED for schema in urls)


@given(st.from_regex(PLAIN, fullmatch=True))
def test_what_looks_plain_is_a_uri(text):
    assert validate_rfc3986(text, rule="URI")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2026-01-31T12:00:00Z", True),
        ("2026-01-31T12:00:00.123+02:00", True),
        ("2026-02-30T12:00:00Z", False),
        ("2026-01-31 12:00:00", False),
        ("2026-01-31T12:00:00", False),
        ("x", False),
    ],
)
def test_what_a_moment_is(text, right):
    assert is_date_time(text) is right
    validator = SchemaValidator({"type": "string", "format": "date-time"}, {})
    assert validator.is_valid(text) is validator.is_valid_by_reference(text) is right


def test_formats_are_for_strings():
    assert is_uri(5) is is_date_time(None) is True


@pytest.mark.parametrize(
    ("schema", "rule", "expected"),
    [
        ({"anyOf": [{"const": "200"}, {"const": 200}]}, "enum", ["200", 200]),
        ({"anyOf": [{"enum": ["a", "b"]}, {"const": 3}]}, "enum", ["a", "b", 3]),
        ({"anyOf": [{"type": "object"}, {"type": "array", "items": {}}]}, "type", ["object", "array"]),
        ({"oneOf": [{"type": ["object", "null"]}, {"type": "array"}]}, "type", ["object", "null", "array"]),
        ({"anyOf": [{"type": "boolean"}, {"type": "integer", "enum": [0, 1]}]}, "enum", [True, False, 0, 1]),
    ],
)
def test_alternatives_of_values_or_of_types_are_one_rule(schema, rule, expected):
    """Some tools read neither values nor types of several kinds in one list; refusals stay as if they stood in one."""
    validator = SchemaValidator({"type": "object", "properties": {"a": schema}}, {})
    (found,) = validator.violations({"a": "no"}, "body")
    assert (found.place, found.rule, found.expected) == (("body", "a"), rule, expected)
    assert validator.violations_by_reference({"a": "no"}, "body") == (found,)
