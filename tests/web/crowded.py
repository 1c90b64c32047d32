"""Measures how long others wait while somebody works with a large sandbox: `python -m tests.web.crowded` prints it as JSON.

The sandbox `crowded` holds TASKS tasks, their requests in the journal, and RULES fault rules that search the body. Times are
those of the processor, so that other programs on the machine matter little: for how long the work holds the sandbox, and
how much of it is done between two moments in which another thread runs.
"""

from __future__ import annotations

import json
import sys
import threading
from time import process_time, thread_time
from typing import Any

from swapmock.mock_server.adapters import jsonquery
from swapmock.mock_server.adapters.clock import SystemTime, pause
from swapmock.mock_server.core.faults import Effect, FaultRule, Match
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.stores.box import MemoryBox
from swapmock.mock_server.web.build import System, build
from swapmock.mock_server.web.messages import Answer, request_from
from swapmock.mock_server.web.server import spare_the_collector

TASKS, RULES = 30_000, 1000

#: What the machine does beside us differs from try to try: the best one counts.
TRIES = 2


def ask(system: System, method: str, path: str, headers: dict[str, str], value: object = None) -> Answer:
    body = b"" if value is None else json.dumps(value).encode()
    path, _, query = path.partition("?")
    target = system.pipeline.match(method, path)
    assert target is not None, path
    request = request_from(
        method, path, query, {"content-type": "application/json", **headers}, body, "http", "localhost"
    )
    return system.pipeline.answer(target, request)


def call(system: System, method: str, path: str, headers: dict[str, str], value: object = None) -> dict[str, object]:
    document: dict[str, object] = json.loads(ask(system, method, path, headers, value).body)
    return document


def crowd(system: System) -> dict[str, str]:
    """Fill the sandbox. Returns the headers of its account."""
    options = {"id": "crowded", "balance": 10**7}
    made: Any = call(system, "POST", "/__admin/sandboxes", {}, options)
    headers: dict[str, str] = made["credentials"]["crun"]["headers"]
    swap = {"model": "z-image", "input": {"prompt": "a cat"}}
    for _ in range(TASKS):
        assert call(system, "POST", "/api/v1/client/job/CreateTask", headers, swap)["code"] == 200
    with system.engine.store.open("crowded") as box:
        for number in range(RULES):
            path = f"$..name{number}"
            jsonquery.check(path)  # as the admin API does: it is compiled from then on
            match = Match(body={path: {"matches": "x+y"}})
            box.put_fault(FaultRule(f"f{number}", Effect(status=500), match))
    return headers


class Held:
    """Measures for how long the sandbox is held by one thread, in seconds of that thread."""

    def __init__(self, box: MemoryBox) -> None:
        self.longest, self._depth, self._since = 0.0, 0, 0.0
        self._box, self._lock, self._thread = box, box._lock, threading.current_thread()
        box._lock = self  # type: ignore[assignment]  # it stands in the lock's place

    def acquire(self) -> bool:
        self._lock.acquire()
        if threading.current_thread() is self._thread:
            self._depth += 1
            if self._depth == 1:
                self._since = thread_time()
        return True

    def release(self) -> None:
        if threading.current_thread() is self._thread:
            self._depth -= 1
            if self._depth == 0:
                self.longest = max(self.longest, thread_time() - self._since)
        self._lock.release()


class Heart(threading.Thread):
    """Measures how much this process works between two beats."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        before = process_time()
        while not self.over.is_set():
            pause(0.001)
            now = process_time()
            self.longest, before = max(self.longest, now - before), now


WORK = ("POST snapshot", "GET ledger?proof=1", "GET har", "POST fork", "GET tasks", "GET journal")


def measured(system: System, held: Held, work: str) -> tuple[float, float]:
    """The longest time that `work` held the sandbox, and that nobody else could run."""
    method, path = work.split(" ")
    held.longest, heart = 0.0, Heart()
    heart.start()
    answer = ask(system, method, f"/__admin/sandboxes/crowded/{path}", {}, {} if path == "fork" else None)
    heart.over.set()
    heart.join()
    assert answer.status < 300, answer.body
    return held.longest, heart.longest


def main() -> None:
    system = build(Settings(journal_size=2 * TASKS, max_journal_bytes=1 << 30), SystemTime())
    headers = crowd(system)
    spare_the_collector()
    box = system.engine.store.open("crowded")
    assert isinstance(box, MemoryBox)
    held, began = Held(box), thread_time()
    assert call(system, "GET", "/api/v1/client/account/balance", headers)["code"] == 200
    longest = {"GET balance": (held.longest, thread_time() - began)}
    for work in WORK:
        longest[work] = min((measured(system, held, work) for _ in range(TRIES)), key=max)
    sys.stdout.write(json.dumps(longest))


if __name__ == "__main__":
    main()
