"""The same conversation with every application (live server, WSGI, Flask): the answers are equal, byte for byte."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import cache
from http.client import HTTPResponse, IncompleteRead, RemoteDisconnected
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import pytest
import yaml
from werkzeug.test import run_wsgi_app

from swapmock import contracts
from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.app import create_app
from swapmock.mock_server.web.build import System, build
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import DISABLED_KEY, KEY, OTHER_KEY, START

CRUN = "/api/v1/client"
TOOLS = "/AIGCImgOpenServ/saas/tool"
JSON = {"content-type": "application/json"}
CRUN_KEY = {"x-api-key": KEY}
IMGOPEN_KEYS = {
    "X-Request-req-accessKeyId": "openapi-swapmock00000000",
    "X-Request-req-accessKeySecret": "secretswapmock000000000000000000",
}
KEYS = {"crun": CRUN_KEY, "imgopen": IMGOPEN_KEYS}


class Ask(NamedTuple):
    method: str
    target: str
    headers: Mapping[str, str] = CRUN_KEY
    body: bytes = b""


class Got(NamedTuple):
    """An answer; `headers` without those that belong to the server, not to the answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


#: A connection that ended without an answer.
RESET, HUNG_UP = Got(0, [], b"reset"), Got(0, [], b"hung up")

#: What is said: questions, and seconds that go by. It is sent each answer.
Talk = Generator[Ask | float, Got, None]

OF_THE_SERVER = {"server", "date", "connection", "content-length"}


#: What the metrics say of the server's event loop, which WSGI has none of.
LAG = re.compile(rb"swapmock_(?:loop_lag|sandbox_held)\S* [0-9.e-]+\n")


def got(status: int, headers: Any, body: bytes) -> Got:
    kept = [(name.lower(), value) for name, value in headers if name.lower() not in OF_THE_SERVER]
    return Got(status, sorted(kept), LAG.sub(b"", body))


# The applications -----------------------------------------------------------------------------------------------------


def through_the_live_server(system: System) -> Iterator[Callable[[Ask], Got]]:
    with LiveServer(system.asgi_app) as server:

        def ask(question: Ask) -> Got:
            lines = [f"{question.method} {question.target} HTTP/1.1", "Host: api.test", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in question.headers.items()]
            lines += [f"Content-Length: {len(question.body)}"] if question.body else []
            with socket.create_connection(server.address, 10) as client:
                client.sendall("\r\n".join([*lines, "", ""]).encode() + question.body)
                answer = HTTPResponse(client, method=question.method)
                try:
                    answer.begin()
                except RemoteDisconnected:
                    return HUNG_UP
                except ConnectionResetError:
                    return RESET
                try:
                    body = answer.read()
                except IncompleteRead as broken_off:
                    body = broken_off.partial
                return got(answer.status, answer.getheaders(), body)

        yield ask


def through_wsgi(app: Any) -> Callable[[Ask], Got]:
    def ask(question: Ask) -> Got:
        path, _, query = question.target.partition("?")
        environ = {
            "REQUEST_METHOD": question.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query.encode().decode("latin-1"),
            "SERVER_NAME": "api.test",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "api.test",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(question.body),
            **{
                f"HTTP_{name.upper().replace('-', '_')}": value.encode().decode("latin-1")
                for name, value in question.headers.items()
            },
        }
        if question.body:
            environ["CONTENT_LENGTH"] = str(len(question.body))
        if "HTTP_CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE")
        try:
            body, status, headers = run_wsgi_app(app, environ)
        except ConnectionResetError:
            return RESET
        except ConnectionAbortedError:
            return HUNG_UP
        parts = []
        with contextlib.suppress(ConnectionAbortedError):  # the body breaks off
            for part in body:
                parts.append(part)  # noqa: PERF402 - extend would lose what came before the end
        return got(int(status[:3]), headers, b"".join(parts))

    return ask


APPLICATIONS: dict[str, Callable[[System], Iterator[Callable[[Ask], Got]]]] = {
    "live": through_the_live_server,
    "wsgi": lambda system: iter([through_wsgi(system.app)]),
    "flask": lambda system: iter([through_wsgi(create_app(system.pipeline, lambda _: None, with_middleware=False))]),
}


def held(talk: Callable[[], Talk], application: str, **settings: Any) -> list[tuple[Ask, Got]]:
    """The conversation with one application of a new emulator."""
    time = ManualTime(START)
    drifted: list[Any] = []
    numbers = itertools.count()
    system = build(
        Settings(allow_host=("api.test",), **settings), time, drifted.append, lambda: f"keys {next(numbers)}"
    )
    said = []
    for ask in APPLICATIONS[application](system):
        speaker = talk()
        question = next(speaker, None)
        while question is not None:
            try:
                if isinstance(question, Ask):
                    said.append((question, ask(question)))
                    question = speaker.send(said[-1][1])
                else:
                    time.advance(question)
                    question = next(speaker)
            except StopIteration:
                break
    assert drifted == []
    return said


