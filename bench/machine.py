"""Processes, their cost, and the load generator. Linux only: it reads /proc."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

#: The server on one processor, the load generator on the other, so that neither slows the other.
SERVER_CPU, LOAD_CPU = ("0", "1") if (os.cpu_count() or 1) > 1 else ("0", "0")


class Load(NamedTuple):
    """The results of one run of wrk, and the processor time of the server's processes."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    errors: int


@dataclass(frozen=True)
class Call:
    """A request that is sent repeatedly."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str = ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended since it was listed
            for child in task.read_text().split():
                yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all its descendants, running or ended."""
    total = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / TICK


def resident_mb(pid: int) -> float:
    """Memory of a process and all its descendants."""
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in tree(pid))
    return pages * PAGE / 1e6


def stolen_share(before: list[int]) -> float:
    """The share of processor time that the hypervisor has taken since `before` (from `cpu_ticks`)."""
    now = cpu_ticks()
    return (now[7] - before[7]) / max(1, sum(now[:8]) - sum(before[:8]))


def cpu_ticks() -> list[int]:
    return [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


@contextmanager
def running(command: Sequence[str], folder: Path, *, pinned: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended afterwards; `folder` is where it runs and its log is."""
    prefix = ["taskset", "-c", SERVER_CPU] if pinned else []
    # As for most users, Python stores its bytecode.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*prefix, *command], cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(port: int, call: Call) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(call.method, call.target, call.body or None, dict(call.headers))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def first_answer(port: int, call: Call, process: subprocess.Popen[bytes], *, patience: float = 60.0) -> bytes:
    """The first good answer of a server that starts."""
    end = time.monotonic() + patience
    while time.monotonic() < end and process.poll() is None:
        try:
            status, body = ask(port, call)
        except OSError:
            time.sleep(0.002)
            continue
        if status in (200, 201):
            return body
        time.sleep(0.01)
    raise RuntimeError(f"no answer from {process.args!r}")


def load(
    process: subprocess.Popen[bytes], port: int, call: Call, folder: Path, *, connections: int, seconds: int
) -> Load:
    """wrk with one prepared request."""
    script = folder / "call.lua"
    headers = "".join(f"wrk.headers[{name!r}] = {value!r}\n" for name, value in call.headers.items())
    script.write_text(f"wrk.method = {call.method!r}\nwrk.body = {call.body!r}\n{headers}")
    before = cpu_seconds(process.pid)
    out = subprocess.run(
        ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script),
         f"http://127.0.0.1:{port}{call.target}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    spent = cpu_seconds(process.pid) - before
    count = int(_number(r"(\d+) requests in", out))
    bad = _number(r"Non-2xx or 3xx responses: (\d+)", out) + sum(
        map(int, re.findall(r"(?:read|write|timeout) (\d+)", out))
    )
    per_second = _number(r"Requests/sec:\s+([\d.]+)", out)
    return Load(per_second, _percentile(50, out), _percentile(99, out), spent / max(1, count) * 1e6, int(bad))


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _percentile(which: int, text: str) -> float:
    """In milliseconds."""
    found = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)", text)
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]] if found else 0.0
