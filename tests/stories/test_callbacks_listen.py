"""`swapmock listen`, and the whole thing as a user has it: two processes in two terminals."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
import requests

from tests.conftest import KEY

SWAP = {"model": "image-face-swap", "input": {"image_url": "https://e.com/a.png", "new_face": "https://e.com/b.png"}}


@contextmanager
def running(*arguments) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`(process, base URL)` of a command that says where it listens."""
    command = [sys.executable, "-m", "swapmock", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = said(process)
            while not line.startswith("Listening on "):
                line = said(process)
            yield process, line.removeprefix("Listening on ").strip()
        finally:
            process.kill()


def said(process):
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return line


def post(url, body=b'{"task_id":"t","n":1}'):
    return requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=20)


def test_it_prints_what_comes_and_acknowledges_it():
    with running("listen", "--port", 0) as (process, url):
        answer = post(url + "/hook?secret=1")
        assert (answer.status_code, answer.json()["code"]) == (200, "200")
        assert answer.headers["Content-Type"] == "application/json"
        assert said(process) == "#1 POST /hook?secret=1  application/json, 21 bytes -> HTTP 200\n"
        assert [said(process) for _ in range(4)] == ["{\n", '  "task_id": "t",\n', '  "n": 1\n', "}\n"]


def test_it_prints_what_is_no_json_as_it_is():
    with running("listen", "--port", 0) as (process, url):
        post(url, b"{broken \xff")
        said(process)
        assert said(process) == "{broken \\xff\n"


def test_it_refuses_as_many_as_it_is_told():
    with running("listen", "--port", 0, "--fail", 2) as (_, url):
        answers = [post(url) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [500, 500, 200, 200]
        assert [sorted(answer.json()) for answer in answers] == [["message"], ["message"], ["code"], ["code"]]


def test_it_takes_its_time():
    with running("listen", "--port", 0, "--slow", 0.3) as (_, url):
        start = monotonic()
        assert post(url).status_code == 200
        assert monotonic() - start >= 0.3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to(number):
    with running("listen", "--port", 0, "--slow", 5) as (process, url):
        with pytest.raises(requests.ReadTimeout):
            requests.post(url, data=b"{}", timeout=0.3)
        process.send_signal(number)
        assert process.wait(5) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_taken_port_is_one_line():
    with running("listen", "--port", 0) as (_, url):
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", "swapmock", "listen", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"swapmock: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize("flags", [("--fail", "-1"), ("--slow", "-1"), ("--port", "70000"), ("--fail", "x")])
def test_a_wrong_flag_is_one_line(flags):
    command = [sys.executable, "-m", "swapmock", "listen", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)


def test_the_emulator_calls_it_until_it_accepts():
    """A hundred times as fast as real time: refused at the end of the task, taken ten seconds later."""
    with (
        running("listen", "--port", 0, "--fail", 1) as (listener, hook),
        running("serve", "--port", 0, "--speed", 100) as (_, url),
    ):
        body = {**SWAP, "callback_url": f"{hook}/done?for=me"}
        made = requests.post(f"{url}/api/v1/client/job/CreateTask", json=body, headers={"x-api-key": KEY}, timeout=10)
        task = made.json()["data"]["task_id"]
        lines = [said(listener)]
        while not lines[-1].startswith("#2 "):
            lines.append(said(listener))
        assert lines[0].startswith("#1 POST /done?for=me  application/json, ")
        assert lines[0].endswith(" -> HTTP 500\n")
        assert lines[-1].endswith(" -> HTTP 200\n")
        assert f'  "task_id": "{task}",\n' in lines


@pytest.mark.parametrize(
    "flags",
    [("--callback-allow", "http://x"), ("--callback-timeout", "0"), ("--callback-timeout", "soon")],
)
def test_wrong_settings_of_callbacks_are_one_line(flags):
    command = [sys.executable, "-m", "swapmock", "serve", "--port", "0", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert flags[0] in ended.stderr