# The conversations ----------------------------------------------------------------------------------------------------


def crun(method: str, path: str, value: Any = None, *, key: str = KEY, **headers: str) -> Ask:
    body = b"" if value is None else json.dumps(value, ensure_ascii=False).encode()
    kind = {} if value is None else JSON
    return Ask(method, f"{CRUN}/{path}", {"x-api-key": key, **kind, **headers}, body)


def data(answer: Got) -> Any:
    return json.loads(answer.body)["data"]


def examples() -> Talk:
    """Every documented exchange of both vendors, right after the other and again later."""
    for name, keys in KEYS.items():
        folder = Path(contracts.__file__).parent / name / "examples"
        for file in sorted(folder.glob("*.yaml")):
            for example in yaml.safe_load(file.read_text("utf-8")):
                request = example["request"]
                sent = request.get("body")
                body = b"" if sent is None else json.dumps(sent).encode()
                query = "&".join(f"{key}={value}" for key, value in request.get("query", {}).items())
                target = request["path"] + (f"?{query}" if query else "")
                yield Ask(request["method"], target, {**keys, **(JSON if body else {})}, body)
        yield 7.0


def a_swap() -> Talk:
    """A whole job: upload, detect, swap, poll, download, pay."""
    made = data((yield crun("GET", "files/upload-url?content_type=image%2Fpng&ext=.png")))
    put, file = (made[name].removeprefix("http://api.test") for name in ("presigned_url", "file_url"))
    content = b"\x89PNG" * 100
    for kind in ("image/gif", "image/png"):
        kept = yield Ask("PUT", put, {"content-type": kind}, content)
    assert kept.status == 200
    yield Ask("HEAD", file, {})
    assert (yield Ask("GET", file, {})).body == content
    detection = data((yield crun("POST", "job/detect-face-image", {"image_url": "https://faces.invalid/3.png"})))
    poll = f"job/detect-face-result?detect_task_id={detection['detect_task_id']}"
    for _ in range(4):
        found = yield crun("GET", poll)
        yield 0.6
    result = data(found)["result"]
    for face in result["data"]["faces"] if "data" in result else result.get("faces", []):
        for link in (value for value in face.values() if isinstance(value, str) and value.startswith("http")):
            yield Ask("GET", link.removeprefix("http://api.test"), {})
            yield Ask("HEAD", link.removeprefix("http://api.test"), {})
    task = data((yield crun("POST", "job/CreateTask", {
        "model": "image-face-swap",
        "input": {"image_url": made["file_url"], "new_face": "https://example.com/a.jpg"},
    })))  # fmt: skip
    video = data((yield crun("POST", "job/CreateTask", {
        "model": "video-face-swap",
        "input": {"video_url": "https://example.com/a.gif", "new_face": made["file_url"]},
    })))  # fmt: skip
    for _ in range(4):
        info = yield crun("GET", f"job/TaskInfo?task_id={task['task_id']}")
        yield 2.0
    yield 600.0
    shown = yield crun("GET", f"job/TaskInfo?task_id={video['task_id']}")
    yield Ask("GET", data(shown)["result"]["media_urls"][0].removeprefix("http://api.test"), {})
    for link in [url for url in json.dumps(data(info)).split('"') if url.startswith("http://api.test")]:
        yield Ask("GET", link.removeprefix("http://api.test"), {})
    yield crun("GET", "account/balance")
    yield crun("GET", "account/balance", key=OTHER_KEY)
    yield 3600.0 * 24 * 400
    yield crun("GET", f"job/TaskInfo?task_id={task['task_id']}")
    yield crun("GET", poll)


def magic(name: str) -> list[str]:
    """The URLs that make something happen, but for those that take real time."""
    rows = contracts.load(name).behaviour.magic.items()
    return [url for url, row in rows if not (row.fault and row.fault.get("delay"))]


def refusals() -> Talk:
    """Everything that is refused: by magic value, by credential, by contract, by HTTP."""
    for url in magic("crun"):
        yield crun("POST", "job/detect-face-image", {"image_url": url})
        yield crun("POST", "job/CreateTask", {
            "model": "image-face-swap",
            "input": {"image_url": url, "new_face": "https://example.com/a.jpg"},
        })  # fmt: skip
    for url in magic("imgopen"):
        asked = json.dumps({"imageUrl": url, "businessTaskId": f"own-{url[-12:]}"})
        yield Ask("POST", f"{TOOLS}/face/detection", {**IMGOPEN_KEYS, **JSON}, asked.encode())
    for key in ("", "ak_unknown", DISABLED_KEY, KEY.upper(), "ключ"):
        yield crun("GET", "account/balance", key=key)
        yield Ask("POST", f"{TOOLS}/face/detection", {**IMGOPEN_KEYS, "X-Request-req-accessKeyId": key, **JSON}, b"{}")
    yield Ask("GET", f"{CRUN}/account/balance", {})
    yield Ask("POST", f"{TOOLS}/face/detection", JSON, b"{}")
    for name in ("crun", "imgopen", "admin"):
        for operation in contracts.load(name).operations.values():
            path = operation.path.replace("{", "").replace("}", "")
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
                # What would wait, or say what time it is, is not the same twice.
                if name != "admin" or method != operation.method:
                    yield Ask(method, path, KEYS.get(name, {}))
            for junk in BODIES:
                yield Ask(operation.method, path, {**KEYS.get(name, {}), **JSON}, junk)
            for kind in ("text/plain", ""):
                yield Ask(operation.method, path, {**KEYS.get(name, {}), "content-type": kind}, b"{}")
            yield Ask(operation.method, f"{path}?unknown=1&task_id=&task_id=2&%ff=%00&=&&x&%C3%A9", KEYS.get(name, {}))
    for path in PATHS:
        yield Ask("GET", path)
        yield Ask("POST", path, {**CRUN_KEY, **JSON}, b"{}")


