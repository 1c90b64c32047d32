"""Fixtures that build on each other: time -> system -> app or server -> the clients `crun` and `imgopen`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import System, build
from swapmock.mock_server.web.server import LiveServer
from tests.npm.packed import Packed, packed

#: A Wednesday noon in UTC.
START = 1_748_433_600.0

KEY = "ak_swapmock000000000000000000000000"
OTHER_KEY = "ak_swapmockother0000000000000000000"
DISABLED_KEY = "ak_swapmockdisabled0000000000000000"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.needs("ffmpeg")`: skipped with a reason where the tool is missing, failed in CI."""
    for marker in item.iter_markers("needs"):
        for tool in marker.args:
            if shutil.which(tool) is None:
                reason = f"{tool} is not on PATH"
                if os.environ.get("CI") == "true":
                    pytest.fail(f"{reason}, and CI must have it")
                pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`pytestmark = pytest.mark.early`: the slowest modules run first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)


#: Modules whose tests share nothing. Their tests are divided among the workers one by one; all others stay together, because they
#: share servers and browsers.
APART = ("tests/conformance/test_broken_servers.py",)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadscope`, but for the modules in APART."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # mypy does not see the types of xdist
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith(APART) else super()._split_scope(nodeid)

    return Scheduling(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def npm_package(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """The packed npm package of this repository. All workers of a run share it."""
    own = tmp_path_factory.getbasetemp()
    return packed(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture
def time() -> ManualTime:
    return ManualTime(START)


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    """The default settings; a test changes them by overriding this fixture, or by `parametrize("settings", [{"balance": 5}], indirect=True)`."""
    return Settings(**getattr(request, "param", {}))


@pytest.fixture
def system(settings: Settings, time: ManualTime, request: pytest.FixtureRequest) -> Iterator[System]:
    """An emulator on manual time. An answer that breaks the contract fails the test. The environment variable TESTS_STORE,
    `sqlite` or `redis://HOST`, names another store than memory; tests/stores/test_stories.py uses it."""
    drifted: list[Exchange] = []
    other = os.environ.get("TESTS_STORE", "") if settings.store == "memory" and settings.workers == 1 else ""
    if other == "sqlite":
        settings = replace(settings, store=f"sqlite:{request.getfixturevalue('tmp_path')}/state.db")
    elif other:
        empty(other)
        settings = replace(settings, store=other)
    made = build(settings, time, drifted.append)
    yield made
    if other:
        made.engine.store.close()
    assert [(x.operation, x.status, x.answer, x.drift) for x in drifted] == []


def empty(redis_url: str) -> None:
    """Remove everything from the Redis of the tests."""
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()


@pytest.fixture
def server(system: System) -> Iterator[LiveServer]:
    """The same, live on a free port."""
    with LiveServer(system.asgi_app) as live:
        yield live


@dataclass
class CrunClient:
    """A plain client of crun.ai over real HTTP, as an integrator would write it."""

    base_url: str
    time: ManualTime
    key: str = KEY

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"x-api-key": self.key, **more.pop("headers", {})}
        return requests.request(method, f"{self.base_url}/api/v1/client/{path}", headers=headers, timeout=10, **more)

    def data(self, method: str, path: str, **more: Any) -> Any:
        """`data` of an answer that must be a success."""
        answer = self.call(method, path, **more)
        body = answer.json()
        assert (answer.status_code, body["code"], body["message"]) == (200, 200, "success"), body
        return body["data"]

    def refused(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The envelope of an answer that must be a refusal, with the HTTP status under `http`."""
        answer = self.call(method, path, **more)
        body: dict[str, Any] = answer.json()
        assert body["code"] != 200, body
        return {**body, "http": answer.status_code}

    def detect(self, url: str, media: str = "image") -> str:
        made = self.data("POST", f"job/detect-face-{media}", json={f"{media}_url": url})
        return str(made["detect_task_id"])

    def detection(self, detect_task_id: str) -> Any:
        return self.data("GET", "job/detect-face-result", params={"detect_task_id": detect_task_id})

    def detected(self, url: str, media: str = "image") -> Any:
        """The result of a detection that is waited for on manual time."""
        detect_task_id = self.detect(url, media)
        self.time.advance(10)
        return self.detection(detect_task_id)["result"]

    def create(self, model: str, given: dict[str, Any], **more: Any) -> str:
        made = self.data("POST", "job/CreateTask", json={"model": model, "input": given, **more})
        return str(made["task_id"])

    def info(self, task_id: str) -> Any:
        return self.data("GET", "job/TaskInfo", params={"task_id": task_id})

    def balance(self) -> float:
        return float(self.data("GET", "account/balance")["balance"])


@pytest.fixture
def crun(server: LiveServer, time: ManualTime) -> CrunClient:
    return CrunClient(server.url, time)


@pytest.fixture
def other_crun(server: LiveServer, time: ManualTime) -> CrunClient:
    """A client of the second account."""
    return CrunClient(server.url, time, OTHER_KEY)


@dataclass
class ImgOpenClient:
    """A plain client of Img Open over real HTTP, as an integrator would write it."""

    base_url: str
    time: ManualTime
    key: str = "openapi-swapmock00000000"
    secret: str = "secretswapmock000000000000000000"

    @property
    def credentials(self) -> dict[str, str]:
        return {"X-Request-req-accessKeyId": self.key, "X-Request-req-accessKeySecret": self.secret}

    def call(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        url = f"{self.base_url}/AIGCImgOpenServ/saas/{path}"
        return requests.post(url, **{"json": body, "headers": self.credentials, "timeout": 10, **more})

    def data(self, path: str, body: Any, **more: Any) -> Any:
        """`data` of an answer that must be a success."""
        answer = self.call(path, body, **more)
        envelope = answer.json()
        assert (answer.status_code, envelope["code"], envelope["msg"]) == (200, "200", "success"), envelope
        return envelope["data"]

    def refused(self, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """The envelope of an answer that must be a refusal, with the HTTP status under `http`."""
        answer = self.call(path, body, **more)
        envelope: dict[str, Any] = answer.json()
        assert envelope["code"] != "200", envelope
        return {**envelope, "http": answer.status_code}

    def detect(self, url: str, own_id: str = "10086996", **more: Any) -> Any:
        return self.data("tool/face/detection", {"imageUrl": url, "businessTaskId": own_id, **more})

    def fuse(self, sources: list[str], target: str, own_id: str = "10086997", **more: Any) -> Any:
        body = {"sourceUrl": sources, "targetUrl": target, "businessTaskId": own_id, **more}
        return self.data("tool/face/fusion", body)

    def query(self, tool_code: str, task_id: str) -> Any:
        return self.data(f"tool/{tool_code}/queryTask", {"businessTaskId": task_id})


@pytest.fixture
def imgopen(server: LiveServer, time: ManualTime) -> ImgOpenClient:
    return ImgOpenClient(server.url, time)


@pytest.fixture
def other_imgopen(server: LiveServer, time: ManualTime) -> ImgOpenClient:
    """A client of the second account."""
    return ImgOpenClient(server.url, time, "openapi-swapmockother000", "secretswapmockother0000000000000")
