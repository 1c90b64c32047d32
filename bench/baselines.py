"""Servers to compare with, as processes: `python baselines.py NAME PORT ANSWERS` (a JSON list: of W1, of W2)."""

from __future__ import annotations

import json
import sys
from typing import Any


class Constant:
    """The same server: it takes the request in, body and all, and answers constant bytes."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = {"POST": answers[0], "GET": answers[1]}
        self._headers = [("content-type", "application/json")]

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.method == "POST":
            await protocol()
        protocol.response_bytes(200, self._headers, self._answers[scope.method])

    def hurry(self) -> None:
        """Holds nothing back."""

    async def idle(self) -> None:
        """Is never busy."""


def constant(port: int, answers: list[bytes]) -> None:
    from mock_server.web.server import Options, bind, run

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
