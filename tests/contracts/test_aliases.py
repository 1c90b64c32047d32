"""Other spellings of a body, as a contract's annotations allow them."""

import pytest

from swapmock.contracts.aliases import Spelling, read_spelling

LIMIT = {
    "type": "object",
    "x-plain": "calls",
    "properties": {"calls": {"x-aliases": ["max", "limit"]}, "form": {"x-words": {"true": "seconds", "http": "date"}}},
}
SCHEMA = {
    "properties": {
        "limit": {"oneOf": [{"type": "null"}, LIMIT]},
        "limits": {"type": "array", "items": LIMIT, "x-aliases": ["all"]},
        "effect": {"x-words": {"reset": {"connection": "reset"}}, "properties": {"connection": {}}},
        "free": {},
        "kept": {"x-wraps": ["saved"], "properties": {"saved": {}}},
    }
}


def spelling(schema: dict) -> Spelling:
    found = read_spelling(schema, lambda part: part)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"limit": 3}, {"limit": {"calls": 3}}),
        ({"limit": None}, {"limit": None}),
        ({"limit": {"max": 3, "form": "http"}}, {"limit": {"calls": 3, "form": "date"}}),
        ({"limit": {"calls": 1, "max": 3}}, {"limit": {"calls": 1, "max": 3}}),
        ({"limit": {"limit": 1, "max": 3}}, {"limit": {"calls": 1, "max": 3}}),
        ({"limit": {"form": True}}, {"limit": {"form": "seconds"}}),
        ({"limit": True}, {"limit": True}),
        ({"all": [1, {"limit": 2}]}, {"limits": [{"calls": 1}, {"calls": 2}]}),
        ({"effect": "reset"}, {"effect": {"connection": "reset"}}),
        ({"effect": {"reset": True}}, {"effect": {"connection": "reset"}}),
        ({"effect": {"reset": False}}, {"effect": {"reset": False}}),
        ({"free": {"max": 1}, "other": 2}, {"free": {"max": 1}, "other": 2}),
        ({"kept": {"saved": {"a": 1}}}, {"kept": {"a": 1}}),
        ({"kept": {"saved": 1}}, {"kept": {"saved": 1}}),
        ({"kept": {"saved": {"a": 1}, "b": 2}}, {"kept": {"saved": {"a": 1}, "b": 2}}),
        ([1], [1]),
        (None, None),
    ],
)
def test_spelt_out(given, meant):
    assert spelling(SCHEMA).normalize(given) == meant


def test_a_schema_without_annotations_has_no_spelling():
    assert read_spelling({"properties": {"a": {"type": "array", "items": {}}}}, lambda schema: schema) is None


def test_a_schema_within_itself_ends():
    schema: dict = {"x-words": {"none": {}}, "properties": {}}
    schema["properties"]["inner"] = schema
    assert spelling(schema).normalize("none") == {}
