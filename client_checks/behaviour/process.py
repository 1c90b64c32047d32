"""Runs the client's command in its own process group: starts, watches and ends it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from swapmock.client_checks.behaviour.coupling import group_members, stuck_wait, tidy
from swapmock.client_checks.clock import Clock

#: Real seconds between two checks of a running client.
LOOK = 0.05
#: If a timed wait under libfaketime does not end within this many real seconds without any request, it counts as stuck.
STUCK_AFTER = 3.0
#: Real seconds between two looks for such a wait: each reads the list of all processes.
STUCK_LOOK = 0.5
#: How often a program that is busy is tried, and the real seconds in between.
BUSY_ATTEMPTS, BUSY_PAUSE = 100, 0.05
#: The most bytes of output that are kept.
KEPT = 200_000


class CommandMissing(Exception):
    """The command cannot be started; the text says why."""


@dataclass
class Ended:
    """How a run ended: exit, killed (on purpose), timeout, or stuck (in a wait that never returns under
    libfaketime)."""

    how: str
    status: int | None
    stdout: str
    stderr: str


@dataclass
class Process:
    """One run. `kill_when` is called repeatedly and says whether the case kills the command now. `progress` returns
    how many requests the client has sent."""

    command: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path
    outputs: Path
    clock: Clock
    timeout: float
    scaled: bool = False
    program: str = ""
    kill_when: Callable[[], bool] = lambda: False
    progress: Callable[[], int] = lambda: 0
    _stuck: tuple[str, int, float] = field(default=("", 0, 0.0))
    _next_look: float = 0.0

    def run(self) -> Ended:
        """Run the command to its end. Raises CommandMissing."""
        program = self.program or self.command[0]
        if shutil.which(program, path=self.environment.get("PATH")) is None and not (self.cwd / program).exists():
            raise CommandMissing(f"cannot run {program}: no such program")
        self.outputs.mkdir(parents=True, exist_ok=True)
        out, err = self.outputs / "stdout", self.outputs / "stderr"
        with out.open("ab") as stdout, err.open("ab") as stderr:
            stdout_start, stderr_start = stdout.tell(), stderr.tell()
            child = self._started(stdout, stderr)
            how = self._watch(child)
        if self.scaled:
            tidy(child.pid)
        return Ended(how, child.returncode, _tail(out, stdout_start), _tail(err, stderr_start))

    def _started(self, stdout: IO[bytes], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the command. Raises CommandMissing.

        A program that was just copied is busy as long as a process that was started meanwhile holds its file."""
        for attempt in range(BUSY_ATTEMPTS):
            try:
                return subprocess.Popen(
                    self.command,
                    env=dict(self.environment),
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as error:
                if error.errno != errno.ETXTBSY or attempt == BUSY_ATTEMPTS - 1:
                    raise CommandMissing(f"cannot run {self.command[0]}: {error.strerror or error}") from None
            self.clock.pause(BUSY_PAUSE)
        raise AssertionError("the last attempt returns or raises")

    def _watch(self, child: subprocess.Popen[bytes]) -> str:
        started = self.clock.now()
        while child.poll() is None:
            if self.kill_when():
                return self._end(child, "killed")
            if self.clock.now() - started > self.timeout:
                return self._end(child, "timeout")
            if self.scaled and self._is_stuck(child.pid):
                return self._end(child, "stuck")
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(LOOK)
        _kill(child.pid)  # end child processes that are still running
        return "killed" if self.kill_when() else "exit"

    def _end(self, child: subprocess.Popen[bytes], how: str) -> str:
        _kill(child.pid)
        child.wait()
        return how

    def _is_stuck(self, group: int) -> bool:
        now = self.clock.now()
        if now < self._next_look:
            return False
        self._next_look = now + STUCK_LOOK
        waits, done = stuck_wait(group_members(group)), self.progress()
        before, done_before, since = self._stuck
        if not waits or waits != before or done != done_before:
            self._stuck = (waits, done, now)
            return False
        return now - since > STUCK_AFTER


def _kill(group: int) -> None:
    """End a process group that was started here."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    return content[-KEPT:].decode("utf-8", "replace")
