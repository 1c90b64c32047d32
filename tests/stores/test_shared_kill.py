"""Three emulators with one Redis, as processes: one is killed, another is started, Redis starts anew. Nothing is lost."""

import json
from collections import Counter
from threading import Event
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from swapmock import RemoteEmulator
from swapmock.mock_server.control import AdminError
from tests.receivers import Receiver
from tests.stores.crash import INPUT, JOB, Server

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.slow]

SANDBOXES, TASKS = 12, 120


def create(port: int, headers, callback: str) -> str | None:
    """The id of a new task; None if the answer says that there is none, or that nobody knows."""
    body = json.dumps({"model": "image-face-swap", "input": INPUT, "callback_url": callback}).encode()
    asked = Request(f"http://127.0.0.1:{port}{JOB}/CreateTask", body, {**headers, "content-type": "application/json"})
    try:
        with urlopen(asked, timeout=10) as answer:
            document = json.loads(answer.read())
    except (HTTPError, URLError, ConnectionError):
        return None
    return str(document["data"]["task_id"]) if document["code"] == 200 else None


def patiently(work):
    """The result of `work`, which may fail until a lease has run out."""
    for _ in range(300):
        try:
            return work()
        except (AdminError, OSError):
            Event().wait(0.1)
    return work()


def test_one_is_killed_and_redis_starts_anew(redis_server):
    redis_server.empty()
    servers = [Server("--store", redis_server.url) for _ in range(3)]
    with Receiver() as receiver:
        try:
            with RemoteEmulator(f"http://127.0.0.1:{servers[0].port}") as emu:
                clock = {"mode": "scaled", "rate": 20}
                boxes = [emu.sandbox(id=f"team{number}", clock=clock, balance=10_000) for number in range(SANDBOXES)]
            told: dict[str, list[str]] = {box.id: [] for box in boxes}
            for number in range(TASKS):
                if number == TASKS // 3:
                    servers.pop(0).kill()
                    servers.append(Server("--store", redis_server.url))
                if number == 2 * TASKS // 3:
                    redis_server.kill()
                    redis_server.start()
                box = boxes[number % SANDBOXES]
                made = create(servers[number % 3].port, box.headers("crun"), receiver.url(f"/{box.id}"))
                if made is not None:
                    told[box.id].append(made)
            assert sum(map(len, told.values())) > TASKS // 4
            with RemoteEmulator(f"http://127.0.0.1:{servers[-1].port}") as emu:
                for name, tasks in told.items():
                    found = patiently(lambda name=name: ended(emu.get(name)))
                    came = Counter(got.json["task_id"] for got in receiver.got if got.path == f"/{name}")
                    assert set(tasks) <= found["tasks"].keys()
                    assert [task for task in found["tasks"] if not came[task]] == []
                    assert emu.get(name).ledger(proof=True)["proof"]["holds"]
        finally:
            for server in servers:
                server.kill()


def ended(box):
    """The state of a sandbox in which every task has ended and every callback was acknowledged."""
    state = box.snapshot()["state"]
    if state["due"] or any(delivery["state"] == "pending" for delivery in state["deliveries"]):
        raise OSError("tasks or deliveries are under way")
    return state
