"""A proxy on loopback. Schemathesis calls it in place of the target, and it sends every call through the sender.

Each answer has the HTTP status that it counts as, so that Schemathesis sees an error with HTTP 200 as an error.
The real status is in an extra header. A call that must not be sent is answered with the header LEFT_OUT."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from swapmock.client_checks.conformance.budget import LeftOut, LimitReached
from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.sender import Sender

#: Headers that the proxy adds for the checks.
EXCHANGE = "x-check-exchange"
LEFT_OUT = "x-check-left-out"

#: Headers that are not sent to the target: those for one hop, and those in which Schemathesis identifies itself.
ONE_HOP = ("host", "connection", "content-length", "transfer-encoding", "keep-alive", "accept-encoding")
OF_THE_TOOL = ("x-schemathesis-testcaseid",)


class Proxy:
    """The proxy, used as `with Proxy(sender) as proxy: proxy.url`."""

    def __init__(self, sender: Sender) -> None:
        self.origin = "generated"
        #: Why no further call can be sent; "" while calls can be sent.
        self.limit = ""
        #: Why single calls were not sent.
        self.left_out: list[str] = []
        envelope = Envelope(sender.target.contract)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one write for head and body: the second of two small writes would be delayed

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self.pass_on
                raise AttributeError(name)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: the sender keeps what happened."""

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                skipped = (*ONE_HOP, *OF_THE_TOOL)
                headers = [(name, value) for name, value in self.headers.items() if name.lower() not in skipped]
                try:
                    exchange = sender.send(self.command, sender.url(self.path), headers, body, origin=proxy.origin)
                except LeftOut as why:
                    proxy.note(why)
                    self.write(503, [(LEFT_OUT, str(why))], b"")
                    return
                if exchange.status is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                kept = [(n, v) for n, v in exchange.answer_headers if n.lower() not in (*ONE_HOP, "content-encoding")]
                status = envelope.judged(exchange.status, exchange.answer)
                self.write(status, [*kept, (EXCHANGE, str(exchange.number))], exchange.answer)

            def write(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response_only(status, "Judged")
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                self.wfile.flush()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="proxy", daemon=True)

    def note(self, why: LeftOut) -> None:
        """Record why a call was not sent."""
        if isinstance(why, LimitReached):
            self.limit = self.limit or str(why)
        elif str(why) not in self.left_out:
            self.left_out.append(str(why))

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
