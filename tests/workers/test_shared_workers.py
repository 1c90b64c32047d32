"""Worker processes with a shared store: each is a process of the store, and together they are one emulator."""

import os
import signal
import socket
from threading import Event

import pytest
import requests

from swapmock import RemoteEmulator
from swapmock.mock_server.control import AdminError
from swapmock.mock_server.settings import SettingError, Settings
from tests.receivers import Receiver
from tests.stores.ports import free_ports
from tests.stores.redis_server import redis_process
from tests.workers.served import available, balance, ended, key_of, read_answer, serving

pytestmark = pytest.mark.needs("redis-server")

JOB = "/api/v1/client/job"
INPUT = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    # Without a wait for the disk: what is tested here is not how fast a busy machine's disk is.
    with redis_process(tmp_path_factory.mktemp("redis"), "--appendfsync", "everysec") as running:
        yield running


@pytest.fixture
def own_redis(tmp_path):
    """For an emulator of its own."""
    with redis_process(tmp_path, "--appendfsync", "everysec") as running:
        yield running


@pytest.fixture(scope="module")
def served(redis_server):
    with serving("--store", redis_server.url) as served:
        yield served


def create(served, key, **more):
    body = {"model": "image-face-swap", "input": INPUT, **more}
    answer = requests.post(f"{served.url}{JOB}/CreateTask", json=body, headers={"x-api-key": key}, timeout=10).json()
    assert answer["code"] == 200, answer
    return answer["data"]["task_id"]


def until(work):
    """The result of `work` once it does not fail."""
    for _ in range(100):
        try:
            return work()
        except (AdminError, AssertionError, OSError, TypeError):
            Event().wait(0.1)
    return work()


def test_every_connection_reaches_every_sandbox(served):
    made = [served.control.sandbox(balance=number) for number in range(1, 7)]
    keys = [key_of(sandbox) for sandbox in made]
    for _ in range(6):  # each is a new connection, which either worker accepts
        assert [available(served.url, key) for key in keys] == [1, 2, 3, 4, 5, 6]
    with socket.create_connection(served.address, 5) as client:
        for number, key in enumerate(keys * 3):
            client.sendall(balance(key))
            assert read_answer(client)[1]["data"]["balance"] == number % 6 + 1
    listed = {sandbox.id for sandbox in served.control.sandboxes()}
    assert {sandbox.id for sandbox in made} < listed
    metrics = served.control.metrics()
    assert f"swapmock_sandboxes {float(len(listed))}" in metrics
    page = requests.get(f"{served.url}/__admin/sandboxes", headers={"accept": "text/html"}, timeout=10)
    assert page.status_code == 200
    assert all(sandbox.id in page.text for sandbox in made)
    for _ in range(4):  # whichever worker has the default sandbox
        assert requests.get(f"{served.url}/nothing/here", timeout=10).status_code == 404
        assert requests.get(f"{served.url}/", timeout=10).json()["health"] == "/health"
    assert len(served.control.default.requests(operation="")) >= 4
    for sandbox in made:
        sandbox.delete()


def test_tasks_callbacks_and_links_are_those_of_one_emulator(served):
    box = served.control.sandbox(clock="frozen", seed=5)
    with Receiver() as receiver:
        tasks = [create(served, key_of(box), callback_url=receiver.url()) for _ in range(4)]
        box.advance(until="idle")
        assert sorted(got.json["task_id"] for got in receiver.got) == sorted(tasks)
    for task in tasks:
        for _ in range(3):
            polled = requests.get(
                f"{served.url}{JOB}/TaskInfo", params={"task_id": task}, headers={"x-api-key": key_of(box)}, timeout=10
            ).json()["data"]
            assert polled["status"] == "success"
            assert requests.get(polled["result"]["media_urls"][0], timeout=10).status_code == 200
    assert box.ledger(proof=True)["proof"]["holds"]
    box.delete()


def test_nobody_else_uses_the_addresses_of_the_workers(served, redis_server):
    import redis

    with redis.Redis(port=redis_server.port, decode_responses=True) as client:
        shown = [client.get(key) for key in client.scan_iter("swapmock:process:*")]
    addresses = [row.partition('"address": "')[2].rstrip('"}') for row in shown]
    assert len(addresses) == 2
    for address in addresses:
        assert address.startswith("http://127.0.0.1:")
        for headers in ({}, {"x-swapmock-hop": "guessed []"}):
            assert requests.get(f"{address}/__admin/sandboxes", headers=headers, timeout=10).status_code == 404


def test_a_killed_worker_is_replaced_and_nothing_acknowledged_is_lost(own_redis):
    with serving("--store", own_redis.url) as served:
        made = [served.control.sandbox(clock="frozen") for _ in range(6)]
        told = {box.id: [create(served, key_of(box)) for _ in range(3)] for box in made}
        for number in range(4):
            victim = served.workers[number % 2]
            os.kill(victim, signal.SIGKILL)
            until(lambda victim=victim: check_two(served, victim))
            for box in made:
                until(lambda box=box: told[box.id].append(create(served, key_of(box))))
        for box in made:
            assert {task["id"] for task in box.tasks()} >= set(told[box.id])
            assert box.ledger(proof=True)["proof"]["holds"]
        status, said = ended(served.process)
        assert status == 0
        assert said.count("another takes its place") == 4


def check_two(served, victim):
    assert victim not in served.workers
    assert len(served.workers) == 2


def test_another_emulator_goes_on_with_what_was_stored(own_redis):
    first = free_ports(3)
    with serving("--store", own_redis.url, "--advertise", f"http://127.0.0.1:{first}") as served:
        box = served.control.sandbox(id="team", clock="frozen", balance=77)
        key = key_of(box)
        task = create(served, key)
        left = available(served.url, key)
        with serving("--store", own_redis.url, "--admin-port", "0") as other:
            assert available(other.url, key) == left
            admin = next(line.split()[1] for line in other.said if line.split()[:1] == ["admin"])
            with RemoteEmulator(admin.removesuffix("/__admin")) as control:
                assert [row["id"] for row in control.get("team").tasks()] == [task]
            assert requests.get(f"{other.url}/__admin/sandboxes", timeout=10).status_code == 404
            assert ended(served.process)[0] == 0
            assert until(lambda: available(other.url, key)) == left


def test_a_file_has_one_process():
    with pytest.raises(SettingError, match="one process at a time has a sqlite file open"):
        Settings(workers=2, store="sqlite:x.db")
    assert Settings(workers=2, store="redis://127.0.0.1").workers == 2
