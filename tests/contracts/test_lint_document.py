"""Lint finds what standard linters find: a finding for each mistake, and never a traceback."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from swapmock.contracts import folder, load
from swapmock.contracts.lint_document import findings, repeated_keys

INFO = "/api/v1/client/job/TaskInfo"

Edit = Callable[[dict[str, Any]], Any]


def schema(document: dict[str, Any], name: str) -> Any:
    return document["components"]["schemas"][name]


MISTAKES: dict[str, tuple[Edit, str]] = {
    "a text cut at a comma": (lambda d: schema(d, "MediaUrl").update({"or a data URI": None}), "unknown keyword 'or a data URI'"),
    "a keyword misspelt": (lambda d: schema(d, "MediaUrl").update(maxLenght=3), "unknown keyword 'maxLenght'"),
    "an array without items": (lambda d: schema(d, "TaskInfoData")["properties"].update(mood={"type": "array"}), "mood: an array without items"),
    "an array or null without items": (lambda d: schema(d, "MediaUrl").update(type=["array", "null"]), "an array without items"),
    "a reference to nothing": (lambda d: schema(d, "TaskInfoAnswer")["properties"].update(data={"$ref": "#/components/schemas/Nope"}), "points at nothing"),
    "a reference out of the document": (lambda d: schema(d, "TaskInfoAnswer")["properties"].update(data={"$ref": "other.yaml#/x"}), "points at nothing"),
    "a bad pattern": (lambda d: schema(d, "MediaUrl").update(pattern="("), "no regular expression"),
    "a pattern that is no text": (lambda d: schema(d, "MediaUrl").update(pattern=7), "no regular expression"),
    "a link to nothing": (
        lambda d: d["paths"][INFO]["get"]["responses"]["200"].update(links={"x": {"operationId": "nope"}}), "no operation is named 'nope'",
    ),
    "a discriminator to nothing": (
        lambda d: schema(d, "CreateTaskRequest")["discriminator"]["mapping"].update(x="#/components/schemas/Nope"), "points at nothing",
    ),
    "a parameter of no path": (
        lambda d: d["paths"][INFO]["get"]["parameters"].append({"name": "zone", "in": "path", "required": True, "schema": {"type": "string"}}),
        "'zone' is a parameter of the path or of the operation",
    ),
    "a schema that is a text": (lambda d: schema(d, "TaskInfoData")["properties"].update(mood="string"), "a schema is an object"),
}  # fmt: skip


@pytest.mark.parametrize("name", ["crun", "imgopen", "admin"])
def test_the_contracts_are_in_order(name: str) -> None:
    assert list(findings(load(name).document)) == []
    for path in folder(name).glob("*.yaml"):
        assert list(repeated_keys(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str) -> None:
    edit, text = MISTAKES[name]
    document = copy.deepcopy(dict(load("crun").document))
    edit(document)
    found = list(findings(document))
    assert any(text in one for one in found), found


@pytest.mark.parametrize(
    "document",
    [{}, {"paths": None}, {"paths": {"/x": None}}, {"paths": {"/x": {"get": None}}}, {"paths": {"/x": {"get": {"responses": None}}}},
     {"components": {"schemas": {"A": None}}}, {"paths": {"/{x}": {"get": {"parameters": [None], "responses": {"200": None}}}}}],
)  # fmt: skip
def test_no_document_makes_a_traceback(document: dict[str, Any]) -> None:
    assert all(isinstance(one, str) for one in findings(document))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a: 1\nb: 2\n", []),
        ("a: 1\nb: 2\na: 3\n", ["line 3: 'a' stands in line 1 already"]),
        ("x: {a: 1, a: 2}\n", ["line 1: 'a' stands in line 1 already"]),
        ("- {b: 1}\n- {b: 2}\n", []),
        ("", []),
    ],
)
def test_keys_that_stand_twice(text: str, lines: list[str]) -> None:
    assert list(repeated_keys(text)) == lines


def test_what_is_no_yaml_is_a_finding() -> None:
    (found,) = repeated_keys("a: [")
    assert found.startswith("not YAML")
