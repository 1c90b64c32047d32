"""crun.ai's wire format, without HTTP: sentences, keys, envelope."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import Violation, load
from swapmock.mock_server.core.call import Problem, Reply
from swapmock.mock_server.providers.crun.wire import (
    LIMITS,
    Wire,
    _is_limit,
    _limits_are_observed,
    authenticate,
    authorize,
    bearer_token,
    invalid_input,
    sentence,
    unknown_model,
)

CONTRACT = load("crun")
RULES = CONTRACT.behaviour
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
    # A field of `input` itself, too; `input` without one, and members beside it, do not.
    field = Violation(("body", "input", "prompt"), "required")
    assert sentence(field, "z-image") == "Value error, Invalid input for model z-image: prompt: Field required"
    for name in ("aaa", "zzz"):
        assert sentence(Violation(("body", name, "b"), "required"), "z-image") == f"{name}.b: Field required"


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
    store: Any = SimpleNamespace(find=lambda _, asked: (asked, "", False))
    assert authenticate(False, headers, {}, store) == (key, None if key else "key_missing")


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


MORE_SENTENCES = [
    (("query", "a"), "minLength", 2, "", "a: String should have at least 2 characters"),
    (("query", "a"), "maxLength", 1, "xx", "a: String should have at most 1 character"),
    (("query", "a"), "minItems", 1, [], "a: List should have at least 1 item after validation, not 0"),
    (("query", "a"), "maxItems", 1, [1, 2], "a: List should have at most 1 item after validation, not 2"),
    (("query", "a"), "maxItems", 0, [1], "a: List should have at most 0 items after validation, not 1"),
    (("query", "a"), "enum", ["x"], "y", "a: Input should be 'x'"),
    (("query", "a"), "enum", ["x", 2], "y", "a: Input should be 'x' or 2"),
    (("query", "a"), "not", {"const": "x"}, "x", "a: Input should not be 'x' with the other values given"),
    (("query", "a"), "not", {"required": ["b"]}, "x", "a: Input breaks the rule not"),
    (("query", "a"), "format", "uri", "x", "a: Input should be a valid URL"),
    (("query", "a"), "format", "date", "x", "a: Input breaks the rule format"),
    (("query", "a"), "pattern", "^https?://", "x", "a: URL scheme should be 'http' or 'https'"),
    (("query", "a"), "pattern", r"^[^\x00]*$", "x", "a: Input should be text without control characters"),
    (("query", "a"), "pattern", r"^[^\u0000]*$", "x", "a: Input should be text without control characters"),
    (("body",), "json", "not JSON", "x", "body: not JSON"),
    (("body",), "content_type", "send JSON", "x", "body: send JSON"),
    (("body",), "too_large", "at most 5", "x", "body: at most 5"),
    (("query", "a"), "type", "boolean", 5, "a: Input should be a valid boolean"),
    (("query", "a"), "type", "number", "x", "a: Input should be a valid number"),
    (("query", "a"), "type", "array", "x", "a: Input should be a valid list"),
    (("query", "a"), "type", ["null", "array"], "x", "a: Input should be a valid list"),
    (("body", "input"), "type", "object", 5, "input: Input should be a valid dictionary"),
]


@pytest.mark.parametrize(
    ("place", "rule", "expected", "got", "text"), MORE_SENTENCES, ids=lambda value: str(value)[:40]
)
def test_further_sentences(place, rule, expected, got, text):
    assert sentence(Violation(place, rule, expected, got), "z-image") == text


def response(problem, **choices):
    return WIRE.render_problem(problem, {**DEFAULTS, **choices})


@pytest.mark.parametrize(
    ("problem", "choices", "status", "body"),
    [
        (Problem("invalid", errors=["a"]), {}, 422,
         {"code": 422, "message": "Missing Params or Type Error", "errors": ["a"]}),
        (Problem("key_missing", errors=["a"]), {}, 401, {"code": 401, "message": "API key missing", "data": None}),
        (Problem("key_missing", message="m", code=499), {}, 200, {"code": 499, "message": "m"}),
        (Problem("key_missing"), {"http_status": "always200"}, 200, {"code": 401, "message": "API key missing"}),
        (Problem("key_missing"), {"http_status": {401: 407}}, 407,
         {"code": 401, "message": "API key missing", "data": None}),
        (Problem("key_missing"), {"http_status": {402: 407}}, 401,
         {"code": 401, "message": "API key missing", "data": None}),
        (Problem("key_missing", http=418), {}, 418, {"code": 401, "message": "API key missing", "data": None}),
        (Problem("file_not_found", http=418), {}, 404, {"code": 404, "message": "File not found", "data": None}),
        (Problem("key_disabled"), {}, 403, {"code": 403, "message": "API key disabled", "data": None}),
        (Problem("key_disabled"), {"disabled_key": 401}, 401, {"code": 401, "message": "Invalid API key", "data": None}),
        (Problem("key_disabled", code=402), {}, 401, {"code": 401, "message": "Invalid API key", "data": None}),
        (Problem("key_disabled", code=404), {}, 401, {"code": 401, "message": "Invalid API key", "data": None}),
        (Problem("task_not_found"), {}, 404, {"code": 404, "message": "Task not found", "data": None}),
        (Problem("task_not_found"), {"task_not_found_http": 200}, 200, {"code": 404, "message": "Task not found"}),
        (Problem("model_not_found"), {"task_not_found_http": 200}, 404,
         {"code": 404, "message": "Model not found", "data": None}),
        (Problem("insufficient_credits", details={"balance": 1.5}), {}, 402,
         {"code": 402, "message": "Insufficient Credits", "data": {"balance": 1.5}}),
        (Problem("insufficient_credits", details={"balance": 1.5}), {"credits_number": "integer"}, 402,
         {"code": 402, "message": "Insufficient Credits", "data": {"balance": 2}}),
        (Problem("insufficient_credits"), {}, 402,
         {"code": 402, "message": "Insufficient Credits", "data": {"balance": 0}}),
    ],
)  # fmt: skip
def test_error_responses(problem, choices, status, body):
    made = response(problem, **choices)
    assert (made.status, made.body, made.code) == (status, body, body["code"])


@pytest.mark.parametrize(
    ("policy", "usual"), [("code", None), ("always200", None), ({401: 407}, 401), ({402: 407}, None), ({401: 401}, 401)]
)
def test_the_status_that_the_contract_knows_an_answer_by(policy, usual):
    assert response(Problem("key_missing"), http_status=policy).contract_status == usual


def test_successes():
    assert WIRE.render(Reply({"a": 1}), DEFAULTS)[:3] == (
        200,
        {"code": 200, "message": "success", "data": {"a": 1}},
        200,
    )
    assert WIRE.render(Reply(is_empty=True, status=204), DEFAULTS)[:3] == (204, None, None)
    # Success stays 200, whatever a map has for it; another code has the map's status.
    for code, status in ((199, 298), (200, 200), (201, 299)):
        mapped = {**DEFAULTS, "http_status": {199: 298, 200: 297, 201: 299}}
        assert WIRE.render(Reply(1, code=code), mapped).status == status
    failed = Reply({"a": 1}, code=422, message="m")
    assert WIRE.render(failed, DEFAULTS)[:3] == (422, {"code": 422, "message": "m", "data": {"a": 1}}, 422)
    assert WIRE.render(failed, {**DEFAULTS, "http_status": "always200"}).status == 200


@pytest.mark.parametrize(
    ("headers", "identity"),
    [
        ({}, ("", "key_missing")),
        ({"x-api-key": " "}, ("", "key_missing")),
        ({"x-api-key": "other"}, ("", "key_unknown")),
        ({"x-api-key": "good"}, ("s", None)),
        ({"authorization": "Bearer good"}, ("s", None)),
        ({"x-api-key": "off"}, ("s", "key_disabled")),
    ],
)
def test_whose_request_it_is(headers, identity):
    known = {"good": ("s", "", False), "off": ("s", "", True)}
    store: Any = SimpleNamespace(find=lambda _, key: known.get(key), owner={"file": "owner"}.get)
    assert authenticate(False, headers, {}, store) == identity
    assert authenticate(True, headers, {"file_name": "file"}, store) == ("owner", None)
    assert authenticate(True, headers, {"file_name": "none"}, store) == ("", None)


@pytest.mark.parametrize(
    ("headers", "choice", "problem"),
    [
        ({"x-api-key": "k"}, "refuse", None),
        ({"x-api-key": " "}, "refuse", "key_missing"),
        ({"authorization": "Bearer k"}, "refuse", "key_missing"),
        ({"authorization": "Bearer k"}, "accept", None),
    ],
)
def test_whether_a_bearer_token_is_a_key(headers, choice, problem):
    assert authorize(headers, {**DEFAULTS, "bearer": choice}) == problem


def test_a_model_that_no_list_has():
    assert unknown_model("m", {"unknown_model": 404}).name == "model_not_found"
    problem = unknown_model("x" * 200, {"unknown_model": 422})
    assert problem.errors == (f"model: Input should be a known model, not '{'x' * 100}' (see job/Models)",)
    assert invalid_input("m", "", "no").errors == ("Value error, Invalid input for model m: no",)
    assert invalid_input("m", "a.b", "no").errors == ("Value error, Invalid input for model m: a.b: no",)


@pytest.mark.parametrize("rule", [*LIMITS, "type", "required", "format", "minLength"])
@pytest.mark.parametrize(
    ("place", "of_input"),
    [
        (("body", "input", "prompt"), True),
        (("body", "input"), False),
        (("body",), False),
        (("body", "input", "img_urls", 0), False),
        (("body", "aaa", "prompt"), False),
        (("body", "zzz", "prompt"), False),
        (("input", "body", "prompt"), False),
    ],
)
def test_the_limits_of_a_model(place, of_input, rule):
    """Bounds of a field of `input` itself; the type of a field, and media URLs, are none."""
    assert _is_limit(Violation(place, rule)) is (of_input and rule in LIMITS)
    assert set(LIMITS) == {"maxLength", "maxItems", "minimum", "maximum", "enum", "pattern", "not"}


@pytest.mark.parametrize(
    ("operation", "body", "observed"),
    [
        ("create_task", {"model": "z-image"}, True),
        ("estimate_credits", {"model": "openai/gpt-image-2"}, True),
        ("create_task", {"model": "image-face-swap"}, False),
        ("create_task", {"model": "bytedance/dreamactor"}, False),
        ("create_task", {"model": "nobody"}, False),
        ("create_task", {"model": ["z-image"]}, False),
        ("create_task", {"model": None}, False),
        ("create_task", {}, False),
        ("create_task", ["model"], False),
        ("create_task", "z-image", False),
        ("create_task", None, False),
        ("detect_face_image", {"model": "z-image"}, False),
        ("get_task_info", {"model": "z-image"}, False),
    ],
)
def test_where_limits_were_observed(operation, body, observed):
    assert _limits_are_observed(CONTRACT.operations[operation], body) is observed


LONG = Violation(("body", "input", "prompt"), "maxLength", 800, "x" * 801)
UNTYPED = Violation(("body", "input", "prompt"), "type", "string", 5)
NO_URL = Violation(("body", "input", "image_url"), "pattern", "^https?://", "ftp://a")
IN_LIST = ("body", "input", "img_urls", 0)
DATA = "data:image/png;base64,AAAA"


def data_uri(place=IN_LIST, rule="pattern", got=DATA):
    return Violation(place, rule, "^https?://", got)


def explained(violations, model="z-image", **choices):
    """The number of sentences; None where all is allowed."""
    operation = CONTRACT.operations["create_task"]
    problem = WIRE.explain_violations(operation, {"model": model}, violations, {**DEFAULTS, **choices})
    return None if problem is None else (problem.name, len(problem.errors))


@pytest.mark.parametrize(
    ("violations", "model", "choices", "expected"),
    [
        ([LONG], "z-image", {}, ("invalid", 1)),
        ([LONG], "z-image", {"model_limits": "open"}, None),
        ([LONG], "image-face-swap", {"model_limits": "open"}, ("invalid", 1)),
        ([LONG, UNTYPED], "z-image", {}, ("invalid", 2)),
        ([LONG, UNTYPED], "z-image", {"model_limits": "open"}, ("invalid", 1)),
        ([UNTYPED], "z-image", {"model_limits": "open"}, ("invalid", 1)),
        # Where data URIs may stand.
        ([data_uri()], "z-image", {}, None),
        ([data_uri(rule="maxLength")], "z-image", {}, None),
        ([data_uri(rule="minLength")], "z-image", {}, ("invalid", 1)),
        ([data_uri(rule="a")], "z-image", {}, ("invalid", 1)),
        ([data_uri(rule="z")], "z-image", {}, ("invalid", 1)),
        ([data_uri(got=DATA.upper())], "z-image", {}, None),
        ([data_uri(got="data:text/plain,a")], "z-image", {}, ("invalid", 1)),
        ([data_uri(got=f" {DATA}")], "z-image", {}, ("invalid", 1)),
        ([data_uri(got=5)], "z-image", {}, ("invalid", 1)),
        ([data_uri(("body", "input", "image_url"))], "z-image", {}, ("invalid", 1)),
        ([data_uri(("body", "input", "image_url"))], "z-image", {"data_uris": "accept"}, None),
        ([data_uri()], "z-image", {"data_uris": "accept"}, None),
        ([data_uri()], "z-image", {"data_uris": "refuse"}, ("invalid", 1)),
        ([data_uri(), NO_URL], "z-image", {"data_uris": "accept"}, ("invalid", 1)),
        ([data_uri(), LONG], "z-image", {"model_limits": "open"}, None),
        ([], "z-image", {}, None),
    ],
)  # fmt: skip
def test_which_violations_a_variant_allows(violations, model, choices, expected):
    assert explained(violations, model, **choices) == expected


def test_an_unknown_model_is_told_before_all_else():
    unknown = Violation(("body", "model"), "discriminator", None, "nobody")
    operation = CONTRACT.operations["create_task"]
    bodies: tuple[Any, ...] = ({"model": "nobody"}, [])
    for body in bodies:
        problem = WIRE.explain_violations(operation, body, [LONG, unknown], DEFAULTS)
        assert problem is not None
        assert problem.errors == ("model: Input should be a known model, not 'nobody' (see job/Models)",)
    cases: tuple[tuple[Any, str], ...] = (
        ({"model": "z-image"}, "Value error, Invalid input for model z-image: prompt: Field required"),
        ({"model": 5}, "input.prompt: Field required"),
        ([], "input.prompt: Field required"),
    )
    for body, text in cases:
        violation = Violation(("body", "input", "prompt"), "required")
        problem = WIRE.explain_violations(operation, body, [violation], DEFAULTS)
        assert problem is not None
        assert problem.errors == (text,)
