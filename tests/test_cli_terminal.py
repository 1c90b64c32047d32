"""What `swapmock serve` shows at a terminal, and what it writes into a pipe."""

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.receivers import PATIENCE
from tests.test_cli import ENVIRONMENT, KEY, ROOT

PLAIN = re.compile(r"\x1b\[[0-9;]*m")
HEADERS = {"x-api-key": KEY}


class Screen:
    """A terminal that a program writes to. `wait_for` gives the first line with a text, as soon as it is there."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._text = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._terminal, 65536)
            except OSError:
                return
            with self._changed:
                self._text += piece.decode()
                self._changed.notify_all()

    def wait_for(self, text: str) -> str:
        def found() -> str | None:
            whole = self._text.split("\n")[:-1]
            return next((line.rstrip("\r") for line in whole if text in PLAIN.sub("", line)), None)

        with self._changed:
            assert self._changed.wait_for(lambda: found() is not None, PATIENCE), self._text
            return str(found())


@contextmanager
def serving(*arguments, **environment) -> Iterator[tuple[str, Screen]]:
    """`(base URL, screen)` of a server whose stderr is a terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "swapmock", "serve", "-p", "0", *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
        cwd=ROOT,
        env={**ENVIRONMENT, "TERM": "xterm", **environment},
    ) as process:
        os.close(slave)
        try:
            screen = Screen(master)
            assert process.stdout is not None
            line = ""
            while not line.startswith("Listening on "):
                line = process.stdout.readline()
                assert line
            yield line.split()[-1], screen
        finally:
            process.terminate()
            process.wait(20)
            os.close(master)


def post(url, body, path="job/detect-face-image"):
    return requests.post(f"{url}/api/v1/client/{path}", json=body, headers=HEADERS, timeout=20)


def test_a_line_for_each_request():
    with serving() as (url, screen):
        requests.get(f"{url}/api/v1/client/account/balance?x=1", headers=HEADERS, timeout=20)
        line = screen.wait_for("balance")
        assert "\x1b[32m200\x1b[0m" in line
        assert re.fullmatch(
            r"\d\d:\d\d:\d\d  GET /api/v1/client/account/balance  get_account_balance  200  \d+\.\d ms",
            PLAIN.sub("", line),
        )


def test_downloads_are_shown():
    with serving() as (url, screen):
        requests.get(f"{url}/media/none.png", timeout=20)
        line = PLAIN.sub("", screen.wait_for("/media/none.png"))
        assert "  GET /media/none.png  download_media  404  " in line


def test_paths_outside_of_every_api_are_shown_with_the_nearest_operation():
    with serving() as (url, screen):
        requests.post(f"{url}/job/CreateTask", json={}, timeout=20)
        line = PLAIN.sub("", screen.wait_for("/job/CreateTask"))
        assert "unmatched  404" in line
        assert "nearest: POST /api/v1/client/job/CreateTask" in line


def test_a_refusal_says_why():
    with serving() as (url, screen):
        post(url, {"imageUrl": "https://example.com/a.png"})
        line = screen.wait_for("POST")
        assert "\x1b[33m422\x1b[0m" in line
        assert line.endswith(
            f"{url}/__admin/sandboxes/default/requests/x1  - `image_url` is missing; you sent `imageUrl`"
        )
        requests.get(f"{url}/api/v1/client/job/TaskInfos", headers=HEADERS, timeout=20)
        assert "unmatched" in screen.wait_for("TaskInfos")
        assert "nearest: GET /api/v1/client/job/TaskInfo" in screen.wait_for("TaskInfos")


def test_no_key_and_no_escape_sequence_reaches_the_terminal():
    with serving() as (url, screen):
        requests.get(f"{url}/api/v1/client/{KEY}%1b[2J%0aforged", headers=HEADERS, timeout=20)
        line = screen.wait_for("unmatched")
        assert KEY not in line
        assert r"\x1b[2J\nforged" in line


def test_callbacks_are_shown():
    with serving("--speed", 1000) as (url, screen):
        image = "https://faces.invalid/1.png"
        body = {"model": "image-face-swap", "input": {"image_url": image, "new_face": image}}
        post(url, {**body, "callback_url": "http://app.internal:3000/cb?secret=x"}, "job/CreateTask")
        line = screen.wait_for("attempt 1 to http://app.internal:3000  ")
        assert "--callback-allow app.internal would allow it" in line
        assert "secret" not in line
        post(url, {**body, "callback_url": "http://127.0.0.1:1/cb"}, "job/CreateTask")
        assert "the connection was refused; attempt 2 is due in" in screen.wait_for("attempt 1 to http://127.0.0.1:1  ")
        assert "dead  - the connection was refused" in PLAIN.sub("", screen.wait_for("it is not sent again"))


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_if_asked(environment):
    with serving(**environment) as (url, screen):
        requests.get(f"{url}/api/v1/client/account/balance", headers=HEADERS, timeout=20)
        assert "\x1b" not in screen.wait_for("balance")


@pytest.mark.parametrize("arguments", [["--log-level", "error"], ["--log-level", "warning"]])
def test_a_level_that_was_chosen_holds(arguments):
    with serving(*arguments) as (url, screen):
        requests.get(f"{url}/api/v1/client/account/balance", headers=HEADERS, timeout=20)
        assert screen._text == ""


def test_the_banner_says_which_host_stands_for_which():
    command = [sys.executable, "-m", "swapmock", "serve", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        said: list[str] = []
        while not (said and said[-1].startswith("Listening on ")):
            said.append(process.stdout.readline().rstrip())
        process.terminate()
    url = said[-1].split()[-1]
    assert f"  crun       https://api.crun.ai -> {url}" in said
    assert f"  imgopen    https://api.zhiqite.com -> {url}" in said
