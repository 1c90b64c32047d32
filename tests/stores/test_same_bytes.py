"""On each store the same seed and the same moves give the same bytes, and a restart changes none of them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.control import CRUN, IMGOPEN, PICTURE, Admin, Box
from tests.receivers import Receiver
from tests.stores.bodies import Servers

START, PUBLIC = 1_000_000_000.0, "http://emulator.example"

#: What the admin API tells of a sandbox: its path, its parameters.
TOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "sandbox": ("", {}),
    "journal": ("/journal", {"limit": 1000}),
    "requests": ("/requests", {"limit": 1000}),
    "ledger": ("/ledger", {"proof": 1}),
    "tasks": ("/tasks", {}),
    "deliveries": ("/deliveries", {}),
    "faults": ("/faults", {}),
    "scenarios": ("/scenarios", {}),
    "clock": ("/clock", {}),
    "har": ("/har", {}),
    "snapshot": ("/snapshot", {}),
}


def store_of(body: str, folder) -> str:
    if body == "redis":
        assert Servers.redis is not None
        Servers.redis.empty()
        return Servers.redis.url
    return f"sqlite:{folder / 'store.db'}" if body == "sqlite" else "memory"


@contextmanager
def served(store: str, time: ManualTime) -> Iterator[Admin]:
    """An emulator with keys that follow from a count."""
    seeds = itertools.count()
    system = build(Settings(store=store, public_url=PUBLIC), time, draw_key_seed=lambda: f"{next(seeds):064x}")
    try:
        with LiveServer(system.asgi_app) as server:
            system.advertise(server.url)
            yield Admin(server.url)
    finally:
        system.engine.store.close()


def live(admin: Admin, box: Box, time: ManualTime, hook: str) -> list[bytes]:
    """Something of everything: tasks of both vendors, callbacks, credits, faults, files with ranges. Every answer's bytes."""
    seen: list[bytes] = []
    crun, imgopen = box.headers(), box.headers("imgopen")

    def call(method: str, path: str, headers: Any = None, **more: Any) -> requests.Response:
        answer = requests.request(method, admin.url + path, headers=headers, timeout=30, **more)
        seen.append(answer.content)
        time.advance(1)
        return answer

    def fetch(link: str, **headers: str) -> None:
        assert call("GET", link.replace(PUBLIC, ""), headers).status_code < 300

    upload = call("GET", f"{CRUN}files/upload-url", crun, params={"content_type": "image/png", "ext": ".png"})
    links = upload.json()["data"]
    call("PUT", links["presigned_url"].replace(PUBLIC, ""), {"Content-Type": "image/png"}, data=b"a picture" * 100)
    fetch(links["file_url"])
    fetch(links["file_url"], Range="bytes=3-9")
    box.ok("POST", "/faults", {"match": {"operation": "list_models"}, "effect": {"status": 503}, "times": 2})
    box.ok("POST", "/faults", {"match": {"probability": 0.5}, "effect": {"code": 500}})
    for _ in range(4):
        call("GET", f"{CRUN}account/balance", crun)
    box.ok("DELETE", "/faults")
    box.ok("POST", "/scenarios", {"scenario": "fails"})
    for model, given in (
        ("image-face-swap", {"image_url": PICTURE, "new_face": links["file_url"]}),
        ("image-face-swap", {"image_url": PICTURE, "new_face": PICTURE}),
        ("z-image", {"prompt": "a harbour"}),
    ):
        made = call(
            "POST", f"{CRUN}job/CreateTask", crun, json={"model": model, "input": given, "callback_url": hook}
        ).json()["data"]
        box.advance(by="5m")
        told = call("GET", f"{CRUN}job/TaskInfo", crun, params=made)
        for link in sorted(set(re.findall(rf'{PUBLIC}/media/[^"]+', told.text))):
            fetch(link)
            fetch(link, Range="bytes=-10")
    call("POST", f"{CRUN}job/CreateTask", crun, json={"model": "image-face-swap", "input": {}})
    call("POST", f"{IMGOPEN}tool/face/detection", imgopen, json={"imageUrl": PICTURE, "businessTaskId": "own"})
    box.ok("POST", "/ledger/grant", {"credits": 5})
    box.advance(until="idle")
    call("POST", f"{IMGOPEN}tool/face/detection/queryTask", imgopen, json={"businessTaskId": "own"})
    return seen


def told_by(admin: Admin, box: Box) -> dict[str, str]:
    return {name: json.dumps(box.ok("GET", path, **params)) for name, (path, params) in TOLD.items()}


def neutral(text: str) -> str:
    """The ports of loopback are the machine's."""
    return re.sub(r"127\.0\.0\.1:\d{4,5}", "HOST", text)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """One for all lives: its address is in the requests, and media follow from those."""
    with Receiver() as live:
        yield live


@pytest.fixture(scope="module")
def on_memory(tmp_path_factory, receiver) -> dict[str, str]:
    return a_life("memory", tmp_path_factory.mktemp("memory"), receiver)[0]


def a_life(body: str, folder, receiver: Receiver) -> tuple[dict[str, str], dict[str, str]]:
    """What is told at the end of a life, and once more by a server that was started anew."""
    time, store = ManualTime(START), store_of(body, folder)
    receiver.got.clear()
    with served(store, time) as admin:
        box = admin.sandbox(id="kept", seed=11, clock="frozen", balance=500)
        seen = live(admin, box, time, receiver.url("/hook"))
        before = told_by(admin, box)
    if body == "memory":
        after = dict(before)
    else:
        with served(store, time) as admin:
            after = told_by(admin, Box(admin, box.document))
    before["answers"] = after["answers"] = repr(seen)
    before["callbacks"] = after["callbacks"] = repr([(got.path, got.headers, got.body) for got in receiver.got])
    return neutralized(before), neutralized(after)


def neutralized(told: dict[str, str]) -> dict[str, str]:
    return {name: neutral(text) for name, text in told.items()}


@pytest.mark.parametrize("body", ["sqlite", "redis"])
def test_the_same_moves_give_the_same_bytes_on_each_store_and_after_a_restart(body, on_memory, tmp_path, receiver):
    before, after = a_life(body, tmp_path, receiver)
    for name, text in on_memory.items():
        assert before[name] == text, name
        assert after[name] == text, f"{name} after a restart"


def test_two_lives_on_one_store_are_the_same(on_memory, tmp_path, receiver):
    again = a_life("memory", tmp_path, receiver)[0]
    assert [name for name, text in again.items() if text != on_memory[name]] == []
    assert "206" in on_memory["journal"]
    assert '"sent": 7' in on_memory["journal"]
