"""An emulator under load that is killed and started again, and what its clients were told before.

Everything that a client was told must be there after a restart. A request without an answer may have happened or not.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Any

from swapmock import RemoteEmulator
from swapmock.mock_server.control import Sandbox
from tests.receivers import Receiver

JOB = "/api/v1/client/job"
INPUT = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}


class Server:
    """`swapmock serve` as a process of its own."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "swapmock", "serve", "--port", "0", "--log-level", "error", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = 0
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Listening on "):
                self.port = int(line.rsplit(":", 1)[1])
                break
        else:
            raise AssertionError(f"it did not start: {self.process.communicate()[1]}")

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self._reap()

    def _reap(self) -> None:
        self.process.wait(30)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@dataclass
class Told:
    """What the emulator has told its clients about one sandbox."""

    tasks: list[str] = field(default_factory=list)
    label: int = 0
    shown: float = 0.0
    granted: int = 0
    grants_asked: int = 0


class Load:
    """Clients of two sandboxes: `running`, whose tasks end by themselves and call back, and `frozen`, whose clock is moved."""

    def __init__(self, receiver: Receiver) -> None:
        self.told = {"running": Told(), "frozen": Told()}
        self.receiver = receiver
        self.keys: dict[str, str] = {}
        self._stopping = threading.Event()
        self.errors: list[str] = []

    def set_up(self, port: int) -> None:
        with RemoteEmulator(f"http://127.0.0.1:{port}") as emu:
            self.keys["running"] = emu.sandbox(
                id="running", clock={"mode": "scaled", "rate": 200}, balance=1e9, seed=1
            ).key("crun")
            frozen = emu.sandbox(id="frozen", clock="frozen", balance=1e9, seed=2)
            self.keys["frozen"], self.told["frozen"].shown = frozen.key("crun"), frozen.clock()["now"]

    def run(self, port: int, stop: Callable[[], None]) -> None:
        """Ask without a pause, until after `stop`, which kills the server."""
        self._stopping.clear()
        works = [
            self._create("running"),
            self._create("frozen"),
            self._settings,
            self._advance,
            self._poll,
            self._grant,
        ]
        threads = [threading.Thread(target=self._repeat, args=(port, work)) for work in works]
        for thread in threads:
            thread.start()
        stop()
        self._stopping.set()
        for thread in threads:
            thread.join()

    def _repeat(self, port: int, work: Callable[[HTTPConnection], None]) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        with suppress(OSError, HTTPException):  # the server was killed
            while not self._stopping.is_set():
                work(connection)
        connection.close()

    def _ask(
        self, connection: HTTPConnection, method: str, path: str, body: Any = None, key: str = ""
    ) -> Mapping[str, Any]:
        headers = {"content-type": "application/json", **({"x-api-key": key} if key else {})}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        if answer.status >= 300 or document.get("code", 200) != 200:
            self.errors.append(f"{method} {path}: {answer.status} {document}")
        found: Mapping[str, Any] = document
        return found

    def _create(self, name: str) -> Callable[[HTTPConnection], None]:
        def work(connection: HTTPConnection) -> None:
            body = {"model": "image-face-swap", "input": INPUT, "callback_url": self.receiver.url(f"/{name}")}
            told = self._ask(connection, "POST", f"{JOB}/CreateTask", body, self.keys[name])
            self.told[name].tasks.append(told["data"]["task_id"])

        return work

    def _settings(self, connection: HTTPConnection) -> None:
        number = self.told["frozen"].label + 1
        self._ask(connection, "PATCH", "/__admin/sandboxes/frozen", {"labels": {"number": str(number)}})
        self.told["frozen"].label = number

    def _advance(self, connection: HTTPConnection) -> None:
        told = self._ask(connection, "POST", "/__admin/sandboxes/frozen/clock/advance", {"by": 0.25})
        self.told["frozen"].shown = told["now"]

    def _poll(self, connection: HTTPConnection) -> None:
        for name in ("running", "frozen"):
            if self.told[name].tasks:
                task = random.choice(self.told[name].tasks)
                self._ask(connection, "GET", f"{JOB}/TaskInfo?task_id={task}", key=self.keys[name])

    def _grant(self, connection: HTTPConnection) -> None:
        told = self.told["running"]
        told.grants_asked += 1
        self._ask(connection, "POST", "/__admin/sandboxes/running/ledger/grant", {"amount": 1})
        told.granted += 1


@dataclass
class Report:
    """What was looked at after the restarts. `repeats` are callbacks that came once more after a crash."""

    kills: int = 0
    tasks: int = 0
    callbacks: int = 0
    repeats: int = 0
    problems: list[str] = field(default_factory=list)


