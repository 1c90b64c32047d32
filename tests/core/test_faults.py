"""Fault rules: what they match, whose turn it is, how effects are read and written."""

import copy
import re
from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts.patterns import BadPattern, check, search
from swapmock.mock_server.adapters.jsonquery import BadPath, find
from swapmock.mock_server.adapters.jsonquery import check as check_path
from swapmock.mock_server.core.faults import (
    CODE_TYPES,
    Effect,
    FaultRule,
    Match,
    Moment,
    RawBody,
    Stall,
    Turns,
    any_fits,
    drawn_delay,
    matches,
    merged,
    read_effect,
    takes_turn,
    usual_moment,
    with_value,
    written_effect,
)
from swapmock.mock_server.core.sandbox import RateLimit
from swapmock.mock_server.core.seeded import fraction


class Subject:
    provider, operation, model = "crun", "create_task", "m"
    path = "/api/CreateTask"
    headers = property(lambda self: {"x-a": "1"})
    params = property(lambda self: {"page": "2"})

    def body(self):
        return {"model": "m", "n": 1, "list": [1, 2], "none": None, "deep": {"a": True}}


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"provider": "crun", "operation": "create_task", "model": "m"}, True),
        ({"provider": "imgopen"}, False),
        ({"provider": "a"}, False),
        ({"operation": "a"}, False),
        ({"operation": "z"}, False),
        ({"model": "a"}, False),
        ({"model": "n"}, False),
        ({"body": {"n": 1}}, True),
        ({"body": {"n": 1.0}}, True),
        ({"body": {"n": "1"}}, True),
        ({"body": {"n": True}}, False),
        ({"body": {"/deep/a": True}}, True),
        ({"body": {"/deep/a": 1}}, False),
        ({"body": {"none": None}}, True),
        ({"body": {"missing": None}}, False),
        ({"body": {"list": [1, 2]}}, True),
        ({"body": {"$.list[*]": 2}}, True),
        ({"body": {"$.list[*]": 3}}, False),
        ({"body": {"/list/0": 1, "n": 2}}, False),
        ({"body": {"deep": {"a": True}}}, True),
        ({"body": {"deep": {"exists": True}}}, True),
        ({"headers": {"x-a": 1}}, True),
        ({"params": {"page": {"matches": "^[0-9]$"}}}, True),
        ({"params": {"page": {"contains": "3"}}}, False),
        ({"path": "/api/CreateTask"}, True),
        ({"path": {"contains": "CreateTask"}}, True),
        ({"path": {"matches": "Task$"}, "model": "m"}, True),
        ({"path": "/api"}, False),
    ],
)
def test_matches(match, fits):
    assert matches(Match(**match), Subject(), find, search) is fits


def test_conditions_on_nothing():
    assert not any_fits({"contains": "a"}, [], search)
    assert not any_fits({"matches": "a"}, [], search)
    assert any_fits({"exists": False}, [], search)


def test_turns():
    rule = FaultRule("f", Effect(code=500), Match(nth=3))
    assert [takes_turn(rule, Turns(n, 0), 1) for n in range(5)] == [False, False, True, False, False]
    rule = FaultRule("f", Effect(code=500), times=2)
    assert [takes_turn(rule, Turns(9, struck), 1) for struck in range(4)] == [True, True, False, False]
    rule = FaultRule("f", Effect(code=500), Match(probability=0.25))
    struck = [takes_turn(rule, Turns(n, 0), 1) for n in range(1000)]
    assert struck == [takes_turn(rule, Turns(n, 0), 1) for n in range(1000)]
    assert 200 < sum(struck) < 300
    drawn = fraction(1, "f", 1)
    edge = FaultRule("f", Effect(code=500), Match(probability=drawn))
    assert takes_turn(edge, Turns(), 1) is False
    assert takes_turn(edge._replace(match=Match(probability=drawn + 1e-9)), Turns(), 1) is True


