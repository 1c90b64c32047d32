"""As much of the Docker Engine API as Testcontainers asks for. A "container" is a process of `swapmock serve`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

LISTENING = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)")


class Engine:
    """`with Engine() as engine: engine.host` is the value for DOCKER_HOST. `created` holds what was asked for."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.running: dict[str, tuple[subprocess.Popen[str], int]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        return f"tcp://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.running):
            self.remove(name)
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of one call; `path` is without the version."""
        match path.strip("/").split("/"):
            case ["version" | "info"]:
                about = {
                    "ApiVersion": "1.45",
                    "MinAPIVersion": "1.24",
                    "Version": "27.0.0",
                    "Os": "linux",
                    "Arch": "amd64",
                }
                return 200, {**about, "ServerVersion": "27.0.0", "OperatingSystem": "none", "OSType": "linux"}
            case ["_ping"]:
                return 200, "OK"
            case ["images", *_, "json"]:
                image = {
                    "Id": "sha256:0",
                    "RepoTags": ["swapmock:latest"],
                    "Config": {"ExposedPorts": {"4020/tcp": {}}},
                }
                return 200, image
            case ["containers", "json"]:
                return 200, []
            case ["containers", "create"]:
                self.created.append(body)
                return 201, {"Id": f"c{len(self.created)}", "Warnings": []}
            case ["containers", name, "start"]:
                self.start(name)
                return 204, None
            case ["containers", name, "json"]:
                return 200, self.described(name)
            case ["containers", name, "stop" | "kill"]:
                return 204, None
            case ["containers", name] if method == "DELETE":
                self.remove(name)
                return 204, None
        return 404, {"message": f"{method} {path}"}

    def start(self, name: str) -> None:
        """Run the server of a container, with its environment, on a free port of loopback."""
        given = dict(line.split("=", 1) for line in self.created[int(name[1:]) - 1]["Env"])
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SWAPMOCK_")}
        child = subprocess.Popen(
            [sys.executable, "-m", "swapmock", "serve", "--port", "0", "--host", "127.0.0.1", "--log-level", "info"],
            env={**kept, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert child.stdout is not None
        said = ""
        for line in child.stdout:
            said += line
            if found := LISTENING.search(line):
                self.running[name] = child, int(found[1])
                return
        raise AssertionError(f"the server did not start: {said}")

    def remove(self, name: str) -> None:
        child, _ = self.running.pop(name)
        child.terminate()
        child.communicate(timeout=20)

    def described(self, name: str) -> dict[str, Any]:
        port = str(self.running[name][1]) if name in self.running else "0"
        ports = {"4020/tcp": [{"HostIp": "0.0.0.0", "HostPort": port}]}
        network = {"IPAddress": "172.17.0.2", "Gateway": "172.17.0.1", "NetworkID": "n"}
        return {
            "Id": name,
            "Name": f"/{name}",
            "Created": "2026-01-01T00:00:00.000000000Z",
            "Image": "sha256:0",
            "Config": {"Image": "swapmock", "Labels": {}, "Env": [], "Hostname": name},
            "State": {
                "Status": "running",
                "Running": True,
                "Paused": False,
                "StartedAt": "2026-01-01T00:00:00.000000000Z",
                "FinishedAt": "0001-01-01T00:00:00Z",
            },
            "HostConfig": {"PortBindings": ports, "NetworkMode": "bridge"},
            "NetworkSettings": {"Ports": ports, "Networks": {"bridge": network}},
        }

    def _handler(engine) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler's own `self` is below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = re.sub(r"^/v\d+\.\d+", "", urlsplit(self.path).path)
                if re.fullmatch(r"/containers/\w+/logs", path):
                    self._reply(200, b"", "application/vnd.docker.raw-stream")
                    return
                status, value = engine.answer(self.command, path, json.loads(content or b"null"))
                body = (
                    b"" if value is None else value.encode() if isinstance(value, str) else json.dumps(value).encode()
                )
                self._reply(status, body, "text/plain" if isinstance(value, str) else "application/json")

            def _reply(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("api-version", "1.45")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else body)

            do_GET = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815 - the names are the library's

            def log_message(self, *_: Any) -> None:
                """Nothing is logged."""

        return Handler
