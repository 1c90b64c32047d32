"""Numbers from outside: bounded, and only of the digits that a protocol means."""

import pytest

from swapmock.mock_server.core.callback_faults import wrongly_typed
from swapmock.mock_server.core.faults import CODE_TYPES
from swapmock.mock_server.core.numerals import read_count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("00", 0),
        ("7", 7),
        ("99", 99),
        ("100", 100),
        ("101", 100),
        ("000", 0),
        ("0" * 5000 + "42", 42),
        ("9" * 5000, 100),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        (" 1", None),
        ("1_0", None),
        ("²", None),
        ("٢", None),
    ],
)
def test_counts(text, expected):
    assert read_count(text, 100) == expected


@pytest.mark.parametrize("text", ["100", "499", "500", "501", "999", "1000"])
def test_counts_as_long_as_their_bound(text):
    assert read_count(text, 500) == min(int(text), 500)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("200", 200), ("-7", -7), (500, 500), ("²", 0), ("--1", 0), ("", 0), ("E1", 0), ("9" * 5000, 2**53)],
)
def test_a_code_becomes_a_number(code, expected):
    assert CODE_TYPES["number"](code, 200) == expected


@pytest.mark.parametrize(
    ("code", "expected"), [("200", 200), ("²", None), ("x", None), (200, "200"), ("9" * 5000, 2**53)]
)
def test_a_code_of_the_other_type(code, expected):
    assert wrongly_typed({"code": code}, "code") == {"code": expected}
