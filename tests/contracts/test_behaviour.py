"""Rows of behaviour.yaml: what does not fit is said, with what would."""

import pytest

from swapmock.contracts import load
from swapmock.contracts.behaviour import Behaviour, BehaviourError

RULES = load("crun").behaviour


def test_choices_stand_over_the_defaults():
    chosen = RULES.choose({"bearer": "accept", "unknown_model": "404", "http_status": {"402": 200}})
    assert chosen == {**RULES.defaults, "bearer": "accept", "unknown_model": 404, "http_status": {402: 200}}
    assert RULES.choose({}) == RULES.defaults


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"nothing": 1}, "no variant named 'nothing'; known: bearer, "),
        ({"bearer": "perhaps"}, "variant bearer: 'perhaps' is none of refuse, accept"),
        ({"unknown_model": 500}, "variant unknown_model: 500 is none of 422, 404"),
        ({"unknown_model": True}, "variant unknown_model: True is none of"),
        ({"http_status": "never"}, "variant http_status: 'never' is none of code, always200 or a map"),
        ({"http_status": {"x": 200}}, "a map takes body codes to HTTP statuses"),
        ({"bearer": {"x": 1}}, "variant bearer: .* is none of"),
    ],
)
def test_what_cannot_be_chosen(choices, text):
    with pytest.raises(BehaviourError, match=text):
        RULES.choose(choices)


@pytest.mark.parametrize(
    ("url", "value"),
    [
        ("https://faces.invalid/3.png", "https://faces.invalid/3.png"),
        ("http://faces.invalid/3.jpeg?x=1#y", "https://faces.invalid/3.png"),
        ("https://FACES.invalid/3", "https://faces.invalid/3.png"),
        ("https://errors.invalid/slow.mp4", "https://errors.invalid/slow"),
    ],
)
def test_a_magic_value_is_known_by_host_and_name(url, value):
    row = RULES.magic_for(url)
    assert row is not None
    assert row.value == value


@pytest.mark.parametrize(
    "text",
    ["", "https://example.com/501", "errors.invalid", "https://other.invalid/1", "https://[.invalid", "see x.invalid"],
)
def test_other_texts_are_no_magic(text):
    assert RULES.magic_for(text) is None


@pytest.mark.parametrize(
    "url", ["https://errors.invalid/", "https://errors.invalid/5O1", "https://faces.invalid/3/4.png"]
)
def test_a_misspelt_magic_value_lists_the_known_ones(url):
    with pytest.raises(BehaviourError, match=r"unknown magic value .* knows: "):
        RULES.magic_for(url)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"timelines": [{"name": "a", "nonsense": 1}]}, "Timeline 'a': "),
        ({"timelines": [{"name": "a"}]}, "Timeline 'a': "),
        ({"scenarios": [{"name": "a", "about": ""}, {"name": "a", "about": ""}]}, "Scenario 'a' stands twice"),
    ],
)
def test_rows_that_do_not_fit(document, text):
    with pytest.raises(BehaviourError, match=text):
        Behaviour.read(document)


def test_what_has_no_table_is_kept():
    assert Behaviour.read({"money": {"currency": "USD"}}).rest == {"money": {"currency": "USD"}}


def test_limits_and_lifetimes_are_numbers():
    assert RULES.seconds("detect_id") == 3600.0
    assert RULES.limit("body_bytes") == 1 << 20
