"""Open pages are told of changes, seldom enough to cost little, and a long journal makes no page long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from swapmock import Emulator
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.inspector.live import EVERYTHING, MOST_SAVED, MOST_WATCHED, QUIET_LOOKS, SHARE, Budget, Live
from tests.inspector.conftest import HTML, Reader, crun


class Ticks:
    """A time in seconds that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_pages_compute_no_more_than_their_share() -> None:
    """Whatever happens: an event costs 40 ms for all pages, and there is something to tell at each look."""
    ticks = Ticks()
    budget = Budget(ticks)
    spent = 0.0
    for _ in range(2000):
        ticks.now += 0.5
        if budget.is_left:
            budget.spend(0.04)
            spent += 0.04
    assert SHARE * 1000 * 0.95 <= spent <= SHARE * 1000 + MOST_SAVED + 0.04


def test_nothing_is_saved_up_without_end() -> None:
    ticks = Ticks()
    budget = Budget(ticks)
    ticks.now += 86_400
    budget.spend(MOST_SAVED + 0.001)
    assert not budget.is_left
    ticks.now += 0.002 / SHARE
    assert budget.is_left


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def live(emulator: Emulator, ticks: Ticks) -> Live:
    return Live(emulator.system.engine, ticks)


@pytest.fixture
def at(emulator: Emulator) -> Iterator[Any]:
    with emulator.sandbox(clock="frozen", balance=100) as sandbox:
        yield sandbox


CHANGES: dict[str, Any] = {
    "a request": lambda at: crun(at, "GET", "account/balance"),
    "a grant": lambda at: at.grant(1),
    "the clock": lambda at: at.advance(1),
    "its mode": lambda at: at.set_clock("on_poll"),
    "a fault": lambda at: at.add_fault({"status": 503}),
    "the queue": lambda at: at.queue("fails"),
    "the inbox": lambda at: requests.post(at.inbox()["url"], json={}, timeout=10),
    "the end": lambda at: at.control.ask("POST", "/sandboxes/" + at.id + "/fork", {}) and at.reset(),
}


@pytest.mark.parametrize("change", [one for one in CHANGES if one != "the end"])
def test_each_change_is_one_event(live: Live, ticks: Ticks, at: Any, change: str) -> None:
    watch = live.watch([at.id])
    ticks.now += 1
    assert watch.message() == b""
    CHANGES[change](at)
    ticks.now += 1
    assert watch.message() == f'event: changed\ndata: ["{at.id}"]\n\n'.encode()
    ticks.now += 1
    assert watch.message() == b""


def test_a_thousand_requests_are_one_event(live: Live, ticks: Ticks, at: Any, emulator: Emulator) -> None:
    watch = live.watch([at.id])
    live.budget.spend(1.0)
    box = emulator.system.engine.store.open(at.id)
    told = 0
    for number in range(1000):
        record(box, number)
        ticks.now += 0.001
        told += watch.message().startswith(b"event")
    assert told == 0
    ticks.now += 1.0 / SHARE
    assert watch.message().startswith(b"event: changed")


def test_the_list_of_sandboxes_and_the_runs_are_watched(live: Live, ticks: Ticks, emulator: Emulator) -> None:
    watch = live.watch([EVERYTHING])
    for change in (lambda: emulator.sandbox(id="another"), lambda: emulator.add_run("check", {})):
        change()
        ticks.now += 1
        assert watch.message() == b'event: changed\ndata: ["*"]\n\n'
    emulator.get("another").delete()


def test_a_quiet_connection_is_kept(live: Live, at: Any) -> None:
    watch = live.watch([at.id, "nobody", at.id])
    said = [watch.message() for _ in range(QUIET_LOOKS)]
    assert said[:-1] == [b""] * (QUIET_LOOKS - 1)
    assert said[-1].startswith(b":")