def test_delays():
    assert drawn_delay(Effect(delay=(2.0, 2.0)), 1) == 2.0
    assert drawn_delay(Effect(delay=(3.0, 1.0)), 1) == 3.0
    drawn = {drawn_delay(Effect(delay=(1.0, 3.0)), 1, n) for n in range(100)}
    assert len(drawn) == 100
    assert all(1.0 <= delay < 3.0 for delay in drawn)


@pytest.mark.parametrize(
    ("raw", "effect"),
    [
        ({"code": 429}, Effect(code=429)),
        ({"delay": 2}, Effect(delay=(2.0, 2.0))),
        ({"delay": [1, 2]}, Effect(delay=(1.0, 2.0))),
        ({"delay": {"min": 1, "max": 2}}, Effect(delay=(1.0, 2.0))),
        ({"delay": "500ms"}, Effect(delay=(0.5, 0.5))),
        ({"retry_after": 3}, Effect(retry_after=(3.0, "seconds"))),
        ({"retry_after": {"seconds": 3, "form": "date"}}, Effect(retry_after=(3.0, "date"))),
        ({"maintenance": True}, Effect(refuse="maintenance")),
        ({"extra_fields": True}, Effect(extra_fields={"unexpected": True})),
        ({"extra_fields": False}, Effect()),
        ({"connection": "hang-up"}, Effect(connection="hang_up")),
        ({"rate_limit": {"calls": 1, "seconds": 2}}, Effect(rate_limit=RateLimit(1, 2))),
        ({"set": {"/data": 1}}, Effect(set={"/data": 1})),
        ({"set": {}}, Effect()),
        ({"raw": "é"}, Effect(raw=RawBody(b"\xc3\xa9", "text/html; charset=utf-8"))),
        ({"raw": {"text": "a", "content_type": "text/plain"}}, Effect(raw=RawBody(b"a", "text/plain"))),
        ({"raw": {"base64": "AP8=", "content_type": "a/b"}}, Effect(raw=RawBody(b"\x00\xff", "a/b"))),
        ({"raw": {}}, Effect(raw=RawBody(b"", "text/html; charset=utf-8"))),
        ({"redirect": "/x"}, Effect(redirect="/x")),
        ({"gateway": 502}, Effect(gateway=502)),
        ({"stall": True}, Effect(stall=Stall(196_608, 60.0))),
        ({"stall": 5}, Effect(stall=Stall(196_608, 5.0))),
        ({"stall": {"after": 10, "seconds": "2s"}}, Effect(stall=Stall(10, 2.0))),
        ({"stall": {}}, Effect(stall=Stall(196_608, 60.0))),
        ({"stall": False}, Effect()),
        ({"stall": None}, Effect()),
    ],
)
def test_effects_are_read_and_written(raw, effect):
    assert read_effect(raw) == effect
    assert read_effect(written_effect(effect)) == effect


@pytest.mark.parametrize(
    ("effect", "moment"),
    [
        (Effect(code=500), Moment.BEFORE),
        (Effect(refuse="maintenance"), Moment.BEFORE),
        (Effect(status=503), Moment.BEFORE),
        (Effect(status=400), Moment.BEFORE),
        (Effect(status=399), Moment.WIRE),
        (Effect(status=202), Moment.WIRE),
        (Effect(gateway=502), Moment.BEFORE),
        (Effect(redirect="/x"), Moment.BEFORE),
        (Effect(raw=RawBody(b"", "a/b")), Moment.WIRE),
        (Effect(delay=(1.0, 1.0)), Moment.WIRE),
        (Effect(body="empty"), Moment.WIRE),
        (Effect(connection="reset"), Moment.WIRE),
    ],
)
def test_usual_moments(effect, moment):
    assert usual_moment(effect) is moment


