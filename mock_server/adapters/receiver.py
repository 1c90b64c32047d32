"""A receiver of callbacks for the terminal: it prints what comes and answers as it is told."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock
from typing import Any

from swapmock.mock_server.adapters.clock import pause

#: The most of a body that is read, in bytes.
BODY_LIMIT = 1 << 20

#: What both vendors take for an acknowledgement: HTTP 200, and JSON whose `code` is 200.
ACKNOWLEDGEMENT = (200, {"code": "200", "msg": "success"})
REFUSAL = (500, {"code": "500", "msg": "refused by swapmock listen"})


@dataclass
class Plan:
    """Refuse the first `fail` deliveries; wait `slow` seconds before each answer. `show` prints a text."""

    show: Callable[[str], None]
    fail: int = 0
    slow: float = 0.0
    _numbers: Any = field(default_factory=lambda: count(1))
    _lock: Lock = field(default_factory=Lock)

    def answer(self, method: str, target: str, kind: str, body: bytes) -> tuple[int, Any]:
        """Print a delivery; the HTTP status and JSON value to answer."""
        with self._lock:
            number = next(self._numbers)
            status, value = REFUSAL if number <= self.fail else ACKNOWLEDGEMENT
            self.show(f"#{number} {method} {target}  {kind or 'no content type'}, {len(body)} bytes -> HTTP {status}")
            self.show(pretty(body))
        if self.slow:
            pause(self.slow)
        return status, value


def pretty(body: bytes) -> str:
    """JSON with indents, anything else as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")


class Receiver(ThreadingHTTPServer):
    """Listens from the moment it is made; `serve_forever` answers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, plan: Plan) -> None:
        self.plan = plan
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"
    server_version = "swapmock-listen"
    timeout = 30

    def _take(self) -> None:
        length = self.headers.get("Content-Length", "0")
        size = min(int(length), BODY_LIMIT) if length.isdecimal() else 0
        body = self.rfile.read(size)
        kind = self.headers.get("Content-Type", "")
        self.close_connection = self.close_connection or size < int(length if length.isdecimal() else 0)
        status, value = self.server.plan.answer(self.command, self.path, kind, body)
        answer = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_PATCH = do_GET = do_DELETE = _take  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: what matters is printed by the plan."""
