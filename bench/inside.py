"""The emulator from within, without a socket: cost by stage, cost by number of stored tasks, memory a task, sandboxes.

Run as processes of their own (`python -m bench.inside WHAT`), for memory is never given back whole.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import PAGE
from bench.servers import CREATE, DETECT, KEY, RESULT
from swapmock.contracts import Operation
from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web import finalize
from swapmock.mock_server.web.build import System, build
from swapmock.mock_server.web.messages import Answer, Request

BODY = CREATE.body.encode()
HEADERS = {"host": "127.0.0.1", **KEY, "content-type": "application/json", "content-length": str(len(BODY))}
POLL_HEADERS = {"host": "127.0.0.1", **KEY}


class Emulator:
    """An emulator on manual time; `create` and `poll` are the two workloads."""

    def __init__(self, store: str = "memory", durability: str = "process") -> None:
        self.time = ManualTime(1_800_000_000.0)
        settings = Settings(store=store, durability=durability)
        self.system: System = build(settings, self.time, lambda exchange: sys.exit(f"drift: {exchange.drift}"))
        self.pipeline = self.system.pipeline

    def create(self) -> Answer:
        return self._ask("POST", DETECT, "", HEADERS, BODY)

    def poll(self, task: str) -> Answer:
        return self._ask("GET", RESULT, f"detect_task_id={task}", POLL_HEADERS, b"")

    def made(self) -> str:
        """The id of a new task."""
        return str(json.loads(self.create().body)["data"]["detect_task_id"])

    def _ask(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        target = self.pipeline.match(method, path)
        assert target is not None
        return self.pipeline.answer(target, Request(method, path, query, headers, body, "http://127.0.0.1"))


def cost(work: Callable[[], Any], count: int = 3000, repeat: int = 7) -> float:
    """Microseconds for one call: the best of several runs, because other work only adds time."""
    best = float("inf")
    for _ in range(repeat):
        started = time.perf_counter_ns()
        for _ in range(count):
            work()
        best = min(best, (time.perf_counter_ns() - started) / count / 1000)
    return best


def _watched(function: Callable[..., Any], label: str, spent: dict[str, int]) -> Callable[..., Any]:
    """`function` wrapped so that it adds its nanoseconds to `spent`."""

    def outer(*args: Any, **more: Any) -> Any:
        started = time.perf_counter_ns()
        try:
            return function(*args, **more)
        finally:
            spent[label] = spent.get(label, 0) + time.perf_counter_ns() - started

    return outer


@contextmanager
def timed(places: list[tuple[Any, str, str]], spent: dict[str, int]) -> Iterator[None]:
    """Measures functions, each given as (owner, attribute, label)."""
    kept = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in places]
    for (owner, attribute, inner), (_, _, label) in zip(kept, places, strict=True):
        setattr(owner, attribute, _watched(inner, label, spent))
    try:
        yield
    finally:
        for owner, attribute, inner in kept:
            setattr(owner, attribute, inner)


def store(where: str, durability: str = "process", count: int = 20_000, block: int = 200) -> dict[str, float]:
    """Microseconds of CPU that a create takes with the store `where` and with the memory store, in turn; of the whole process,
    so that what is written in the background counts. The time that other work takes from both is left out by their medians.
    `elapsed` are microseconds of a clock, with the waiting. The CPU time of a Redis is told on its own."""
    kept, plain = Emulator(where, durability), Emulator()
    elapsed, redis_before = list[float](), _redis_cpu(where)
    spent: dict[str, list[float]] = {where.partition(":")[0]: [], "memory": []}
    whole = time.process_time()
    for _ in range(count // block):
        for name, emulator in ((where.partition(":")[0], kept), ("memory", plain)):
            begun, started = time.perf_counter(), time.thread_time()
            for _ in range(block):
                emulator.create()
            spent[name].append((time.thread_time() - started) / block * 1e6)
            if emulator is kept:
                elapsed.append((time.perf_counter() - begun) / block * 1e6)
    whole = (time.process_time() - whole) * 1e6
    behind = whole / count - sum(sum(rows) for rows in spent.values()) / (count // block)
    redis = (_redis_cpu(where) - redis_before) * 1e6 / count
    kept.system.engine.store.close()
    found = {name: median(rows) for name, rows in spent.items()}
    ratio = (found[where.partition(":")[0]] + behind) / found["memory"]
    more = {"redis-server": redis} if redis else {}
    return {**found, "in the background": behind, **more, "elapsed": median(elapsed), "ratio": ratio}


def _redis_cpu(where: str) -> float:
    """Seconds of CPU that the Redis at `where` has taken; 0 for another store."""
    if not where.startswith("redis"):
        return 0.0
    import redis

    with redis.Redis.from_url(where) as client:
        said = client.info("cpu")
    return float(said["used_cpu_sys"] + said["used_cpu_user"])


def stages() -> dict[str, dict[str, float]]:
    """Microseconds by stage; the rest is the code between the stages."""
    table = {}
    for name in ("W1", "W2"):
        emulator = Emulator()
        task = emulator.made()
        emulator.time.advance(60)
        work = emulator.create if name == "W1" else partial(emulator.poll, task)
        whole, count = cost(work), 5000
        api, stages = emulator.pipeline.apis[0], emulator.pipeline.stages
        plain, spent = stages[api], dict[str, int]()
        stages[api] = tuple(_watched(stage, stage.__name__.lstrip("_"), spent) for stage in plain)
        with timed([(Operation, "check_answer", "self-check"), (finalize, "to_bytes", "render")], spent):
            for _ in range(count):
                work()
        stages[api] = plain
        match = cost(lambda pipeline=emulator.pipeline: pipeline.match("GET", RESULT))
        table[name] = {
            "match": match,
            **{label: nanoseconds / count / 1000 for label, nanoseconds in spent.items()},
            "the whole": whole,
        }
    return table


def growth(most: int) -> dict[str, float]:
    """Microseconds a poll, by the number of stored tasks; ten tasks are polled, spread over the store.

    A shared machine is now faster, now slower: polls of a store of ten are timed in turn with those of each size, and
    what is told is the cost beside theirs.
    """
    few, many = Emulator(), Emulator()
    beside = _polls_of(few, [few.made() for _ in range(10)])
    few.time.advance(60)
    tasks: list[str] = []
    found = {}
    base = 0.0
    size = 10
    while size <= most:
        while len(tasks) < size:
            tasks.append(many.made())
            if len(tasks) % 10_000 == 0:
                many.time.advance(60)
        many.time.advance(60)
        gc.collect()
        gc.freeze()
        polls = _polls_of(many, tasks[:: size // 10])
        turns = [(cost(beside, 300, 1), cost(polls, 300, 1)) for _ in range(15)]
        base = base or min(turn[0] for turn in turns) / 10
        found[str(size)] = base * median(slow / quick for quick, slow in turns)
        size *= 10
    return found


def _polls_of(emulator: Emulator, tasks: Sequence[str]) -> Callable[[], None]:
    def polls() -> None:
        for task in tasks:
            emulator.poll(task)

    return polls


def memory(count: int) -> float:
    """Bytes that a settled task takes, its journal bounded."""
    emulator = Emulator()

    def settle(number: int) -> int:
        for each in range(number):
            emulator.create()
            if each % 5000 == 0:
                emulator.time.advance(60)
        emulator.time.advance(60)
        emulator.poll("none")
        gc.collect()
        return _resident()

    before = settle(5000)
    return (settle(count) - before) / count


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def sandboxes(count: int) -> dict[str, float]:
    """Seconds to create, use (create and poll) and delete a number of sandboxes over HTTP, one after the other."""
    from http.client import HTTPConnection

    from swapmock.mock_server.web.server import LiveServer

    emulator = build()
    with LiveServer(emulator.asgi_app) as server:
        connection = HTTPConnection(*server.address)

        def call(method: str, path: str, body: Any = None, headers: Any = None) -> Any:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"content-type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < 300, content
            return json.loads(content) if content else None

        call("GET", "/__admin/sandboxes")
        started = time.perf_counter()
        made = [call("POST", "/__admin/sandboxes", {}) for _ in range(count)]
        created = time.perf_counter()
        for sandbox in made:
            key = {"x-api-key": _crun_key(sandbox)}
            task = call("POST", DETECT, json.loads(BODY), key)["data"]["detect_task_id"]
            call("GET", f"{RESULT}?detect_task_id={task}", headers=key)
        used = time.perf_counter()
        for sandbox in made:
            call("DELETE", f"/__admin/sandboxes/{sandbox['id']}")
        ended = time.perf_counter()
    return {"created": created - started, "used": used - created, "dropped": ended - used, "together": ended - started}


def _crun_key(sandbox: Any) -> str:
    text = json.dumps(sandbox)
    start = text.index("ak_")
    return text[start : text.index('"', start)]


WORK: dict[str, Callable[[], Any]] = {
    "stages": stages,
    "growth": lambda: growth(int(sys.argv[2])),
    "memory": lambda: memory(int(sys.argv[2])),
    "sandboxes": lambda: sandboxes(int(sys.argv[2])),
    "store": lambda: store(*sys.argv[2:4]),
}

if __name__ == "__main__":
    print(json.dumps(WORK[sys.argv[1]]()))