def test_code_types():
    assert {name: make(200, 200) for name, make in CODE_TYPES.items()} == {
        "string": "200",
        "number": 200,
        "null": None,
        "object": {"code": 200},
        "list": [200],
        "boolean": True,
    }
    assert CODE_TYPES["number"]("1001", "200") == 1001
    assert CODE_TYPES["boolean"]("ok", "ok") is True
    assert CODE_TYPES["boolean"](1, 2) is CODE_TYPES["boolean"](3, 2) is False


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", "x" * 501, "(a{1000}){1000}", "[z-a]"])
def test_patterns_that_are_refused(pattern):
    with pytest.raises(BadPattern):
        check(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*)*x", "a*a*a*a*a*a*a*a*b"])
def test_patterns_on_which_others_choke(pattern):
    assert search(pattern, "a" * 100_000 + "!") is False


@pytest.mark.parametrize("pattern", ["^a.c$", "b", "", r"\d+", "[^x]y?", "(a|b)c"])
@pytest.mark.parametrize("text", ["abc", "", "12", "xyz", "bc"])
def test_patterns_mean_what_they_usually_mean(pattern, text):
    assert search(pattern, text) is (re.search(pattern, text) is not None)


@pytest.mark.parametrize("path", ["$..a..b", "$[", "$[?match(@.a, 'b')]", "$[?@.a =~ /b/]", "/" + "a" * 500, "a"])
def test_paths_that_are_refused(path):
    with pytest.raises(BadPath):
        check_path(path)


def test_paths_that_lead_nowhere():
    for path in ("$.a.b", "/a/b", "/0", "$[0]", "$[?@.a > 1]"):
        documents: list[Any] = [{}, [], {"a": 1}, None, 5, "text"]
        for document in documents:
            assert list(find(path, document)) == [] or (path, document) == ("$[?@.a > 1]", {"a": 1})


@pytest.mark.parametrize(
    ("wanted", "found", "fits"),
    [
        ({"exists": True}, [1], True),
        ({"exists": True}, [], False),
        ({"exists": False}, [1], False),
        ({"exists": False}, [], True),
        ({"exists": True}, [None], True),
        ({"equals": 1}, [2, 1], True),
        ({"equals": 1}, [2], False),
        ({"contains": "b"}, ["a", "abc"], True),
        ({"contains": "b"}, ["a"], False),
        ({"contains": 2}, [[1, 2]], True),
        ({"equals": 1, "exists": True}, [1], False),  # two conditions are a value
        ({"other": 1}, [{"other": 1}], True),
        # A word that is no condition is a value, wherever it stands in the alphabet.
        *(({word: 1}, ["1"], False) for word in ("a", "d", "f", "n", "z")),
        ({"matches": "x"}, ["a"], False),
        ({}, [{}], True),
        ({}, [1], False),
        (True, ["true"], True),
        (True, ["TRUE"], True),
        (True, ["false"], False),
        (1, ["0"], False),
        (1, ["2"], False),
    ],
)
def test_conditions(wanted, found, fits):
    assert any_fits(wanted, found, search) is fits


def test_names_are_compared_by_what_they_say():
    provider, operation, model = ("-".join(pair) for pair in ("ab", "cd", "ef"))
    named = SimpleNamespace(
        provider=provider, operation=operation, model=model, headers={}, params={}, body=lambda: None
    )
    asked = Match(provider="a-b", operation="c-d", model="e-f")
    assert matches(asked, named, find, search)
    for other in (asked._replace(provider="x"), asked._replace(operation="x"), asked._replace(model="x")):
        assert not matches(other, named, find, search)
    assert Turns() == (0, 0)


def test_an_effect_that_does_nothing_is_written_as_nothing():
    assert written_effect(Effect()) == {}
    assert written_effect(Effect(delay=(0.0, 1.0))) == {"delay": [0.0, 1.0]}
    assert written_effect(Effect(delay=(2.0, 2.0))) == {"delay": 2.0}


@pytest.mark.parametrize("text", ["AP8", "A*P8=", "é"])
def test_base64_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"base64|ASCII|padding|Non"):
        read_effect({"raw": {"base64": text}})


