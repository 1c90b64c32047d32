"""Servers to compare with, as processes: `python baselines.py NAME PORT ANSWERS` (a JSON list: of W1, of W2)."""

from __future__ import annotations

import json
import sys
from typing import Any

from mock_server.web.pipeline import Answer, Request
from mock_server.web.server import Options, bind, run


class Constant:
    """A door that answers constant bytes without looking at what it is asked."""

    limit = 1 << 20

    def __init__(self, answers: list[bytes]) -> None:
        kind = [("content-type", "application/json")]
        self._answers = {"POST": Answer(200, kind, answers[0]), "GET": Answer(200, kind, answers[1])}

    def match(self, method: str, path: str) -> Constant:
        return self

    def answer(self, target: Any, request: Request, client: str) -> Answer:
        return self._answers[request.method]


def constant(port: int, answers: list[bytes]) -> None:
    """The live server with that door."""
    run(Constant(answers), bind("127.0.0.1", port), Options(), lambda: None)


def httpserver(port: int, answers: list[bytes]) -> None:
    import threading

    from pytest_httpserver import HTTPServer

    server = HTTPServer("127.0.0.1", port, threaded=True)
    for method, answer in zip(("POST", "GET"), answers, strict=True):
        for path in ("/api/v1/client/job/detect-face-image", "/api/v1/client/job/detect-face-result"):
            server.expect_request(path, method=method).respond_with_data(answer, content_type="application/json")
    server.start()
    threading.Event().wait()


if __name__ == "__main__":
    made = [json.dumps(answer, separators=(",", ":")).encode() for answer in json.loads(sys.argv[3])]
    {"constant": constant, "httpserver": httpserver}[sys.argv[1]](int(sys.argv[2]), made)
