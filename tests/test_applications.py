"""swapmock.wsgi and swapmock.asgi: the emulator by any server and by in-process transports."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest
import requests
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

import swapmock.asgi
import swapmock.hooks
import swapmock.wsgi
from swapmock import SettingError
from tests.conftest import KEY
from tests.control import CRUN, PICTURE, SWAP
from tests.receivers import Receiver

DETECT = "/api/v1/client/job/detect-face-image"
RESULT = "/api/v1/client/job/detect-face-result"
HEADERS = {"x-api-key": KEY}
BODY = {"image_url": "https://example.com/a.png"}
LINKS = "/api/v1/client/files/upload-url?content_type=image/png&ext=.png"

#: method, URL, JSON body -> status, headers, body
Ask = Callable[..., tuple[int, Any, bytes]]


def over_werkzeug(app: Any) -> Ask:
    def ask(method: str, url: str, body: Any = None) -> tuple[int, Any, bytes]:
        answer = Client(app).open(
            url, method=method, json=body, headers=HEADERS, base_url="http://localhost", buffered=True
        )
        return answer.status_code, answer.headers, answer.data

    return ask


def over_httpx_wsgi(app: Any) -> Ask:
    def ask(method: str, url: str, body: Any = None) -> tuple[int, Any, bytes]:
        with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://localhost") as client:
            answer = client.request(method, url, json=body, headers=HEADERS)
        return answer.status_code, answer.headers, answer.content

    return ask


def over_httpx_asgi(app: Any) -> Ask:
    """Each call on an event loop of its own, as tests of asyncio code have it."""

    async def call(method: str, url: str, body: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            return await client.request(method, url, json=body, headers=HEADERS)

    def ask(method: str, url: str, body: Any = None) -> tuple[int, Any, bytes]:
        answer = asyncio.run(call(method, url, body))
        return answer.status_code, answer.headers, answer.content

    return ask


WAYS = {
    "werkzeug": (swapmock.wsgi, over_werkzeug),
    "httpx WSGI": (swapmock.wsgi, over_httpx_wsgi),
    "httpx ASGI": (swapmock.asgi, over_httpx_asgi),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Ask]]:
    module, over = WAYS[request.param]
    app = module.make_app(speed=1000.0)
    yield app, over(app)
    app.emulator.stop()


def test_a_task_from_beginning_to_end(way):
    app, ask = way
    status, _, body = ask("POST", DETECT, BODY)
    assert status == 200, body
    made = json.loads(body)["data"]["detect_task_id"]
    app.emulator.default.wait_for_task(made, "success")
    found = json.loads(ask("GET", f"{RESULT}?detect_task_id={made}")[2])["data"]
    link = re.search(r"http://localhost/media/[^\"]+", json.dumps(found))
    assert link, found
    status, headers, picture = ask("GET", link[0])
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert picture.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("method", "url", "body", "expected"),
    [
        ("POST", DETECT, {"image_url": 5}, 422),
        ("GET", "/api/v1/client/nothing", None, 404),
        ("GET", "/health", None, 200),
        ("GET", "/__admin/sandboxes", None, 200),
        ("HEAD", "/health", None, 200),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_every_kind_of_request(way, method, url, body, expected):
    _, ask = way
    status, headers, content = ask(method, url, body)
    assert status == expected
    assert method != "HEAD" or (content == b"" and int(headers["content-length"]) > 0)


def test_the_verbs_act_on_the_same_sandboxes(way):
    app, ask = way
    app.emulator.default.add_fault({"code": 429})
    assert ask("POST", DETECT, BODY)[0] == 429
    assert [one["operation"] for one in app.emulator.requests()] == ["detect_face_image"]
    assert app.emulator.url == "http://localhost"


@pytest.mark.parametrize(("wire", "error"), [("reset", ConnectionResetError), ("hang_up", ConnectionAbortedError)])
def test_a_lost_connection_is_an_exception(way, wire, error):
    app, ask = way
    app.emulator.default.add_fault({"connection": wire})
    with pytest.raises(error):
        ask("POST", DETECT, BODY)


def test_a_callback_is_sent(way):
    app, ask = way
    with Receiver() as receiver:
        body = {
            "model": "image-face-swap",
            "input": {**SWAP, "image_url": PICTURE},
            "callback_url": receiver.url("/hook"),
        }
        task = json.loads(ask("POST", f"{CRUN}job/CreateTask", body)[2])["data"]["task_id"]
        sent = app.emulator.default.wait_for_delivery(task=task)
    assert [one["status"] for one in sent] == ["acknowledged"]
    assert receiver.got[0].path == "/hook"


def test_it_is_valid_wsgi():
    app = swapmock.wsgi.make_app()
    for method, url, body in [("POST", DETECT, BODY), ("GET", "/health", None), ("GET", "/nowhere", None)]:
        status, *_ = over_werkzeug(validator(app))(method, url, body)
        assert status in (200, 404)


def test_links_below_a_mounted_path():
    app = swapmock.wsgi.make_app()
    mounted = DispatcherMiddleware(lambda *_: [], {"/mock": app})
    answer = json.loads(over_werkzeug(mounted)("GET", f"/mock{LINKS}")[2])
    assert answer["data"]["file_url"].startswith("http://localhost/mock/u/")

    async def mounted_asgi(scope: Any, receive: Any, send: Any) -> None:
        await swapmock.asgi.app({**scope, "root_path": "/mock"}, receive, send)

    answer = json.loads(over_httpx_asgi(mounted_asgi)("GET", f"/mock{LINKS}")[2])
    assert answer["data"]["file_url"].startswith("http://localhost/mock/u/")


def test_lifespan_ends_the_thread_that_sends():
    app = swapmock.asgi.make_app()

    async def live() -> list[str]:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        told: list[str] = []

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            told.append(message["type"])

        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
        return told

    assert over_httpx_asgi(app)("GET", "/health")[0] == 200
    assert app.emulator._sender_pid
    assert asyncio.run(live()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert not app.emulator._sender_pid


@pytest.mark.parametrize("module", ["swapmock.wsgi", "swapmock.asgi"])
def test_options_are_checked_and_the_default_app_is_made_once(module):
    found = importlib.import_module(module)
    with pytest.raises(SettingError, match="did you mean 'balance'"):
        found.make_app(ballance=1)
    assert found.app is found.app
    with pytest.raises(AttributeError):
        _ = found.nothing


def test_uvicorn_of_its_own_serves_it():
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "swapmock.asgi:make_app",
        "--port",
        "0",
        "--log-level",
        "info",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = next(found[1] for line in process.stderr if (found := re.search(r"running on (http://\S+)", line)))
        answer = requests.post(f"{url}{DETECT}", json=BODY, headers=HEADERS, timeout=10)
        page = requests.get(f"{url}/", timeout=10)
        process.terminate()
        rest = process.stderr.read()
    assert answer.json()["code"] == 200
    assert page.ok
    assert "Traceback" not in rest
    assert process.returncode in (0, -15)


def test_hooks_are_for_a_provider_by_its_name():
    class Schema:
        hooked: Any = None

        def hook(self, function: Any) -> None:
            self.hooked = function

    schema = Schema()
    swapmock.hooks.install(schema, "crun")
    assert schema.hooked.__name__ == "filter_failure"
    assert swapmock.hooks.contract_path("imgopen").is_file()
    with pytest.raises(FileNotFoundError):
        swapmock.hooks.install(schema, "nobody")
