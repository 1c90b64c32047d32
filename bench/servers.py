"""The servers that are compared: how each is started, and which requests it gets. Peers answer examples, without state."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.machine import Call

ROOT = Path(__file__).resolve().parent.parent
#: Where `npm install` puts the peers; never part of the project.
PEERS = ROOT / ".bench" / "node_modules"
PACKAGES = (
    "@stoplight/prism-cli@5.16.0",
    "@mockoon/cli@9.9.0",
    "wiremock@3.13.2",
    "mockserver-node@8.0.0",
    "apimock-rs@6.2.0",
)

KEY = {"x-api-key": "ak_swapmock000000000000000000000000"}
DETECT = "/api/v1/client/job/detect-face-image"
RESULT = "/api/v1/client/job/detect-face-result"
CREATE = Call("POST", DETECT, {**KEY, "Content-Type": "application/json"}, '{"image_url":"https://example.com/a.png"}')
CREATED = {"code": 200, "message": "success", "data": {"detect_task_id": "dygp3awddm8kebghkq"}}


#: The document for the peers that read OpenAPI.
CONTRACT = ROOT / "contracts" / "crun" / "openapi.yaml"


JOB = "/api/v1/client/job"
JSON = {**KEY, "Content-Type": "application/json"}
SWAP = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
PAIR = {
    "X-Request-req-accessKeyId": "openapi-swapmock00000000",
    "X-Request-req-accessKeySecret": "secretswapmock000000000000000000",
}


def swap(**given: Any) -> Call:
    body = {"model": "image-face-swap", "input": given}
    return Call("POST", f"{JOB}/CreateTask", JSON, json.dumps(body, separators=(",", ":")))


#: Requests of other kinds and sizes, to find one that costs much more than the two above.
OTHERS = {
    "swap": swap(**SWAP),
    "swap, body of 30 KB": swap(**SWAP, note="x" * 30_000),
    "swap, refused: a field is missing": swap(image_url="https://example.com/a.png"),
    "balance": Call("GET", "/api/v1/client/account/balance", KEY),
    "balance, refused: no key": Call("GET", "/api/v1/client/account/balance", {}),
    "list of models": Call("GET", f"{JOB}/Models", KEY),
    "task that does not exist": Call("GET", f"{JOB}/TaskInfo?task_id=00000000-0000-4000-8000-000000000000", KEY),
}
#: The same for the API whose contract no peer gets.
OURS_ALONE = {
    "Img Open, face detection": Call(
        "POST",
        "/AIGCImgOpenServ/saas/tool/face/detection",
        {**PAIR, "Content-Type": "application/json"},
        '{"businessTaskId":"1","imageUrl":"https://example.com/a.png"}',
    ),
}


def poll(task: str) -> Call:
    return Call("GET", f"{RESULT}?detect_task_id={task}", KEY)


def settled() -> Any:
    """What a poll of a finished detection answers: an example of the contract."""
    example = ROOT / "contracts/crun/examples/get_detect_face_result.yaml"
    rows = yaml.safe_load(example.read_text("utf-8"))
    return next(row["response"]["body"] for row in rows if row["response"]["status"] == 200)


@dataclass(frozen=True)
class Server:
    """`prepare(folder, port)` writes what it needs and returns its command. `warm_up` in seconds; a server with a just-in-time
    compiler needs more."""

    name: str
    prepare: Callable[[Path, int], Sequence[str]]
    needs: tuple[str, ...] = ()
    warm_up: int = 1

    @property
    def missing(self) -> str:
        """The reason why it cannot be measured here; "" if it can."""
        return next(
            (f"{need} is not there" for need in self.needs if not (shutil.which(need) or Path(need).exists())), ""
        )


def _ours(_: Path, port: int) -> Sequence[str]:
    return [str(Path(sys.executable).parent / "swapmock"), "serve", "--port", str(port), "--balance", "1e12"]


def _script(name: str) -> Callable[[Path, int], Sequence[str]]:
    def prepare(_: Path, port: int) -> Sequence[str]:
        return [sys.executable, str(ROOT / "bench" / "baselines.py"), name, str(port), json.dumps([CREATED, settled()])]

    return prepare


def _nginx(folder: Path, port: int) -> Sequence[str]:
    def location(path: str, value: Any) -> str:
        return f"location = {path} {{ default_type application/json; return 200 '{json.dumps(value)}'; }}"

    (folder / "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
        events {{ worker_connections 4096; }}
        http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}; proxy_temp_path {folder};
        fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
        server {{ listen 127.0.0.1:{port}; {location(DETECT, CREATED)} {location(RESULT, settled())} }} }}"""
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def _prism(_: Path, port: int) -> Sequence[str]:
    return [
        "node",
        str(PEERS / "@stoplight/prism-cli/dist/index.js"),
        "mock",
        "-v",
        "silent",
        "-p",
        str(port),
        str(CONTRACT),
    ]


