"""crun.ai's wire format, without HTTP: sentences, keys, envelope."""

import pytest

from swapmock.contracts import Violation, load
from swapmock.mock_server.core.call import Problem, Reply
from swapmock.mock_server.providers.crun.wire import Wire, bearer_token, sentence, shown_key

RULES = load("crun").behaviour
WIRE = Wire(RULES)
DEFAULTS = RULES.defaults

SENTENCES = [
    (("body", "input"), "required", None, None, "input: Field required"),
    (("body",), "type", "object", [], "body: Input should be a valid dictionary"),
    (("body", "model"), "type", "string", 5, "model: Input should be a valid string"),
    (("body", "callback_url"), "type", ["string", "null"], 5, "callback_url: Input should be a valid string"),
    (("query", "page"), "type", "integer", "x", "page: Input should be a valid integer"),
    (("query", "page"), "minimum", 1, 0, "page: Input should be greater than or equal to 1"),
    (("query", "page_size"), "maximum", 50, 51, "page_size: Input should be less than or equal to 50"),
    (("query", "modality"), "enum", ["image", "video", "audio"], "x", "modality: Input should be 'image', 'video' or 'audio'"),
    (("query", "a"), "enum", [4, 6, 8], 5, "a: Input should be 4, 6 or 8"),
    (("query", "a"), "const", "x", "y", "a: Input should be 'x'"),
    (("query", "a"), "minLength", 1, "", "a: String should have at least 1 character"),
    (("query", "a"), "maxLength", 200, "x" * 201, "a: String should have at most 200 characters"),
    (("query", "a"), "maxItems", 2, [1, 2, 3], "a: List should have at most 2 items after validation, not 3"),
    (("query", "ext"), "pattern", "^[a-z]+$", "A", "ext: String should match pattern '^[a-z]+$'"),
    (("query", "a"), "multipleOf", 2, 3, "a: Input breaks the rule multipleOf"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "rule", "expected", "got", "text"), SENTENCES, ids=[row[-1] for row in SENTENCES])
def test_a_violation_is_said_as_pydantic_would(place, rule, expected, got, text):
    violation = Violation(place, rule, expected, got)
    assert sentence(violation, None) == text
    assert sentence(violation, "z-image") == text


def test_what_is_wrong_inside_input_carries_the_model():
    violation = Violation(("body", "input", "faces", 0, "target"), "required")
    expected = "Value error, Invalid input for model z-image: faces.0.target: Field required"
    assert sentence(violation, "z-image") == expected
    assert sentence(violation, None) == "input.faces.0.target: Field required"


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"x-api-key": "k"}, "k"),
        ({"x-api-key": " k "}, "k"),
        ({"x-api-key": "k", "authorization": "Bearer b"}, "k"),
        ({"x-api-key": "", "authorization": "Bearer b"}, "b"),
        ({"authorization": "bearer  b "}, "b"),
        ({"authorization": "Basic b"}, ""),
        ({"authorization": "b"}, ""),
        ({}, ""),
    ],
)
def test_the_key_of_a_request(headers, key):
    assert shown_key(headers) == key


def test_only_the_bearer_scheme_shows_a_token():
    assert [bearer_token({"authorization": text}) for text in ("Bearer x", "Token x", "Bearer")] == ["x", "", ""]


@pytest.mark.parametrize("row", RULES.refusals.values(), ids=lambda row: row.problem)
def test_a_refusal_is_its_row(row):
    rendered = WIRE.render_problem(Problem(row.problem, errors=["e"], details={"balance": 1.5}), DEFAULTS)
    assert (rendered.code, rendered.body["code"], rendered.body["message"]) == (row.code, row.code, row.message)
    assert rendered.status == (row.http or RULES.body_codes[row.code].http)
    assert rendered.body.get("errors") == (["e"] if row.errors else None)
    assert rendered.body.get("data") == ({"balance": 1.5} if row.data == "balance" else None)
    assert ("data" in rendered.body) is (row.data is not None)
    assert rendered.contract_status is None


def test_a_success_is_wrapped():
    rendered = WIRE.render(Reply({"a": 1}), DEFAULTS)
    assert (rendered.status, rendered.body) == (200, {"code": 200, "message": "success", "data": {"a": 1}})
    assert WIRE.render(Reply(is_empty=True, status=204), DEFAULTS).body is None


def test_a_status_of_the_users_own_keeps_the_usual_one_beside_it():
    mapped = {**DEFAULTS, "http_status": {422: 400}}
    rendered = WIRE.render_problem(Problem("invalid"), mapped)
    assert (rendered.status, rendered.contract_status) == (400, 422)
    assert WIRE.render_problem(Problem("key_missing"), mapped).contract_status is None
