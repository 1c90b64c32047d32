"""Receives the outcome that a client claims, and the effects that it reports for its own user."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from swapmock.client_checks.behaviour.model import Claim, EffectTold

OUTCOMES = ("succeeded", "failed", "unknown")
EFFECTS = ("fulfil", "refund")
#: The member that claims an outcome, in the last line of stdout.
STDOUT_MEMBER = "swapmock_outcome"
#: The most bytes of a claim.
LARGEST = 65_536


class Inbox:
    """Receives claims at `outcome_url` and effects at `effect_url`, used as `with Inbox(now) as inbox`. `now`
    returns the time of the case's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.run = 1
        self.claims: list[Claim] = []
        self.effects: list[EffectTold] = []
        self.refused: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._lock = threading.Lock()

    @property
    def _base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def outcome_url(self) -> str:
        """The URL to which a client posts its outcome."""
        return f"{self._base}/outcome"

    @property
    def effect_url(self) -> str:
        """The URL to which a client posts an effect."""
        return f"{self._base}/effect"

    def __enter__(self) -> Inbox:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, body: bytes) -> str:
        """Record what was posted to `path`. Return why it was refused; "" if it was accepted."""
        try:
            told = json.loads(body)
        except ValueError:
            return "the body is not JSON"
        if not isinstance(told, Mapping):
            return "the body is not a JSON object"
        with self._lock:
            return self._effect(told) if path.startswith("/effect") else self._outcome(told)

    def _outcome(self, told: Mapping[str, Any]) -> str:
        claim = read_claim(told, self._now(), self.run)
        if isinstance(claim, str):
            return claim
        self.claims.append(claim)
        return ""

    def _effect(self, told: Mapping[str, Any]) -> str:
        if told.get("effect") not in EFFECTS:
            return f"`effect` is one of {', '.join(EFFECTS)}"
        if not told.get("task"):
            return "`task` is missing"
        self.effects.append(
            EffectTold(told["effect"], str(told["task"]), str(told.get("id", "")), self._now(), self.run)
        )
        return ""


def read_claim(told: Mapping[str, Any], at: float, run: int, channel: str = "claim") -> Claim | str:
    """Return the claim in the document `told`, or what is wrong with it. `at` is the time on the case's clock, `run`
    the number of the run, `channel` how the claim came."""
    if told.get("outcome") not in OUTCOMES:
        return f"`outcome` is one of {', '.join(OUTCOMES)}"
    task, reason = told.get("task"), told.get("reason")
    return Claim(
        str(told["outcome"]),
        at,
        run,
        None if task is None else str(task),
        None if reason is None else str(reason),
        channel,
    )


def claim_in_output(stdout: str, at: float, run: int) -> Claim | None:
    """Return the claim on the last line of `stdout`: `{"swapmock_outcome": {...}}` or `{"swapmock_outcome":
    "succeeded"}`."""
    lines = [line for line in stdout.splitlines() if line.strip()]
    if not lines or STDOUT_MEMBER not in lines[-1]:
        return None
    try:
        told = json.loads(lines[-1])[STDOUT_MEMBER]
    except (ValueError, KeyError, TypeError):
        return None
    claim = read_claim({"outcome": told} if isinstance(told, str) else told if isinstance(told, dict) else {}, at, run)
    return claim if isinstance(claim, Claim) else None


def _handler(inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = min(int(self.headers.get("content-length") or 0), LARGEST)
            wrong = inbox.take(self.path, self.rfile.read(size))
            if wrong:
                inbox.refused.append(wrong)
            answer = json.dumps({"detail": wrong} if wrong else {"taken": True}).encode()
            self.send_response(400 if wrong else 200)
            self.send_header("content-type", "application/problem+json" if wrong else "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is written."""

    return Handler
