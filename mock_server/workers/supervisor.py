"""The parent of the worker processes: it starts them, waits, and passes signals on.

If a worker of a memory store dies, its sandboxes are lost, and all others are ended. With a shared store another worker takes
its place.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from swapmock.mock_server.adapters.clock import monotonic
from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.inspector import Inspector
from swapmock.mock_server.web.server import Listener, Options, forget
from swapmock.mock_server.workers.moving import make_channel
from swapmock.mock_server.workers.serving import Plan, exit_worker

if TYPE_CHECKING:
    from swapmock.mock_server.stores.redis import Identity

log = logging.getLogger("swapmock")

#: The signals that end the emulator.
ENDING = (signal.SIGINT, signal.SIGTERM)

#: Seconds that workers may take to start, and to end beyond the time for running callbacks.
START_TIME, END_TIME = 30.0, 5.0

#: How often in a row a worker that replaces another may end before it serves.
MOST_FAILURES = 5

#: The exit status if a worker died.
DIED = 70


class WorkerDied(Exception):
    """A worker process has ended unexpectedly; the text says which one and how."""


def run(system: System, listeners: Sequence[Listener], options: Options, on_ready: Callable[[], None]) -> None:
    """Serve with worker processes until SIGINT or SIGTERM. `on_ready` is called once all of them serve.

    Call it before any thread is started. WorkerDied if a worker of a memory store ends unasked: its sandboxes are lost, so all
    others are ended, too. A worker of a shared store is replaced.
    """
    # A parent that holds signals back, as `swapmock run` does, hands that down.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    folder = Path(tempfile.mkdtemp(prefix="swapmock-workers-"))
    try:
        supervisor = Supervisor(system, listeners, options, folder)
        supervisor.start()
        supervisor.watch(on_ready)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for listener in listeners:
            forget(listener)


class Supervisor:
    """The worker processes of one emulator."""

    def __init__(self, system: System, listeners: Sequence[Listener], options: Options, folder: Path) -> None:
        self._system = system
        self._options = options
        count = system.settings.workers
        self._alive, self._parent_end = os.pipe()
        channels = [make_channel() for _ in range(count)]
        own: list[Listener] = []
        addresses = [f"unix:{folder / f'worker-{number}'}" for number in range(count)]
        if system.is_shared:
            from swapmock.mock_server.workers import shared

            pairs = shared.addresses(system.settings)
            own, addresses = [listener for listener, _ in pairs], [address for _, address in pairs]
            system.engine.store.close()  # each worker opens it anew
        self._plan = Plan(count, folder, secrets.token_urlsafe(32), listeners, channels, self._alive, addresses, own)
        self._plan.claims.mkdir()
        self._ready, self._ready_end = os.pipe()
        #: Process id -> number.
        self._workers: dict[int, int] = {}
        #: By number, as the other processes of a shared store know the worker.
        self._identities: dict[int, Identity] = {}
        #: Process id of a worker that replaces another -> the end of a pipe that tells that it serves.
        self._replacing: dict[int, int] = {}
        #: How often each worker has ended before it served, since it last served.
        self._failures = [0] * count
        self._is_stopping = False

    def start(self) -> None:
        """Fork the workers."""
        pages = self._system.admin_pipeline.pages
        if isinstance(pages, Inspector):
            pages.prepare()
        gc.collect()
        gc.freeze()  # a garbage collection in one process would copy the memory pages that all share
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()  # otherwise each process would write what is still in the buffers
        for number in range(self._plan.count):
            self._fork(number, self._ready_end, None)
        os.close(self._ready_end)

    def _fork(self, number: int, ready_end: int, predecessor: Identity | None) -> int:
        """Start the worker `number`, which writes to `ready_end` when it serves. Its process id."""
        if self._system.is_shared:
            self._identities[number] = self._identity(number)
        process = os.fork()
        if process == 0:
            self._be_worker(number, ready_end, predecessor)
        self._workers[process] = number
        return process

    def _identity(self, number: int) -> Identity:
        from swapmock.mock_server.stores.redis import Identity

        name = f"{socket.gethostname()}-{os.getpid()}-worker{number}-{secrets.token_hex(8)}"
        return Identity(name, self._plan.addresses[number])

    def _be_worker(self, number: int, ready_end: int, predecessor: Identity | None) -> None:
        status = 1
        try:
            for each in ENDING:
                signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            os.close(self._parent_end)
            os.close(self._ready)

            def ready() -> None:
                with suppress(OSError):  # the parent has ended
                    os.write(ready_end, b".")

            self._run_worker(number, predecessor, ready)
            status = 0
        except BaseException:
            log.exception("worker %s failed", number)
        finally:
            exit_worker(status)

    def _run_worker(self, number: int, predecessor: Identity | None, ready: Callable[[], None]) -> None:
        if self._system.is_shared:
            from swapmock.mock_server.workers.shared import run_shared_worker

            identity = self._identities[number]
            run_shared_worker(number, self._system, self._plan, self._options, identity, predecessor, ready)
        else:
            from swapmock.mock_server.workers.worker import run_worker

            run_worker(number, self._system, self._plan, self._options, ready)

    def watch(self, on_ready: Callable[[], None]) -> None:
        """Wait for the workers to serve, call `on_ready`, and wait for their end."""
        for number in ENDING:
            signal.signal(number, self._on_signal)
        try:
            if self._wait_until_ready() and not self._is_stopping:
                on_ready()
            self._wait()
        except BaseException:
            self._end_all()
            raise

    def _wait_until_ready(self) -> bool:
        """Return whether all workers serve now; False if one has ended before."""
        missing, deadline = self._plan.count, monotonic() + START_TIME
        while missing:
            readable, _, _ = select.select([self._ready], [], [], max(0.0, deadline - monotonic()))
            if not readable:
                raise WorkerDied(f"the workers did not start within {START_TIME:g} s")
            came = len(os.read(self._ready, missing))
            if not came:
                return False
            missing -= came
            if self._is_stopping:
                return False
        return True

    def _wait(self) -> None:
        """Wait for the end of all workers."""
        while self._workers:
            process, status = os.waitpid(-1, 0)
            number = self._workers.pop(process, None)
            has_served = self._has_served(process)
            if number is None or self._is_stopping:
                continue
            told = f"worker {number} (process {process}) {_how(status)}"
            if not self._system.is_shared:
                raise WorkerDied(f"{told}; its sandboxes are lost, so the emulator ends. Start it again.")
            self._failures[number] = 0 if has_served else self._failures[number] + 1
            if self._failures[number] >= MOST_FAILURES:
                raise WorkerDied(
                    f"{told}, the {MOST_FAILURES}th time before it served, so the emulator ends. Its sandboxes are in the store."
                )
            log.error("%s; another takes its place", told)
            self._replace(number)

    def _has_served(self, process: int) -> bool:
        """Whether a worker that has ended had begun to serve."""
        pipe = self._replacing.pop(process, None)
        if pipe is None:
            return True  # all of the first workers had
        try:
            return bool(os.read(pipe, 1))
        finally:
            os.close(pipe)

    def _replace(self, number: int) -> None:
        """Start a worker in the place of one that has ended."""
        ready, ready_end = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # the new process must not take a signal for the parent's
        try:
            if not self._is_stopping:
                self._replacing[self._fork(number, ready_end, self._identities[number])] = ready
        finally:
            os.close(ready_end)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def _on_signal(self, *_: object) -> None:
        if self._is_stopping:  # a second signal ends everything at once
            self._kill(signal.SIGKILL)
            exit_worker(0)
        self._is_stopping = True
        self._kill(signal.SIGTERM)

    def _kill(self, number: signal.Signals) -> None:
        for process in tuple(self._workers):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _end_all(self) -> None:
        """End the remaining workers and wait for them; kill those that do not end in time."""
        self._is_stopping = True
        self._kill(signal.SIGTERM)
        deadline = monotonic() + self._system.settings.callback_timeout + END_TIME
        while self._workers and monotonic() < deadline:
            process, _ = os.waitpid(-1, os.WNOHANG)
            if process:
                self._workers.pop(process, None)
            else:
                select.select([], [], [], 0.02)
        self._kill(signal.SIGKILL)
        for process in self._workers:
            with suppress(ChildProcessError):
                os.waitpid(process, 0)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}"