@pytest.mark.parametrize(
    ("effect", "replacement", "replaces", "refuses"),
    [
        (Effect(), False, False, False),
        (Effect(code=500), False, False, True),
        (Effect(refuse="maintenance"), False, False, True),
        (Effect(rate_limit=RateLimit(1, 1.0)), False, False, True),
        (Effect(status=404), False, False, True),
        (Effect(status=201), False, False, False),
        (Effect(raw=RawBody(b"", "a/b")), True, True, False),
        (Effect(redirect="/x"), True, True, False),
        (Effect(gateway=502), True, True, False),
        (Effect(body="empty"), False, True, False),
        (Effect(connection="reset"), False, True, False),
        (Effect(connection="hang_up"), False, True, False),
        (Effect(connection="garbage"), False, True, False),
        (Effect(connection="dribble"), False, False, False),
        (Effect(delay=(1.0, 1.0)), False, False, False),
    ],
)
def test_what_is_left_of_an_answer(effect, replacement, replaces, refuses):
    assert (effect.replacement, effect.replaces_the_answer, effect.refuses) == (replacement, replaces, refuses)


@pytest.mark.parametrize(
    ("document", "pointer", "expected"),
    [
        ({"a": 1}, "", "new"),
        ({"a": 1}, "#", "new"),
        ({"a": 1, "b": 2}, "/a", {"a": "new", "b": 2}),
        ({"a": 1}, "#/b", {"a": 1, "b": "new"}),
        ({"a": {"b": 1, "c": 2}}, "/a/b", {"a": {"b": "new", "c": 2}}),
        ({}, "/a/b/c", {"a": {"b": {"c": "new"}}}),
        ({"a": None}, "/a/b", {"a": {"b": "new"}}),
        (None, "/a", {"a": "new"}),
        ({"a": "text"}, "/a/b", {"a": "text"}),
        (5, "/a", 5),
        ({}, "/", {"": "new"}),
        ({}, "/a~1b/~01", {"a/b": {"~1": "new"}}),
        ([1, 2, 3], "/0", ["new", 2, 3]),
        ([1, 2, 3], "/1", [1, "new", 3]),
        ([1, 2, 3], "/2", [1, 2, "new"]),
        ([1, 2, 3], "/3", [1, 2, 3]),
        ([1, 2, 3], "/4", [1, 2, 3]),
        ([1, 2, 3], "/-", [1, 2, 3, "new"]),
        ([1, 2, 3], "/-1", [1, 2, 3]),
        ([1, 2, 3], "/x", [1, 2, 3]),
        ([1, 2, 3], "/²", [1, 2, 3]),
        ([1, 2, 3], "/٢", [1, 2, 3]),
        ([1, 2, 3], "/" + "9" * 5000, [1, 2, 3]),
        ([{"x": 1}], "/0/x", [{"x": "new"}]),
        ([], "/-/a/b", [{"a": {"b": "new"}}]),
    ],
)
def test_a_value_is_put_at_a_pointer(document, pointer, expected):
    before = copy.deepcopy(document)
    assert with_value(document, pointer, "new") == expected
    assert document == before


def test_places_of_a_list_have_up_to_six_digits():
    long = [0] * 1_000_001
    assert with_value(long, "/999999", 1)[999_999] == 1
    assert with_value(long, "/1000000", 1) == long


@pytest.mark.parametrize(
    ("value", "extra", "expected"),
    [
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ({"a": {"x": 1}}, {"a": {"x": 2, "y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": 1}, {"a": {"y": 3}}, {"a": 1}),
        ({"a": {"x": 1}}, {"a": 5}, {"a": {"x": 1}}),
        ({}, {}, {}),
        ([1], {"a": 1}, [1]),
        ("text", {"a": 1}, "text"),
        (None, {"a": 1}, None),
    ],
)
def test_extra_fields_replace_nothing(value, extra, expected):
    before = copy.deepcopy(value)
    assert merged(value, extra) == expected
    assert value == before
