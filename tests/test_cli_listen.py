"""`swapmock listen` as a process: what it prints of a callback, and what it answers."""

import gzip
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from click.testing import CliRunner

from swapmock.contracts.behaviour import Acknowledgement
from swapmock.mock_server.adapters.receiver import ReceivedRequest
from swapmock.mock_server.cli.listen import MAX_DEPTH, Printer, acknowledgement, listen, pretty
from swapmock.mock_server.cli.output import UsageError
from tests.test_cli import ENVIRONMENT, ROOT


@contextmanager
def listening(*arguments, **environment) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "swapmock", "listen", "-p", "0", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**ENVIRONMENT, **environment}
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().removeprefix("Listening on ").strip()
        finally:
            process.terminate()


def lines(process, count):
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def test_it_prints_and_acknowledges():
    with listening("--fail", 1) as (process, url):
        refused = requests.post(url + "/cb?x=1", json={"a": 1}, timeout=10)
        taken = requests.post(url + "/cb", json=[], timeout=10)
        assert (refused.status_code, taken.status_code, taken.json()["code"]) == (500, 200, "200")
        assert lines(process, 5) == [
            "#1 POST /cb?x=1  application/json, 8 bytes -> HTTP 500",
            "{",
            '  "a": 1',
            "}",
            "#2 POST /cb  application/json, 2 bytes -> HTTP 200",
        ]


@pytest.mark.parametrize(("provider", "value"), [("crun", {}), ("imgopen", {"code": "200"})])
def test_it_acknowledges_as_one_provider_wants_it(provider, value):
    with listening("--provider", provider) as (_, url):
        taken = requests.post(url, json={}, timeout=10)
    assert (taken.status_code, taken.json()) == (200, value)


def test_an_unknown_provider_is_told():
    done = CliRunner().invoke(listen, ["--provider", "crn"])
    assert done.exit_code == 2
    assert "'crn' is none of crun, imgopen" in done.output


def rule(first, last, code=(), member="code"):
    return Acknowledgement((first, last), "invented", "ours", code, member)


@pytest.mark.parametrize(
    ("rules", "answer"),
    [
        ([], (200, {})),
        ([rule(200, 299)], (200, {})),
        ([rule(200, 299), rule(202, 202)], (202, {})),
        ([rule(200, 299, ("200", 200)), rule(200, 299)], (200, {"code": "200"})),
        ([rule(200, 299, ("200", 200)), rule(200, 200, (200,))], (200, {"code": 200})),
        ([rule(200, 299, ("200",)), rule(200, 299, ("ok",), "result")], (200, {"code": "200", "result": "ok"})),
        ([rule(200, 200), rule(202, 299)], None),
        ([rule(200, 299, ("200",)), rule(200, 299, (0,))], None),
    ],
)
def test_one_answer_fits_all_contracts_or_none_is_given(rules, answer):
    named = {f"p{number}": one for number, one in enumerate(rules)}
    if answer is None:
        with pytest.raises(UsageError, match="choose one with --provider"):
            acknowledgement(named)
    else:
        assert acknowledgement(named) == answer


def test_a_terminal_of_ascii_gets_escapes():
    with listening(PYTHONIOENCODING="ascii") as (process, url):
        requests.post(url, data='{"a": "人"}'.encode(), timeout=10)
        assert lines(process, 4)[2] == r'  "a": "\u4eba"'


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"\x1b]0;title\x07\x1b[31m", r"\x1b]0;title\x07\x1b[31m"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b'{"a": "\\u001b[2J"}', '{\n  "a": "\\u001b[2J"\n}'),
        (b'"\\ud800"', r'"\ud800"'),
        ("\u202e\u2066\x9b31m".encode(), r"\u202e\u2066\x9b31m"),
        (b"one\r\ntwo", "one\\r\ntwo"),
    ],
    ids=["sequences", "not UTF-8", "escaped JSON", "surrogate", "directions", "line ends"],
)
def test_control_characters_are_escaped(body, shown):
    said: list[str] = []
    Printer(said.append).answer(ReceivedRequest(1, "POST", "/", (), body))
    assert said[1] == shown


def test_the_line_of_a_request_stays_one_line():
    said: list[str] = []
    headers = (("content-type", "a\x1b\nb"),)
    Printer(said.append).answer(ReceivedRequest(1, "POST", "/\x1b\x85", headers, b""))
    assert said[0] == r"#1 POST /\x1b\x85  a\x1b\nb, 0 bytes -> HTTP 200"


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 100_000])
def test_deep_json_is_shown_as_it_came(depth):
    text = "[" * depth + "]" * depth
    assert pretty(text.encode()).endswith(text)


def test_json_of_many_digits_is_shown_as_it_came():
    text = "9" * 10_000
    assert pretty(text.encode()) == text


def test_a_bomb_is_refused_and_told():
    with listening() as (process, url):
        headers = {"content-encoding": "gzip"}
        body = gzip.compress(b"\0" * 50_000_000)
        refused = requests.post(url, data=body, headers=headers, timeout=10)
        packed = requests.post(url, data=gzip.compress(b'{"a": 1}'), headers=headers, timeout=10)
        assert (refused.status_code, packed.status_code) == (413, 200)
        said = lines(process, 4)
        assert said[0].endswith("-> HTTP 413")
        assert said[1] == "refused: the body unpacks to more than 1048576 bytes"
        assert json.loads(said[3] + '"a": 1}') == {"a": 1}


def test_a_broken_request_is_told():
    with listening() as (process, url):
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"\x1b[31m\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        assert lines(process, 1)[0].startswith("refused a request: not a valid HTTP/1.1 request")
