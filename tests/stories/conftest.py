"""A sandbox of its own for each story that moves the clock, driven over HTTP alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
import requests
from werkzeug.test import EnvironBuilder

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.core.call import Call
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.mounting import RouteMatch
from swapmock.mock_server.web.pipeline import Pipeline
from swapmock.mock_server.web.server import LiveServer
from swapmock.mock_server.web.wsgi import SEVER, request_from_environ, respond
from tests.conftest import CrunClient, ImgOpenClient
from tests.receivers import Receiver


@pytest.fixture(autouse=True)
def both_doors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For every request to the live server, the WSGI application would have made the same request to the pipeline, and
    have written the same answer."""
    differences: list[object] = []
    answer_for = Pipeline._answer

    def answered(self: Pipeline, target: RouteMatch, request: Request) -> Answer:
        asked = request_from_environ(environ_of(request), target)
        if asked != request and not request.body_error:  # neither has read all of such a body
            differences.append((request, asked))
        answer = answer_for(self, target, request)
        if answer.content is not None:
            return answer  # files are compared in tests/web/test_files.py
        if answer.before_send is None and answer.connection_fault not in SEVER:
            told = written(answer)
            if told != (answer.status, [*answer.headers, ("content-length", str(len(answer.body)))], answer.body):
                differences.append((answer, told))
        return answer

    monkeypatch.setattr(Pipeline, "_answer", answered)
    yield
    assert differences == []


def environ_of(request: Request) -> dict[str, Any]:
    """As Werkzeug makes it, for whatever test client or server stands on it."""
    environ: dict[str, Any] = EnvironBuilder(
        base_url=request.base_url, method=request.method, input_stream=BytesIO(request.body)
    ).get_environ()
    environ["PATH_INFO"] = request.path.encode().decode("latin-1")
    environ["wsgi.input_terminated"] = True
    environ["QUERY_STRING"] = request.query.encode().decode("latin-1")
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        environ.pop(name, None)
        if f"HTTP_{name}" in environ:
            environ[name] = environ.pop(f"HTTP_{name}")
    return environ


def written(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
        started[:] = int(status[:3]), headers

    body = b"".join(respond(answer, {"REQUEST_METHOD": "GET"}, start_response, lambda _: None))
    return started[0], started[1], body


@dataclass
class Account:
    """A sandbox, its clients, and its admin calls."""

    id: str
    base_url: str
    crun: CrunClient
    imgopen: ImgOpenClient

    def admin(self, method: str, path: str, **more: Any) -> Any:
        answer = requests.request(method, f"{self.base_url}/__admin/sandboxes/{self.id}/{path}", timeout=60, **more)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def advance(self, **given: Any) -> list[dict[str, Any]]:
        """What fired."""
        fired: list[dict[str, Any]] = self.admin("POST", "clock/advance", json=given)["fired"]
        return fired

    def deliveries(self, **params: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.admin("GET", "deliveries", params={"limit": 1000, **params})["deliveries"]
        return rows

    def delivery(self) -> dict[str, Any]:
        """The only one."""
        (row,) = self.deliveries()
        return row

    def swap(self, callback_url: str, image: str = "https://example.com/a.png", **more: Any) -> str:
        """A crun task with a callback."""
        given = {"image_url": image, "new_face": "https://example.com/b.png"}
        return self.crun.create("image-face-swap", given, callback_url=callback_url, **more)


def submit_ended(engine: Engine, url: str | Callable[[int], str], count: int = 1, start: int = 0) -> None:
    """Tasks of the default sandbox that have ended by now, their callbacks due: to `url`, or the n-th to `url(n)`."""
    with engine.store.open("default") as box:
        now = engine.now(box)
        for number in range(start, start + count):
            call = Call(
                operation="create_task",
                params={},
                body=None,
                raw=b"",
                headers={},
                box=box,
                now=now,
                variants=box.sandbox.variants["crun"],
                base_url="http://emulator.invalid",
                exchange="x1",
                provider="crun",
            )
            task = Task(
                id=f"00000000-0000-4000-8000-{number:012}",
                kind="task",
                provider="crun",
                operation="create_task",
                model="image-face-swap",
                request=b'{"model":"image-face-swap","input":{}}',
                created_at=now,
                starts_at=now,
                ends_at=now,
                callback_url=url if isinstance(url, str) else url(number),
                cause="x1",
                facts={"extension": ".png", "faces": (), "more": ()},
            )
            engine.submit(call, task)
        engine.catch_up(box, now)


@pytest.fixture
def make_account(server: LiveServer, time: ManualTime) -> Callable[..., Account]:
    """`make_account(variants=..., clock=...)`: a new sandbox, on a frozen clock unless said otherwise."""

    def make(**options: Any) -> Account:
        answer = requests.post(f"{server.url}/__admin/sandboxes", json={"clock": "frozen", **options}, timeout=10)
        assert answer.status_code < 300, answer.text
        made = answer.json()
        keys = made["credentials"]
        return Account(
            made["id"],
            server.url,
            CrunClient(server.url, time, keys["crun"]["key"]),
            ImgOpenClient(server.url, time, keys["imgopen"]["key"], keys["imgopen"]["secret"]),
        )

    return make


@pytest.fixture
def account(make_account: Callable[..., Account]) -> Account:
    return make_account()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that acknowledges everything, until its `plan` is changed."""
    with Receiver() as live:
        yield live
