"""Servers to compare with, as processes: `python baselines.py NAME PORT ANSWERS` (a JSON list: of W1, of W2)."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

from swapmock.mock_server.web.bodies import ByteBudget
from swapmock.mock_server.web.forwarded import TrustedProxies
from swapmock.mock_server.web.messages import Answer, Request


class Constant:
    """The server of `serve` with an application that answers constant bytes."""

    def __init__(self, answers: list[bytes]) -> None:
        self.proxies = TrustedProxies(())
        self.body_budget = ByteBudget(1 << 20)
        headers = [("content-type", "application/json")]
        self._answers = {
            method: Answer(200, headers, answer) for method, answer in zip(("POST", "GET"), answers, strict=True)
        }

    def match_inline(self, _method: str, _path: str) -> Any:
        return SimpleNamespace(limit=65_536)

    def answer(self, _target: Any, request: Request) -> Answer:
        return self._answers[request.method]

    def note_lag(self, _seconds: float) -> None:
        """Does nothing: this application has no metrics."""

    def begin_shutdown(self) -> None:
        """Does nothing: this application delays no answer."""

    def abort_pending(self) -> None:
        """Does nothing: this application has no work in progress."""

    def close(self) -> None:
        """Does nothing: this application has no threads."""


def constant(port: int, answers: list[bytes]) -> None:
    from swapmock.mock_server.web.server import Options, bind, run

    asgi_app: Any = Constant(answers)
    run(asgi_app, bind("127.0.0.1", port), Options(), lambda: None)


def uvicorn(port: int, answers: list[bytes]) -> None:
    """uvicorn without our protocol class, with the smallest application that reads the whole request."""
    from uvicorn import run

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            await receive()
        body = answers[scope["method"] == "GET"]
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    run(application, port=port, access_log=False, log_level="critical", lifespan="off", ws="none")


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
    {"constant": constant, "uvicorn": uvicorn, "httpserver": httpserver}[sys.argv[1]](int(sys.argv[2]), made)
