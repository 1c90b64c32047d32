"""Three emulators over one Redis, nginx in front, while one is killed, one restarted, and Redis restarted.

What is acknowledged stays: each task that a client was told of ends, its callback arrives, the ledgers balance.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
import requests

from swapmock import RemoteEmulator, Sandbox
from swapmock.mock_server.adapters.clock import monotonic
from tests.receivers import Receiver
from tests.stores.ports import free_port

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.needs("nginx")]

JOB = "/api/v1/client/job"

#: Seconds for which nothing may go on after any one event, and the clients that ask at the same time.
PATIENCE, CLIENTS = 60.0, 12

#: What a client of a service that is away may see, and then asks again.
AWAY = (455, 500, 502, 503, 504)


@dataclass
class Emulators:
    """The processes, each on a port of its own."""

    store: str
    ports: list[int]
    running: dict[int, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, number: int) -> None:
        port = self.ports[number]
        command = [
            sys.executable, "-m", "swapmock", "serve", "--port", str(port), "--store", self.store,
            "--advertise", f"http://127.0.0.1:{port}",
        ]  # fmt: skip
        environment = {name: text for name, text in os.environ.items() if not name.startswith("SWAPMOCK_")}
        self.running[number] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    def wait(self, number: int) -> None:
        """Wait until a process listens."""
        said = self.running[number].stdout
        assert said is not None
        assert any(line.startswith("Listening on ") for line in said), "it did not start"

    def kill(self, number: int) -> None:
        self._end(number, kills=True)

    def restart(self, number: int) -> None:
        self._end(number)
        self.start(number)
        self.wait(number)

    def _end(self, number: int, *, kills: bool = False) -> None:
        process = self.running.pop(number)
        process.kill() if kills else process.terminate()
        process.communicate(timeout=30)

    def end(self) -> None:
        for number in tuple(self.running):
            self._end(number)


@contextmanager
def emulators(store: str, count: int) -> Iterator[Emulators]:
    made = Emulators(store, [free_port() for _ in range(count)])
    try:
        for number in range(count):
            made.start(number)
        for number in range(count):
            made.wait(number)
        yield made
    finally:
        made.end()


@contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[str]:
    """nginx before the emulators: the base URL. A server that does not answer is tried again at once."""
    port = free_port()
    upstream = "".join(f"server 127.0.0.1:{each} max_fails=0; " for each in ports)
    temporary = " ".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
        events {{ worker_connections 4096; }}
        http {{ access_log off; {temporary} upstream emulators {{ {upstream} keepalive 32; }}
        server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://emulators; proxy_http_version 1.1;
        proxy_set_header Host $http_host; proxy_set_header Connection ""; proxy_read_timeout 320s; }} }} }}"""
    )
    with subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]) as process:
        try:
            wait_until(lambda: is_open(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


class Work:
    """What the clients have done: the ids of acknowledged tasks by sandbox, and how many there are."""

    def __init__(self, url: str, callback: str) -> None:
        self._url = url
        self._callback = callback
        self._lock = Lock()
        self.tasks: dict[str, list[str]] = {}
        self.count = 0

    def run(self, sandbox: Sandbox, tasks: int) -> None:
        """Create `tasks` tasks in a sandbox, and ask again as long as the service is away."""
        made: list[str] = []
        self.tasks[sandbox.id] = made
        with requests.Session() as session:
            session.trust_env = False
            while len(made) < tasks:
                given = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
                body = {"model": "image-face-swap", "input": given, "callback_url": self._callback}
                answer = self.asked(session, "POST", f"{JOB}/CreateTask", sandbox, json=body)
                made.append(answer["task_id"])
                with self._lock:
                    self.count += 1

    def until_ended(self, sandbox: Sandbox) -> None:
        """Poll each task of a sandbox until it has succeeded."""
        with requests.Session() as session:
            session.trust_env = False
            for task in self.tasks[sandbox.id]:
                until = monotonic() + PATIENCE
                while True:
                    found = self.asked(session, "GET", f"{JOB}/TaskInfo", sandbox, params={"task_id": task})
                    if found["status"] not in ("pending", "queued", "running", "processing"):
                        break
                    assert monotonic() < until, found
                    Event().wait(0.05)
                assert found["status"] in ("succeeded", "success"), found

    def asked(self, session: requests.Session, method: str, path: str, sandbox: Sandbox, **more: Any) -> Any:
        """`data` of a success. A service that is away is asked again."""
        until, seen = monotonic() + PATIENCE, ""
        while monotonic() < until:
            try:
                answer = session.request(
                    method, self._url + path, headers={"x-api-key": sandbox.key("crun")}, timeout=30, **more
                )
                seen = answer.text
                document = answer.json()
            except (requests.RequestException, ValueError) as error:
                seen = f"{seen} {error}"
                Event().wait(0.05)
                continue
            if document.get("code") == 200:
                return document["data"]
            assert document.get("code", answer.status_code) in AWAY or answer.status_code in AWAY, document
            Event().wait(0.05)
        raise AssertionError(f"{path} is away for {PATIENCE} s: {seen}")


@pytest.mark.parametrize(
    ("sandboxes", "tasks"),
    [
        pytest.param(12, 10, marks=pytest.mark.long),
        pytest.param(200, 50, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_nothing_acknowledged_is_lost(tmp_path, sandboxes, tasks):
    from tests.stores.redis_server import redis_process

    with (
        redis_process(tmp_path) as redis,
        emulators(redis.url, 3) as three,
        nginx(tmp_path, three.ports) as url,
        Receiver() as receiver,
        RemoteEmulator(url) as control,
    ):
        made = [control.sandbox(clock={"mode": "scaled", "rate": 50}, balance=1e6) for _ in range(sandboxes)]
        work = Work(url, receiver.url())
        with ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(work.run, sandbox, tasks) for sandbox in made]
            for share, event in enumerate((lambda: three.kill(0), lambda: three.restart(1), redis_restart(redis)), 1):
                wait_until(lambda share=share: work.count >= share * sandboxes * tasks // 4, lambda: work.count)
                event()
            for one in running:
                one.result()
            list(pool.map(work.until_ended, made))
        acknowledged = {task for ids in work.tasks.values() for task in ids}
        assert len(acknowledged) == sandboxes * tasks
        wait_until(
            lambda: acknowledged <= {str(got.json["task_id"]) for got in tuple(receiver.got)},
            lambda: len(receiver.got),
            lambda: deliveries_of(made, work, acknowledged - {str(got.json["task_id"]) for got in tuple(receiver.got)}),
        )
        for sandbox in made:
            assert sandbox.ledger(proof=True)["proof"]["holds"], sandbox.id


def redis_restart(redis: Any) -> Any:
    def restart() -> None:
        redis.kill()
        redis.start()

    return restart


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def deliveries_of(made: list[Sandbox], work: Work, missing: set[str]) -> list[Any]:
    """The deliveries of the first tasks whose callback is missing."""
    return [
        [task, sandbox.deliveries(task=task)]
        for sandbox in made
        for task in [each for each in work.tasks[sandbox.id] if each in missing][:1]
    ][:5]


def wait_until(holds: Any, progress: Any = lambda: None, why: Any = lambda: "") -> None:
    """Wait until `holds()`. It fails if `progress()` stays the same for PATIENCE seconds: how long the whole takes depends on
    what else the machine does."""
    until, before = monotonic() + PATIENCE, progress()
    while not holds():
        if (now := progress()) != before:
            until, before = monotonic() + PATIENCE, now
        assert monotonic() < until, why()
        Event().wait(0.05)
