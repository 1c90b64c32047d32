"""A photo of 31 MB as a data URI: the task keeps all of it, and the event loop is not held meanwhile.

Holds are measured in processor time of the loop's own thread: what other processes do does not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import thread_time
from typing import Any

import pytest
import requests

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.protocol_check import Connection
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import KEY, START, CrunClient

#: The longest that the loop may be held by one piece of work, in seconds of the processor's time. Reading such a body takes a
#: second. Other processes empty the processor's caches, which only adds time: the best of ATTEMPTS counts.
LONGEST, ATTEMPTS = 0.05, 4

#: Bytes of a photo, and how many are sent at the same time.
PHOTO, AT_ONCE = 31_000_000, 4


class Ticks:
    """Measures how much a loop's thread works between two of its turns."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._before = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def connect(self, *args: Any, **more: Any) -> Connection:
        """What makes a connection of the server: it runs on the loop."""
        if self._loop is None:
            self._loop, self._before = asyncio.get_running_loop(), thread_time()
            self._loop.call_soon(self._tick)
        return Connection(*args, **more)

    def _tick(self) -> None:
        assert self._loop is not None
        now = thread_time()
        self.longest, self._before = max(self.longest, now - self._before), now
        self._loop.call_later(0.001, self._tick)


def least_hold(ticks: Ticks, work: Callable[[int], object]) -> float:
    """Return how long the loop was held in the best attempt at `work(number)`. A short enough one ends the attempts."""
    holds = []
    for number in range(ATTEMPTS):
        ticks.longest = 0.0
        work(number)
        holds.append(ticks.longest)
        if holds[-1] < LONGEST:
            break
    return min(holds)


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def crun(ticks: Ticks) -> Iterator[CrunClient]:
    clock = ManualTime(START)
    app: Any = build(Settings(), clock).asgi_app
    app.connection = ticks.connect
    with LiveServer(app) as live:
        yield CrunClient(live.url, clock)


def body_of(number: int) -> bytes:
    photo = f"data:image/jpeg;base64,{'A' * PHOTO}{number:04}"
    return b'{"model":"google/nano-banana-pro","input":{"prompt":"a","img_urls":["%s"]}}' % photo.encode()


def test_the_loop_answers_others_while_photos_come(crun: CrunClient, ticks: Ticks) -> None:
    url, headers = (
        f"{crun.base_url}/api/v1/client/job/CreateTask",
        {"x-api-key": KEY, "content-type": "application/json"},
    )

    def create(number: int) -> Any:
        return requests.post(url, body_of(number), headers=headers, timeout=60).json()

    crun.create("google/nano-banana-pro", {"prompt": "a"})  # what is made at the first request is made now

    def create_all(_attempt: int) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            made = list(pool.map(create, range(AT_ONCE)))
        assert [answer["code"] for answer in made] == [200] * AT_ONCE
        assert len({answer["data"]["task_id"] for answer in made}) == AT_ONCE

    assert least_hold(ticks, create_all) < LONGEST


def test_the_loop_answers_others_while_tasks_with_photos_are_polled(crun: CrunClient, ticks: Ticks) -> None:
    """Each answer has the whole photo. It is read, written and, for the first link to a result, hashed in a thread."""
    api, headers = f"{crun.base_url}/api/v1/client/job", {"x-api-key": KEY}
    crun.create("google/nano-banana-pro", {"prompt": "a"})  # what is made at the first request is made now

    def poll_all(attempt: int) -> None:
        sent = {**headers, "content-type": "application/json"}
        made = requests.post(f"{api}/CreateTask", body_of(attempt), headers=sent, timeout=60).json()["data"]["task_id"]

        def poll(_: object = None) -> Any:
            return requests.get(f"{api}/TaskInfo", {"task_id": made}, headers=headers, timeout=60).json()["data"]

        first = poll()
        crun.time.advance(600)
        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(poll, range(4)))
        assert [each["status"] for each in (first, *ended)] == ["pending"] + ["success"] * 4
        assert {len(each["param"]["input"]["img_urls"][0]) for each in (first, *ended)} == {PHOTO + 27}

    assert least_hold(ticks, poll_all) < LONGEST


def test_the_whole_photo_is_kept_and_both_ways_of_serving_make_the_same_of_it() -> None:
    told = []
    for way in ("asgi", "wsgi"):
        system = build(Settings(), ManualTime(START))
        body = b'{"model":"google/nano-banana-pro","input":{"prompt":"a","img_urls":["data:image/png;base64,%s"]}}' % (
            b"B" * 1_500_000
        )
        headers = {"x-api-key": KEY, "content-type": "application/json"}
        if way == "wsgi":
            with system.app.test_client() as client:
                made: Any = client.post("/api/v1/client/job/CreateTask", data=body, headers=headers).json
        else:
            with LiveServer(system.asgi_app) as live:
                made = requests.post(
                    f"{live.url}/api/v1/client/job/CreateTask", body, headers=headers, timeout=30
                ).json()
        with system.engine.store.open("default") as box:
            task = box.task(made["data"]["task_id"])
            assert task is not None
            assert task.request == body
            (record,) = box.records()[:1]
            told.append((task.id, task.facts, record.body))  # type: ignore[union-attr]  # the first record is the exchange
    assert told[0] == told[1]
    assert len(told[0][2]) == 65_536
