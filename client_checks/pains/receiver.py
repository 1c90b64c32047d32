"""A receiver of callbacks that answers each one with a chosen status."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Receiver:
    """The receiver, used as `with Receiver() as receiver: receiver.url`. `act` is called with each body, one at a
    time; `status` is the HTTP status of the answers."""

    def __init__(self) -> None:
        self.status = 200
        self.act: Callable[[bytes], None] = lambda _body: None
        self._turn = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The callback URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/callback"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, body: bytes) -> int:
        with self._turn:
            if self.status < 300:
                self.act(body)
            return self.status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = take(self.rfile.read(int(self.headers.get("content-length") or 0)))
                content = b'{"code": 200}'
                self.send_response(status)
                if status in (301, 302, 307, 308):
                    self.send_header("location", "/login")
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Nothing is logged."""

        return Handler
