"""Log lines: as text or JSON, without credentials."""

import json
import logging

import pytest

from swapmock.mock_server.adapters.logs import JsonFormatter, TextFormatter, masked

KEY = "ak_swapmock000000000000000000000000"


def record(message: str, *values: object, **facts: object) -> logging.LogRecord:
    made = logging.LogRecord("swapmock", logging.INFO, __file__, 1, message, values, None)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "secret", [KEY, "openapi-Ktc1B6RkdX4bloy5", "Bearer abcdefgh12345678", "signature=0123456789abcdef0123456789abcdef"]
)
def test_credentials_are_masked(secret: str):
    shown = masked(f"GET /path?x=1&{secret}&y=2")
    assert secret not in shown
    assert shown.startswith("GET /path?x=1&")
    assert shown.endswith("&y=2")


def test_json_lines_hold_ids_and_no_secret():
    line = json.loads(JsonFormatter().format(record("key %s", KEY, request="x1", task="t1", status=200)))
    assert (line["request"], line["task"], line["status"], line["level"]) == ("x1", "t1", 200, "info")
    assert KEY not in json.dumps(line)


def test_text_lines_hold_ids_and_no_secret():
    line = TextFormatter().format(record("key %s", KEY, request="x1", task=""))
    assert line.endswith("request=x1")
    assert KEY not in line


def test_a_text_line_stays_one_line():
    line = TextFormatter().format(record("GET %s", "/x\nERROR swapmock: forged\x1b[31m\r\x85\u2028\x7f", task="a\nb"))
    assert line == r"INFO swapmock: GET /x\nERROR swapmock: forged\x1b[31m\r\x85\u2028\x7f task=a\nb"


def test_an_exception_has_lines_of_its_own_and_steers_no_terminal():
    made = record("failed", request="x1")
    try:
        raise ValueError(f"\x1b[31m {KEY}")
    except ValueError as error:
        made.exc_info = (type(error), error, error.__traceback__)
    head, *trace = TextFormatter().format(made).split("\n")
    assert head == "INFO swapmock: failed request=x1"
    assert trace[0].startswith("Traceback")
    assert r"\x1b[31m" in trace[-1]
    assert KEY not in trace[-1]


def test_an_exception_stays_one_json_line():
    made = record("failed")
    try:
        raise ValueError(KEY)
    except ValueError as error:
        made.exc_info = (type(error), error, error.__traceback__)
    text = JsonFormatter().format(made)
    assert "\n" not in text
    assert "ValueError" in json.loads(text)["exception"]
    assert KEY not in text
