"""The wire format of a provider without an envelope, without HTTP."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import Violation
from swapmock.mock_server.core.call import Problem, Reply
from swapmock.mock_server.providers.rest import (
    ErrorToWrite,
    RestWire,
    authenticate_by_key,
    error_type,
    problem_details,
    sentence,
    usual_error,
)

CODES: list[tuple[int | str, int]] = [
    (400, 400), ("400", 400), (599, 599), (600, 410), (399, 410), ("x", 410), ("²", 410), ("9" * 5000, 410), ("4040", 410), ("00404", 410), (500, 500),
]  # fmt: skip
ROWS = {
    "invalid": SimpleNamespace(errors=True, message="bad request", http=400),
    "gone": SimpleNamespace(errors=False, message="gone", http=None),
}
BEHAVIOUR: Any = SimpleNamespace(refusals=ROWS)
WIRE = RestWire(BEHAVIOUR)


@pytest.mark.parametrize(
    ("problem", "status", "body"),
    [
        (Problem("invalid", errors=["a", "b"]), 400,
         {"error": {"code": "invalid", "message": "bad request", "details": ["a", "b"]}}),
        (Problem("invalid", message="other"), 400, {"error": {"code": "invalid", "message": "other"}}),
        (Problem("gone", errors=["a"]), 500, {"error": {"code": "gone", "message": "gone"}}),
        (Problem("gone", http=410), 410, {"error": {"code": "gone", "message": "gone"}}),
        (Problem("invalid", http=410), 410, {"error": {"code": "invalid", "message": "bad request"}}),
        *(
            (Problem("invalid", http=410, code=code), status, {"error": {"code": "invalid", "message": "bad request"}})
            for code, status in CODES
        ),
    ],
)  # fmt: skip
def test_an_error_response(problem, status, body):
    response = WIRE.render_problem(problem, {})
    assert (response.status, response.body, response.code) == (status, body, None)


def test_headers_go_onto_the_answer():
    headers = (("retry-after", "5"),)
    assert WIRE.render_problem(Problem("gone", headers=headers), {}).headers == headers
    assert WIRE.render(Reply({"a": 1}, status=201, headers=headers), {}) == (201, {"a": 1}, None, headers, None)
    assert WIRE.render(Reply({"a": 1}, is_empty=True, status=204), {}).body is None


def test_an_error_in_other_words():
    wire = RestWire(BEHAVIOUR, list)
    problem = Problem("invalid", errors=["a"], details={"balance": 3})
    assert wire.render_problem(problem, {}).body == ["invalid", 400, "bad request", ("a",), {"balance": 3}]
    assert usual_error(ErrorToWrite("n", 400, "t")) == {"error": {"code": "n", "message": "t"}}


def test_an_error_by_rfc_9457_with_its_media_type():
    wire = RestWire(BEHAVIOUR, problem_details, "application/problem+json")
    own = ("content-type", "application/problem+json")
    refused = wire.render_problem(Problem("invalid", errors=["a", "b"]), {})
    assert refused.body == {"type": "about:blank", "title": "bad request", "status": 400, "detail": "a; b"}
    assert refused.headers == (own,)
    later = ("retry-after", "5")
    gone = wire.render_problem(Problem("gone", headers=(later,)), {})
    assert gone.body == {"type": "about:blank", "title": "gone", "status": 500}
    assert gone.headers == (own, later)
    assert wire.render(Reply({"a": 1}), {}).headers == ()
    other = RestWire(BEHAVIOUR, problem_details, "application/hal+json")  # before application/json in the alphabet
    assert other.render_problem(Problem("gone"), {}).headers == (("content-type", "application/hal+json"),)


@pytest.mark.parametrize(
    ("responses", "media_type"),
    [
        ({"200": ["application/hal+json"]}, "application/json"),
        ({"200": ["application/json"], "default": ["application/problem+json"]}, "application/problem+json"),
        ({"4XX": ["text/html"], "500": ["application/vnd.error+json"]}, "application/vnd.error+json"),
        ({"400": ["application/problem+json", "application/json"]}, "application/json"),
        ({"400": []}, "application/json"),
    ],
)
def test_the_media_type_of_errors_is_that_of_the_contract(responses, media_type):
    answers: dict[str, Any] = {status: {"content": {kind: {} for kind in kinds}} for status, kinds in responses.items()}
    operation = SimpleNamespace(spec={"responses": answers})
    contract: Any = SimpleNamespace(operations={"one": operation}, resolve=lambda answer: answer)
    assert error_type(contract) == media_type


@pytest.mark.parametrize(
    ("violation", "text"),
    [
        (Violation(("body", "a", 0, "b"), "required", None, None), "a.0.b: is required"),
        (Violation(("body",), "required", None, None), "body: is required"),
        (Violation(("query", "n"), "maximum", 5, 6), "n: breaks maximum (5)"),
        (Violation(("query", "n"), "odd", None, 6), "n: breaks odd"),
        (Violation(("query", "n"), "minimum", 0, -1), "n: breaks minimum (0)"),
    ],
)
def test_sentences(violation, text):
    assert sentence(violation) == text
    operation: Any = None
    problem = WIRE.explain_violations(operation, None, [violation, violation], {})
    assert (problem.name, problem.errors) == ("invalid", (text, text))


@pytest.mark.parametrize(
    ("is_public", "key", "identity"),
    [
        (False, "", ("", "key_missing")),
        (True, "", ("", None)),
        (False, "other", ("", "key_unknown")),
        (True, "other", ("", "key_unknown")),
        (False, "good", ("s", None)),
        (False, "off", ("s", "key_disabled")),
    ],
)
def test_whose_request_it_is(is_public, key, identity):
    form = SimpleNamespace(key_in=lambda headers: headers.get("k", ""))
    contract: Any = SimpleNamespace(name="n", behaviour=SimpleNamespace(credential_form=form))
    store: Any = SimpleNamespace(find=lambda _, shown: {"good": ("s", "", False), "off": ("s", "", True)}.get(shown))
    assert authenticate_by_key(contract)(is_public, {"k": key}, {}, store) == identity


def test_a_provider_without_a_form_of_keys_finds_none():
    contract: Any = SimpleNamespace(name="n", behaviour=SimpleNamespace(credential_form=None))
    store: Any = SimpleNamespace()
    assert authenticate_by_key(contract)(False, {"k": "x"}, {}, store) == ("", "key_missing")