def test_a_connection_watches_a_bounded_number(live: Live) -> None:
    first = live.watch([str(number) for number in range(1000)]).first()
    assert len(json.loads(first.split(b"data: ")[1])) == MOST_WATCHED


def test_the_stream_tells_a_change_and_ends_with_the_client(emulator: Emulator, at: Any) -> None:
    url = f"{emulator.url}/__admin/ui/events"
    with requests.get(url, params={"sandbox": at.id}, stream=True, timeout=20) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = answer.iter_lines(chunk_size=1)
        assert [next(lines) for _ in range(2)] == [b"retry: 2000", b"event: versions"]
        crun(at, "GET", "account/balance")
        assert b"event: changed" in lines
    assert requests.get(f"{emulator.url}/health", timeout=10).status_code == 200


def test_a_wsgi_server_tells_the_state_and_lets_the_browser_come_again(emulator: Emulator, at: Any) -> None:
    with emulator.system.app.test_client() as client:
        answer = client.get(f"/__admin/ui/events?sandbox={at.id}")
        assert answer.data.startswith(b"retry: 2000\nevent: versions\n")
        assert client.get("/__admin", headers=HTML).status_code == 200


def record(box: Any, number: int) -> None:
    """An exchange as requests leave it in the journal."""
    headers = {"host": "127.0.0.1", "content-type": "application/json"}
    body = b'{"prompt": "a harbour"}'
    with box:
        box.record(
            Exchange(
                f"x{100_000 + number}", 1e9 + number, "crun", "create_task" if number % 5 else "get_task_info", "POST",
                f"/api/v1/client/job/CreateTask?number={number}", headers, body, status=200, code=200, answer=b"{}",
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def crowded(emulator: Emulator) -> Any:
    """A sandbox with 10,000 exchanges."""
    sandbox = emulator.sandbox(id="crowded", clock="frozen")
    box = emulator.system.engine.store.open("crowded")
    for number in range(10_000):
        record(box, number)
    return sandbox


def test_ten_thousand_exchanges_are_pages_of_fifty(crowded: Any, reader: Reader) -> None:
    path, numbers = "/__admin/sandboxes/crowded/requests?operation=get_task_info", []
    for _ in range(3):
        text = reader.get(path).text
        assert len(text) < 100_000
        rows = [int(part.partition('"')[0]) for part in text.split('id="x-x')[1:]]
        assert len(rows) == 50
        numbers += rows
        path = text.partition('rel="next"')[0].rpartition('href="')[2].rpartition('"')[0].replace("&amp;", "&")
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 150
    assert "The journal holds 10000 exchanges." in reader.get("/__admin/sandboxes/crowded/requests").text


def test_a_page_does_not_hold_the_sandbox(crowded: Any, reader: Reader, emulator: Emulator) -> None:
    """While a page searches in vain, the sandbox is open only to copy references."""
    held: list[float] = []
    store: Any = emulator.system.engine.store
    box = store.open("crowded")
    box._note = lambda _sandbox, seconds: held.append(seconds)
    for path in ("", "/requests?text=nowhere", "/requests?result=bad", "/media", "/ledger", "/deliveries"):
        assert reader.get(f"/__admin/sandboxes/crowded{path}").status_code == 200
    assert max(held, default=0.0) < 0.5


def test_a_sandbox_with_many_tasks_shows_the_newest(emulator: Emulator, reader: Reader) -> None:
    with emulator.sandbox(clock="frozen", balance=1000) as sandbox:
        made = [
            crun(sandbox, "POST", "job/CreateTask", json={"model": "z-image", "input": {"prompt": "a"}})["data"][
                "task_id"
            ]
            for _ in range(40)
        ]
        text = reader.get(f"/__admin/sandboxes/{sandbox.id}").text
        assert [one in text for one in made] == [False] * 10 + [True] * 30
        older = reader.get(f"/__admin/sandboxes/{sandbox.id}?skip=30").text
        assert [one in older for one in made] == [True] * 10 + [False] * 30
