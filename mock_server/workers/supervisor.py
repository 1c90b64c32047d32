"""The parent of the worker processes: starts them, waits, passes signals to them, and ends all if one dies."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from swapmock.mock_server.adapters.clock import monotonic
from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.inspector import Inspector
from swapmock.mock_server.web.server import Listener, Options, forget
from swapmock.mock_server.workers.moving import make_channel
from swapmock.mock_server.workers.worker import Plan, exit_worker, run_worker

log = logging.getLogger("swapmock")

#: The timeouts in seconds for the start of the workers, and for their end after the time for running callbacks.
START_TIME, END_TIME = 30.0, 5.0

#: The exit status if a worker died.
DIED = 70


class WorkerDied(Exception):
    """A worker process has ended unexpectedly; the text says which one and how."""


def run(system: System, listeners: Sequence[Listener], options: Options, on_ready: Callable[[], None]) -> None:
    """Serve with worker processes until SIGINT or SIGTERM. `on_ready` is called once all of them serve.

    Must be called before any thread is started. Raises WorkerDied if a worker ends unexpectedly: its sandboxes
    are lost, so all other workers are ended, too."""
    # Child processes inherit blocked signals from a parent such as `swapmock run`.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
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
        self._plan = Plan(count, folder, secrets.token_urlsafe(32), listeners, channels, self._alive)
        self._plan.claims.mkdir()
        self._ready, self._ready_end = os.pipe()
        #: Process id -> number.
        self._workers: dict[int, int] = {}
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
            process = os.fork()
            if process == 0:
                self._be_worker(number)
            self._workers[process] = number
        os.close(self._ready_end)
        os.close(self._alive)

    def _be_worker(self, number: int) -> None:
        status = 1
        try:
            os.close(self._parent_end)
            os.close(self._ready)

            def ready() -> None:
                with suppress(OSError):  # the parent has ended
                    os.write(self._ready_end, b".")

            run_worker(number, self._system, self._plan, self._options, ready)
            status = 0
        except BaseException:
            log.exception("worker %s failed", number)
        finally:
            exit_worker(status)

    def watch(self, on_ready: Callable[[], None]) -> None:
        """Wait for the workers to serve, call `on_ready`, and wait for their end."""
        for number in (signal.SIGINT, signal.SIGTERM):
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
            if number is not None and not self._is_stopping:
                raise WorkerDied(
                    f"worker {number} (process {process}) {_how(status)}; its sandboxes are lost, so the emulator ends. "
                    "Start it again."
                )

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