class Trial:
    """Kills of one store. `options` start the server with it."""

    def __init__(self, receiver: Receiver, *options: str) -> None:
        self.options = options
        self.receiver = receiver
        self.load = Load(receiver)
        self.report = Report()
        #: The deliveries that were told as acknowledged after a restart, with how often each had come by then.
        self._acknowledged: dict[str, int] = {}

    def run(self, kills: int, chance: random.Random) -> Report:
        server = Server(*self.options)
        self.load.set_up(server.port)
        for _ in range(kills):
            self.load.run(server.port, partial(self._kill_after, server, chance.uniform(0.05, 0.6)))
            self.report.kills += 1
            server = Server(*self.options)
            self._look(server.port)
        self._end(server.port)
        server.stop()
        self.report.problems += self.load.errors
        return self.report

    @staticmethod
    def _kill_after(server: Server, seconds: float) -> None:
        threading.Event().wait(seconds)
        server.kill()

    def _look(self, port: int) -> None:
        """Compare a server that was just started with what was told before."""
        with RemoteEmulator(f"http://127.0.0.1:{port}", timeout=60) as emu:
            for name, told in self.load.told.items():
                box = emu.get(name)
                state = box.snapshot()["state"]
                missing = set(told.tasks) - state["tasks"].keys()
                self._expect(not missing, f"{name}: tasks are missing: {missing}")
                proof = box.ledger(proof=True)["proof"]
                self._expect(proof["holds"], f"{name}: {proof}")
                reserved = Counter(entry["task"] for entry in state["entries"] if entry["move"] == "reserve")
                wrong = [task for task in told.tasks if reserved[task] != 1]
                self._expect(not wrong, f"{name}: not reserved once: {wrong}")
                came = self._came(name)
                for delivery in state["deliveries"]:
                    if delivery["state"] == "acknowledged":
                        self._acknowledged.setdefault(f"{name}/{delivery['task']}", came[delivery["task"]])
            frozen, told = emu.get("frozen"), self.load.told["frozen"]
            label = int(frozen.document["labels"].get("number", 0))
            self._expect(told.label <= label <= told.label + 1, f"label {label}, told {told.label}")
            shown = frozen.clock()["now"]
            self._expect(told.shown - 1e-6 <= shown <= told.shown + 0.25 + 1e-6, f"clock {shown}, told {told.shown}")
            told.label, told.shown = label, max(told.shown, shown)
            grants = self.load.told["running"]
            moved = [e for e in emu.get("running").snapshot()["state"]["entries"] if e["move"] == "grant"]
            self._expect(grants.granted <= len(moved) - 1 <= grants.grants_asked, f"{len(moved)} grants, {grants}")

    def _expect(self, holds: bool, text: str) -> None:
        if not holds:
            self.report.problems.append(f"after kill {self.report.kills}: {text[:500]}")

    def _end(self, port: int) -> None:
        """Let every task end, and compare what came with what is told of deliveries."""
        with RemoteEmulator(f"http://127.0.0.1:{port}", timeout=120) as emu:
            emu.get("frozen").advance(until="idle")
            for name, told in self.load.told.items():
                state = self._when_all_ended(emu.get(name))
                came = self._came(name)
                self.report.tasks += len(told.tasks)
                self.report.callbacks += came.total()
                missing = [task for task in told.tasks if not came[task]]
                self._expect(not missing, f"{name}: no callback for {len(missing)} tasks, {missing[:5]}")
                for delivery in state["deliveries"]:
                    task, attempts = delivery["task"], len(delivery["attempts"])
                    repeats = came[task] - attempts
                    self.report.repeats += max(0, repeats)
                    self._expect(
                        0 <= repeats <= self.report.kills, f"{name}: {task} came {came[task]} times, {attempts} told"
                    )
                    before = self._acknowledged.get(f"{name}/{task}")
                    self._expect(before in (None, came[task]), f"{name}: {task} came again after its acknowledgement")

    def _came(self, name: str) -> Counter[str]:
        return Counter(got.json["task_id"] for got in tuple(self.receiver.got) if got.path == f"/{name}")

    def _when_all_ended(self, box: Sandbox) -> Any:
        pause = threading.Event()
        for _ in range(600):
            state = box.snapshot()["state"]
            if not state["due"] and all(delivery["state"] != "pending" for delivery in state["deliveries"]):
                return state
            pause.wait(0.1)
        self.report.problems.append(f"tasks or deliveries of {box.id} did not end")
        return state