BODIES = (
    b"{}", b"[]", b"null", b"0", b'""', b"{", b"\xff\xfe", b'{"a":' * 300 + b"1" + b"}" * 300, b"NaN", b" ",
    b'{"image_url":1e999}', b'{"image_url":"\\ud800"}', b'{"image_url":"a","image_url":"https://a.com/b.png"}',
    b'{"model":"image-face-swap","input":{"image_url":"ftp://x","new_face":7}}', b'{"imageUrl":"https://a.com/a.png"}',
    b"\xef\xbb\xbf{}", b'{"businessTaskId":' + b"9" * 5000 + b"}", b"x" * (1 << 20), b"x" * ((1 << 20) + 1),
)  # fmt: skip

PATHS = (
    "/", "/health", "/ready", "/nowhere", "//", "/%2e%2e/etc/passwd", f"{CRUN}", f"{CRUN}/", f"{CRUN}//job", "/api/v1/",
    f"{CRUN}/job/TaskInfo/", f"{CRUN}/job/TaskInf%6f", f"{CRUN}/model/%E5%9B%A2", f"{CRUN}/model/%ff", f"{CRUN}/../x",
    "/media/x/0.jpg", "/media/../../etc/passwd", "/media/%2e%2e/0.jpg", "/u/x", "/u/..%2fx", "/Output-Img2/tool/x.png",
    f"{TOOLS}/face/detection/", f"{TOOLS}/nothing/queryTask", "/AIGCImgOpenServ", "/__admin", "/__admin/nothing",
)  # fmt: skip


#: The same, held once however many tests look at it.
held_once = cache(held)


@pytest.mark.parametrize("other", ["wsgi", "flask"])
@pytest.mark.parametrize("talk", [examples, a_swap, refusals], ids=lambda talk: talk.__name__)
def test_every_application_gives_the_same_bytes(talk, other):
    live, through_other = held_once(talk, "live"), held_once(talk, other)
    assert len(live) == len(through_other)
    for (question, answer), (same_question, other_answer) in zip(live, through_other, strict=True):
        assert question == same_question
        assert answer == other_answer, question
    assert {answer.status // 100 for _, answer in live} <= {0, 2, 3, 4, 5}
    assert not [question for question, answer in live if b"Traceback" in answer.body]


def test_a_server_that_hands_chunks_on_is_not_waited_for():
    """As the standard library's does, whose input ends when the client hangs up."""

    class Never(BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("read for ever")

    app = create_app(build(time=ManualTime(START)).pipeline, lambda _: None)
    environ = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": f"{CRUN}/job/CreateTask", "QUERY_STRING": "",
        "SERVER_NAME": "api.test", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
        "HTTP_X_API_KEY": KEY, "CONTENT_TYPE": "application/json", "HTTP_TRANSFER_ENCODING": "chunked",
        "SERVER_SOFTWARE": "WSGIServer/0.2 CPython/3.11", "wsgi.input": Never(),
    }  # fmt: skip
    body, status, _ = run_wsgi_app(app, environ)
    assert status.startswith("413 ")
    assert "say how long it is" in json.loads(b"".join(body))["errors"][0]


def test_the_conversations_touch_every_operation():
    said = held_once(examples, "wsgi") + held_once(refusals, "wsgi")
    asked = {(question.method, question.target.partition("?")[0]) for question, _ in said}
    for name in (*KEYS, "admin"):
        operations = contracts.load(name).operations.values()
        touched = {operation.id for method, path in asked for operation in operations
                   if operation.method == method and operation.pattern.fullmatch(path)}  # fmt: skip
        assert {operation.id for operation in operations} - touched == set(), name


def test_the_clock_is_the_only_difference_between_two_talks():
    """The same conversation later gives other bytes: what is compared above is no constant."""
    first = held(a_swap, "wsgi")
    assert first == held(a_swap, "wsgi")
    assert [answer for _, answer in first] != [answer for _, answer in held(a_swap, "wsgi", seed=1)]
