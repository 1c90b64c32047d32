"""W1 (create a task) and W2 (poll a finished one) of every server, in rounds; start and memory beside them."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.machine import Call, Load, ask, cpu_ticks, first_answer, free_port, load, resident_mb, running, stolen_share
from bench.servers import CREATE, Server, poll

#: Name of a workload, its call, connections.
WORKLOADS = (("W1", 32), ("W2", 32), ("W1", 1), ("W2", 1))

#: A detection takes 1.5 s.
SETTLING = 1.8


@dataclass
class Seen:
    """The results of one server, one value for each round."""

    loads: dict[tuple[str, int], list[Load]] = field(default_factory=dict)
    others: dict[str, list[Load]] = field(default_factory=dict)
    start_mb: list[float] = field(default_factory=list)
    loaded_mb: list[float] = field(default_factory=list)
    cold_s: list[float] = field(default_factory=list)
    stolen: list[float] = field(default_factory=list)


def measure(servers: Iterable[Server], rounds: int, seconds: int) -> dict[str, Seen]:
    """Each round restarts every server, in another order."""
    found = {server.name: Seen() for server in servers}
    chance = random.Random(0)
    for number in range(rounds):
        order = list(servers)
        chance.shuffle(order)
        for server in order:
            with tempfile.TemporaryDirectory() as folder:
                _once(server, Path(folder), seconds, found[server.name])
            got = found[server.name].loads[WORKLOADS[0]][-1]
            print(f"  round {number + 1}: {server.name}: W1 {got.per_second:.0f}/s, {got.cpu_us:.0f} us", flush=True)
    return found


def _once(server: Server, folder: Path, seconds: int, seen: Seen) -> None:
    port = free_port()
    command = server.prepare(folder, port)
    before = cpu_ticks()
    with running(command, folder) as process:
        made = json.loads(first_answer(port, CREATE, process))
        seen.start_mb.append(resident_mb(process.pid))
        task = (made.get("data") or {}).get("detect_task_id", "any")
        calls = {"W1": CREATE, "W2": poll(task)}
        time.sleep(SETTLING)
        for call in calls.values():
            load(process, port, call, folder, connections=32, seconds=server.warm_up)
        status, _ = ask(port, calls["W2"])
        assert status == 200, f"{server.name} answers {status} to a poll"
        for name, connections in WORKLOADS:
            got = load(process, port, calls[name], folder, connections=connections, seconds=seconds)
            assert got.errors == 0, f"{server.name}: {got.errors} errors in {name}"
            seen.loads.setdefault((name, connections), []).append(got)
        seen.loaded_mb.append(resident_mb(process.pid))
    seen.stolen.append(stolen_share(before))


def others(server: Server, calls: Mapping[str, Call], rounds: int, seconds: int, seen: Seen) -> None:
    """Requests of other kinds and sizes, at 32 connections."""
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder, port = Path(name), free_port()
            with running(server.prepare(folder, port), folder) as process:
                first_answer(port, CREATE, process)
                load(process, port, CREATE, folder, connections=32, seconds=server.warm_up)
                for kind, call in calls.items():
                    got = load(process, port, call, folder, connections=32, seconds=seconds)
                    seen.others.setdefault(kind, []).append(got)


def cold_starts(servers: Iterable[Server], found: dict[str, Seen], times: int) -> None:
    """Seconds from the start of the process to the first good answer, on all processors."""
    for _ in range(times):
        for server in servers:
            with tempfile.TemporaryDirectory() as name:
                folder, port = Path(name), free_port()
                command = server.prepare(folder, port)
                started = time.monotonic()
                with running(command, folder, pinned=False) as process:
                    first_answer(port, CREATE, process)
                    found[server.name].cold_s.append(time.monotonic() - started)


def after_tasks(server: Server, count: int) -> tuple[float, float]:
    """Memory (MB) of the emulator at its start and after a number of tasks."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        with running(server.prepare(folder, port), folder) as process:
            first_answer(port, CREATE, process)
            start, made = resident_mb(process.pid), 0.0
            while made < count:
                got = load(process, port, CREATE, folder, connections=32, seconds=2)
                made += got.per_second * 2
            time.sleep(SETTLING)
            ask(port, poll("none"))
            return start, (resident_mb(process.pid) - start) / made * count + start


def middle(values: Iterable[float]) -> float:
    return median(list(values))