def _mockoon(_: Path, port: int) -> Sequence[str]:
    return [
        "node", str(PEERS / "@mockoon/cli/bin/run.js"), "start", "--data", str(CONTRACT), "--port", str(port),
        "--disable-log-to-file", "--disable-admin-api", "--max-transaction-logs", "1",
    ]  # fmt: skip


def _wiremock(folder: Path, port: int) -> Sequence[str]:
    mappings = folder / "mappings"
    mappings.mkdir()
    for number, (method, path, value) in enumerate((("POST", DETECT, CREATED), ("GET", RESULT, settled()))):
        stub = {
            "request": {"method": method, "urlPath": path},
            "response": {"status": 200, "jsonBody": value, "headers": {"Content-Type": "application/json"}},
        }
        (mappings / f"{number}.json").write_text(json.dumps(stub))
    jar = PEERS / "wiremock/build/wiremock-standalone-3.13.2.jar"
    return [
        "java",
        "-jar",
        str(jar),
        "--port",
        str(port),
        "--root-dir",
        str(folder),
        "--no-request-journal",
        "--disable-banner",
    ]


def _mockserver(folder: Path, port: int) -> Sequence[str]:
    rules = [
        {
            "httpRequest": {"method": method, "path": path},
            "httpResponse": {
                "statusCode": 200,
                "headers": {"content-type": ["application/json"]},
                "body": json.dumps(value),
            },
        }
        for method, path, value in (("POST", DETECT, CREATED), ("GET", RESULT, settled()))
    ]
    (folder / "rules.json").write_text(json.dumps(rules))
    jar = PEERS / "mockserver-node/mockserver-netty-8.0.0-jar-with-dependencies.jar"
    options = {"initializationJsonPath": folder / "rules.json", "logLevel": "OFF", "maxLogEntries": 100}
    return [
        "java",
        *(f"-Dmockserver.{name}={value}" for name, value in options.items()),
        "-jar",
        str(jar),
        "-serverPort",
        str(port),
    ]


#: The program of apimock-rs itself, without the script of npm that starts it.
APIMOCK = PEERS / "@apimock-rs/bin-linux-x64-gnu/apimock"


def _apimock(folder: Path, port: int) -> Sequence[str]:
    """One file for each path: apimock-rs answers it whatever the method, the key and the body are."""
    for path, value in ((DETECT, CREATED), (RESULT, settled())):
        file = folder / "answers" / f"{path.lstrip('/')}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    return [str(APIMOCK), "--port", str(port), "--dir", str(folder / "answers")]


def chosen(parts: Sequence[str]) -> list[Server]:
    """The servers with one of `parts` in their names, and ours, to which all are compared; all of them without `parts`.
    LookupError names a part that no name has."""
    for part in parts:
        if not any(part.lower() in server.name.lower() for server in SERVERS):
            known = ", ".join(repr(server.name) for server in SERVERS)
            raise LookupError(f"--only {part}: no server has that in its name; there are {known}")
    asked = [s for s in SERVERS if not parts or any(part.lower() in s.name.lower() for part in parts)]
    return asked if SERVERS[0] in asked else [SERVERS[0], *asked]


SERVERS = (
    Server("swapmock", _ours),
    Server("constant bytes, same server", _script("constant")),
    Server("constant bytes, plain uvicorn", _script("uvicorn")),
    Server("nginx, static", _nginx, ("nginx",)),
    Server("pytest-httpserver", _script("httpserver")),
    Server("Prism", _prism, ("node", str(PEERS / "@stoplight/prism-cli")), 5),
    Server("WireMock", _wiremock, ("java", str(PEERS / "wiremock/build/wiremock-standalone-3.13.2.jar")), 8),
    Server("MockServer", _mockserver, ("java", str(PEERS / "mockserver-node")), 8),
    Server("Mockoon", _mockoon, ("node", str(PEERS / "@mockoon/cli")), 4),
    Server("apimock-rs", _apimock, (str(APIMOCK),)),
)
