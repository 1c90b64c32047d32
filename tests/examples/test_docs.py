"""The page on the admin API: its snippets run, in their order, and show every operation.

`python -m tests.examples.test_docs` writes the pages of docs/reference anew.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from swapmock.contracts import load
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.examples import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "control-plane.md"
ADDRESS = "http://127.0.0.1:4020"
SNIPPET = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets() -> list[tuple[str, str]]:
    return SNIPPET.findall(PAGE.read_text("utf-8"))


class Shell:
    """As much of a shell as the page needs: curl with -s, -X, -H and -d, and the two variables that the page names."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.variables = {"KEY": "", "TASK": ""}

    def run(self, text: str) -> None:
        for line in text.replace("\\\n", " ").strip().splitlines():
            self._curl(shlex.split(self._expanded(line)))

    def _expanded(self, line: str) -> str:
        for name, value in self.variables.items():
            line = line.replace(f"${name}", value)
        return line.replace(ADDRESS, self.url)

    def _curl(self, words: list[str]) -> None:
        assert words.pop(0) == "curl", words
        method, headers, body, url = "", {}, None, ""
        while words:
            word = words.pop(0)
            if word == "-s":
                continue
            if word == "-X":
                method = words.pop(0)
            elif word == "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            elif word == "-d":
                body = words.pop(0).encode()
            else:
                assert word.startswith(self.url), word
                url = word
        answer = requests.request(method or "GET", url, headers=headers, data=body, timeout=30)
        is_admin = "/__admin" in url
        assert answer.status_code < 300 or not is_admin, (url, answer.text)
        if answer.headers["content-type"] == "application/json":
            self._note(answer.json())

    def _note(self, document: Any) -> None:
        if "credentials" in document:
            self.variables["KEY"] = document["credentials"]["crun"]["key"]
        data = document.get("data")
        if isinstance(data, dict) and "task_id" in data:
            self.variables["TASK"] = data["task_id"]


@pytest.fixture
def asked() -> set[str]:
    """The operations that were asked for."""
    return set()


@pytest.fixture
def url(asked: set[str]) -> Iterator[str]:
    """A live emulator that notes which operations it is asked for."""
    system = build(Settings())
    answer = system.pipeline.answer

    def noted(target: Any, request: Any) -> Any:
        if target.operation is not None and target.api.is_admin:
            asked.add(target.operation.id)
        return answer(target, request)

    system.pipeline.answer = noted  # to listen in
    with LiveServer(system.asgi_app) as server:
        yield server.url


def test_the_snippets_run_and_show_every_verb(url: str, asked: set[str]) -> None:
    shell, names = Shell(url), {"__name__": "page"}
    for language, text in snippets():
        if language == "sh":
            shell.run(text)
        else:
            exec(compile(text.replace(ADDRESS, url), str(PAGE), "exec"), names)
    assert load("admin").operations.keys() - asked == set()


def test_a_snippet_that_fails_would_be_seen(url: str) -> None:
    with pytest.raises(AssertionError):
        Shell(url).run(f"curl -s {ADDRESS}/__admin/nothing")


if __name__ == "__main__":
    reference.write()
