"""Img Open's wire format, without HTTP: credentials, envelope, statuses, sentences."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import Violation, load
from swapmock.mock_server.core.call import Problem, Reply
from swapmock.mock_server.providers.imgopen.wire import Wire, authenticate, authorize, by_header, envelope, sentence

RULES = load("imgopen").behaviour
WIRE = Wire(RULES)
KEY, SECRET = "x-request-req-accesskeyid", "x-request-req-accesskeysecret"
QUERY_KEY, QUERY_SECRET = "X-Request-req-accessKeyId", "X-Request-req-accessKeySecret"
STORE: Any = SimpleNamespace(find=lambda _, key: {"good": ("s", "right", False), "off": ("s", "right", True)}.get(key))


@pytest.mark.parametrize(
    ("headers", "params", "identity"),
    [
        ({}, {}, ("", None)),
        ({KEY: " ", SECRET: ""}, {}, ("", None)),
        ({KEY: "good"}, {}, ("", "key_missing")),
        ({SECRET: "right"}, {}, ("", "key_missing")),
        ({KEY: "good", SECRET: "right"}, {}, ("s", None)),
        ({KEY: " good ", SECRET: " right "}, {}, ("s", None)),
        ({KEY: "good", SECRET: "wrong"}, {}, ("s", "secret_wrong")),
        ({KEY: "good", SECRET: "é"}, {}, ("s", "secret_wrong")),
        ({KEY: "other", SECRET: "right"}, {}, ("", "key_unknown")),
        ({KEY: "off", SECRET: "right"}, {}, ("s", "key_disabled")),
        ({}, {QUERY_KEY: "good", QUERY_SECRET: "right"}, ("s", None)),
        ({}, {QUERY_KEY: "good"}, ("", "key_missing")),
        ({KEY: "good"}, {QUERY_KEY: "good", QUERY_SECRET: "right"}, ("", "key_missing")),
        ({SECRET: "right"}, {QUERY_KEY: "good", QUERY_SECRET: "right"}, ("", "key_missing")),
    ],
)
def test_whose_request_it_is(headers, params, identity):
    assert authenticate(False, headers, params, STORE) == identity


@pytest.mark.parametrize(
    ("headers", "choices", "problem"),
    [
        ({}, {}, "key_missing"),
        ({KEY: "k"}, {}, None),
        ({SECRET: "s"}, {}, None),
        ({}, {"credentials": "optional"}, None),
        ({}, {"flux_credentials": "query"}, None),
    ],
)
def test_what_a_variant_makes_of_no_credentials(headers, choices, problem):
    assert authorize(headers, {**RULES.defaults, **choices}) == problem


@pytest.mark.parametrize(
    ("operation", "headers", "params", "choices", "is_handled"),
    [
        ("roop", {KEY: "k", SECRET: "s"}, {}, {}, True),
        ("roop", {}, {}, {}, False),
        ("roop", {}, {}, {"credentials": "optional"}, True),
        ("roop", {}, {QUERY_KEY: "k"}, {"flux_credentials": "query"}, False),
        ("face_fusion", {}, {QUERY_KEY: "k"}, {"flux_credentials": "query"}, False),
        ("flux_text2image", {}, {QUERY_SECRET: "s"}, {"flux_credentials": "query"}, True),
        ("flux_text2image", {}, {QUERY_KEY: "k"}, {"flux_credentials": "query"}, True),
        ("flux_text2image", {}, {QUERY_KEY: "k"}, {}, False),
        ("flux_text2image", {}, {}, {"flux_credentials": "query"}, False),
        ("flux_text2image", {KEY: "k"}, {}, {"flux_credentials": "query"}, True),
    ],
)
def test_where_the_credentials_are_expected(operation, headers, params, choices, is_handled):
    variants = {**RULES.defaults, **choices}
    call: Any = SimpleNamespace(operation=operation, headers=headers, params=params, variants=variants)
    handler = by_header(lambda _call, _engine: Reply("handled"))
    if is_handled:
        assert handler(call, None).data == "handled"
    else:
        with pytest.raises(Problem, match="key_missing"):
            handler(call, None)


@pytest.mark.parametrize(
    ("policy", "statuses"),
    [
        ("always200", (200, 200, 200)),
        ("code", (200, 404, 402)),
        ({404: 410}, (200, 410, 402)),
        ({200: 299}, (200, 404, 402)),
    ],
)
def test_statuses(policy, statuses):
    variants = {**RULES.defaults, "http_status": policy}
    assert (
        WIRE.render(Reply({"a": 1}), variants).status,
        WIRE.render(Reply(None, code="404"), variants).status,
        WIRE.render_problem(Problem("insufficient_credits"), variants).status,
    ) == statuses
    assert WIRE.render(Reply(None, code="no such"), variants).status == 200


@pytest.mark.parametrize("code", ["1", "199", "201", "1002", "x"])
def test_every_code_but_that_of_success_has_a_status_of_its_own(code):
    policy = {int(code) if code.isdigit() else code: 418}
    assert WIRE.render(Reply(None, code=code), {**RULES.defaults, "http_status": policy}).status == 418


@pytest.mark.parametrize("row", RULES.refusals.values(), ids=lambda row: row.problem)
def test_a_refusal_is_its_row(row):
    """With HTTP 200, or with the status of the row, else with that of the code."""
    for policy, status in (("always200", 200), ("code", row.http or RULES.body_codes[str(row.code)].http)):
        made = WIRE.render_problem(Problem(row.problem, errors=["e"]), {**RULES.defaults, "http_status": policy})
        assert (made.status, made.code, made.body["code"]) == (status, str(row.code), str(row.code))
        assert made.body == {
            "code": str(row.code),
            "msg": f"{row.message}: e" if row.errors else row.message,
            "data": None,
        }


@pytest.mark.parametrize(
    ("form", "data"),
    [("null", {"data": None}), ("absent", {}), ("error_message", {"data": {"errorMessage": "parameter error: a; b"}})],
)
def test_a_refusal(form, data):
    response = WIRE.render_problem(Problem("invalid", errors=["a", "b"]), {**RULES.defaults, "refusal_data": form})
    assert response.body == {"code": "400", "msg": "parameter error: a; b", **data}
    assert response.code == "400"


def test_a_refusal_in_other_words():
    defaults = RULES.defaults
    assert WIRE.render_problem(Problem("invalid"), defaults).body["msg"] == "parameter error"
    response = WIRE.render_problem(Problem("invalid", code=777, message="m", http=418), defaults)
    assert (response.status, response.body["code"], response.body["msg"]) == (418, "777", "m")


def test_the_envelope():
    assert envelope(Reply([1], code=200, message="m")) == {"code": "200", "msg": "m", "data": [1]}


@pytest.mark.parametrize(
    ("violation", "text"),
    [
        (Violation(("body", "a"), "required"), "a is required"),
        (Violation(("body",), "type", "object", 5), "body should be of type object"),
        (Violation(("body", "a", 0), "enum", ["x", "y"], 5), "a.0 should be one of x, y"),
        (Violation(("body", "a"), "type", ("string", "null"), 5), "a should be of type string, null"),
        (Violation(("body", "a"), "maximum", 5, 6), "a should be at most 5"),
        (Violation(("body", "a"), "odd", 5, 6), "a breaks the rule odd"),
    ],
)
def test_sentences(violation, text):
    assert sentence(violation) == text
    operation: Any = None
    assert WIRE.explain_violations(operation, None, [violation], {}).errors == (text,)  # type: ignore[union-attr]  # it always explains
