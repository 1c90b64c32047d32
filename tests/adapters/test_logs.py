"""Log lines: as text or JSON, without credentials."""

import io
import json
import logging

import pytest

from swapmock.mock_server.adapters.logs import JsonFormatter, TerminalFormatter, TextFormatter, secret_mask, set_up

KEY = "ak_swapmock000000000000000000000000"


MASK = secret_mask(["ak_", "openapi-", ""], ["x-api-key", "X-Own-Secret"], ["s3cret-of-the-server", ""])


def record(message: str, *values: object, **facts: object) -> logging.LogRecord:
    made = logging.LogRecord("swapmock", logging.INFO, __file__, 1, message, values, None)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "openapi-Ktc1B6RkdX4bloy5",
        "Bearer abcdefgh12345678",
        "s3cret-of-the-server",
        "signature=0123456789abcdef0123456789abcdef",
    ],
)
def test_credentials_are_masked(secret: str):
    shown = MASK(f"GET /path?x=1&{secret}&y=2")
    assert secret not in shown
    assert shown.startswith("GET /path?x=1&")
    assert shown.endswith("&y=2")


def test_json_lines_hold_ids_and_no_secret():
    line = json.loads(JsonFormatter(MASK).format(record("key %s", KEY, request="x1", task="t1", status=200)))
    assert (line["request"], line["task"], line["status"], line["level"]) == ("x1", "t1", 200, "info")
    assert KEY not in json.dumps(line)


def test_text_lines_hold_ids_and_no_secret():
    line = TextFormatter(MASK).format(record("key %s", KEY, request="x1", task=""))
    assert line.endswith("request=x1")
    assert KEY not in line


def test_a_text_line_stays_one_line():
    line = TextFormatter(MASK).format(
        record("GET %s", "/x\nERROR swapmock: forged\x1b[31m\r\x85\u2028\x7f", task="a\nb")
    )
    assert line == r"INFO swapmock: GET /x\nERROR swapmock: forged\x1b[31m\r\x85\u2028\x7f task=a\nb"


def test_an_exception_has_lines_of_its_own_and_steers_no_terminal():
    made = record("failed", request="x1")
    try:
        raise ValueError(f"\x1b[31m {KEY}")
    except ValueError as error:
        made.exc_info = (type(error), error, error.__traceback__)
    head, *trace = TextFormatter(MASK).format(made).split("\n")
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
    text = JsonFormatter(MASK).format(made)
    assert "\n" not in text
    assert "ValueError" in json.loads(text)["exception"]
    assert KEY not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x-api-key: abc", "x-api-key: …"),
        ("X-API-KEY=abc&y", "X-API-KEY=…&y"),
        ("{'x-own-secret': 'abc', 'y': 1}", "{'x-own-secret': '…', 'y': 1}"),
        ('{"X-Own-Secret":"abc"}', '{"X-Own-Secret":"…"}'),
        ("break_fast_and_lunch", "break_…"),  # rather too much than too little
        ("no secret here", "no secret here"),
    ],
)
def test_what_the_providers_declare_is_masked(text, shown):
    assert MASK(text) == shown


def test_another_vendor_s_key_is_masked_once_it_is_declared():
    line = "GET / fly_0123456789abcdef"
    assert secret_mask()(line) == line
    assert secret_mask(["fly_"])(line) == "GET / fly_…"


def test_a_long_line_is_masked_in_no_time():
    assert len(MASK("x-api-key" * 100_000)) > 0


# --- for a person

ANSWER = {"operation": "create_task", "status": 422, "code": 422, "seconds": 0.00123, "outcome": "refused"}


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        (ANSWER, "create_task  422  1.2 ms"),
        ({**ANSWER, "why": "`image_url` is missing"}, "create_task  422  1.2 ms  - `image_url` is missing"),
        ({**ANSWER, "status": 200, "code": "402"}, "create_task  200/402  1.2 ms"),
        ({**ANSWER, "status": 0, "code": None}, "create_task  0  1.2 ms"),
        ({"request": "x1"}, ""),
        ({**ANSWER, "why": f"key {KEY}\x1b[2J"}, "create_task  422  1.2 ms  - key ak_…\\x1b[2J"),
    ],
)
def test_a_line_for_a_person(facts, shown):
    made = record("POST /api", **facts)
    line = TerminalFormatter(MASK, has_colour=False).format(made)
    time, _, rest = line.partition("  ")
    assert len(time) == 8
    assert rest == "POST /api" + (f"  {shown}" if shown else "")


@pytest.mark.parametrize(("outcome", "colour"), [("good", 32), ("refused", 33), ("failed", 31), ("other", 36)])
def test_the_outcome_is_coloured(outcome, colour):
    line = TerminalFormatter().format(record("GET /", **{**ANSWER, "outcome": outcome}))
    assert f"\x1b[{colour}m422\x1b[0m" in line


def test_warnings_say_that_they_are():
    made = record("disk is full")
    made.levelno, made.levelname = logging.ERROR, "ERROR"
    assert TerminalFormatter(has_colour=False).format(made).endswith("  error  disk is full")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "is_coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals(stream, environment, is_coloured, monkeypatch):
    logger = logging.getLogger()
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.WARNING)
    set_up("info", "text", MASK, environment, stream)
    logger.handle(record("GET /", **ANSWER))
    assert ("\x1b[" in stream.getvalue()) == is_coloured
