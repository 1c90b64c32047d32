"""Run each job in a forked child, some at a time, and end children that take too long."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What a child reports: a JSON object.
Report = dict[str, Any]


@dataclass
class Child:
    job: Any
    pid: int
    file: Path
    until: float


def run_all(
    jobs: Iterable[Any],
    work: Callable[[Any, Callable[[Report], None]], None],
    done: Callable[[Any, Report], None],
    folder: Path,
    children: int = 1,
    seconds: float = 300.0,
) -> None:
    """Call `work(job, report)` for each job in a child of its own, and `done(job, report)` here.

    `work` must call `report`, which ends the child. A child that reports nothing within `seconds`, of its own processor
    time or four times as long by the clock, has the report `{"outcome": "timed out"}`.
    """
    running: list[Child] = []
    for number, job in enumerate(jobs):
        while len(running) >= children:
            settle_one(running, done)
        running.append(start(job, work, folder / f"report-{number}.json", seconds))
    while running:
        settle_one(running, done)


def start(job: Any, work: Callable[[Any, Callable[[Report], None]], None], file: Path, seconds: float) -> Child:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Child(job, pid, file, time.monotonic() + 4 * seconds)
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    silence()

    def report(said: Report) -> None:
        unfinished = file.with_suffix(".part")
        unfinished.write_text(json.dumps(said))
        unfinished.rename(file)
        os._exit(0)

    try:
        work(job, report)
    except BaseException:
        report({"outcome": "broken", "why": traceback.format_exc()})
    report({"outcome": "broken", "why": "no report"})
    raise AssertionError("not reached")


def silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def settle_one(running: list[Child], done: Callable[[Any, Report], None]) -> None:
    """Wait until one child has ended."""
    ends = [os.pidfd_open(child.pid) for child in running]
    try:
        _settle_one(running, ends, done)
    finally:
        for descriptor in ends:
            os.close(descriptor)


def _settle_one(running: list[Child], ends: list[int], done: Callable[[Any, Report], None]) -> None:
    while True:
        latest = min(child.until for child in running)
        select.select(ends, [], [], max(0.0, latest - time.monotonic()) + 0.01)
        for child in running:
            ended, _ = os.waitpid(child.pid, os.WNOHANG)
            if not ended and time.monotonic() > child.until:
                os.kill(child.pid, signal.SIGKILL)
                ended, _ = os.waitpid(child.pid, 0)
            if ended:
                end_descendants(child.pid)
                running.remove(child)
                said = json.loads(child.file.read_text()) if child.file.exists() else {"outcome": "timed out"}
                child.file.unlink(missing_ok=True)
                done(child.job, said)
                return


def end_descendants(group: int) -> None:
    """End the programs that a test of the child has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
